#pragma once
#include <cstddef>
#include <string>

#include "database.hpp"
#include "dialect.hpp"
#include "sluice/base/log.hpp"
#include "sluice/protocol/messages.hpp"
#include "sluice/sql/apply.hpp"
#include "sluice/sql/validate.hpp"

namespace sluice::sqlite {

// Runs the statements of one step of a plan, within a transaction. What SQLite refuses in them is an
// Error{config}: the table is as it is, so that another attempt would fail alike.
void run_step(const Database& database, const sql::Step& step);

// Brings the tables of a file into the shape that a specification asks for, one transaction a table. Plain
// calls that block.
class Applier {
 public:
  Applier(const std::string& path, sql::Rules rules, protocol::materialize::Apply request, Log log);

  // Finds out what is to be done; call once before the rest. False if another connection is in the way.
  bool prepare();
  bool done() const { return at_ == plan_.steps.size(); }
  // Runs one step; false if another connection holds the write lock.
  bool step();
  std::string description() const { return plan_.description(); }

 private:
  sql::Rules rules_;
  protocol::materialize::Apply request_;
  Log log_;
  Dialect dialect_;
  Database database_;
  sql::Plan plan_;
  std::size_t at_ = 0;
};

}  // namespace sluice::sqlite
