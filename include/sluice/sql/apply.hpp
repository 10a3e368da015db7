#pragma once
#include <string>
#include <vector>

#include "sluice/protocol/messages.hpp"
#include "sluice/sql/dialect.hpp"
#include "sluice/sql/live.hpp"
#include "sluice/sql/notice.hpp"
#include "sluice/sql/validate.hpp"

// What must happen to tables so that a specification can run (materialize-sql.md §4).
namespace sluice::sql {

// One table's change, in one transaction.
struct Step {
  std::string what;  // for errors: "creating table 't'"
  std::vector<std::string> statements;
  std::string note;  // what the statements do not say
};

struct Plan {
  std::vector<Step> steps;
  std::vector<Notice> notices;
  // What is told to the user: the statements.
  std::string description() const;
};

// The table of fences and checkpoints (§1.5).
Table checkpoint_table(const Dialect& dialect, Path path);

// Creates, alters, truncates or re-creates; nothing for what fits already, so that repeating is harmless.
// Throws Error{config} on what needs the user.
Plan plan(const Dialect& dialect, const Rules& rules, const protocol::materialize::Apply& request,
          const Path& checkpoints, const InfoSchema& info);

}  // namespace sluice::sql
