#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sluice/protocol/messages.hpp"
#include "sluice/sql/dialect.hpp"
#include "sluice/sql/live.hpp"
#include "sluice/sql/notice.hpp"

// Which fields of a collection a table can, must or must not have (materialize-sql.md §3).
namespace sluice::sql {

// The settings and flags that the rules depend on.
struct Rules {
  bool no_flow_document = false;  // standard tables without the root document
  bool allow_existing_tables_for_new_bindings = false;
  bool retain_existing_data_on_backfill = false;
  bool always_drop_tables_on_backfill = false;
};

// What a resource configuration says once parsed.
struct Resource {
  Path path;
  bool delta_updates = false;
};

// The bindings of the last specification, disabled ones included, by the table that they name.
class LastBindings {
 public:
  LastBindings(const Dialect& dialect, const std::optional<protocol::MaterializationSpec>& last);
  const protocol::MaterializationBinding* find(const Path& resource_path) const;

 private:
  const Dialect& dialect_;
  std::map<Path, const protocol::MaterializationBinding*> bindings_;
};

// The paths of two bindings that name one table; throws Error{config}.
void require_distinct(const Dialect& dialect, const std::vector<Path>& paths);

// Throws Error{config} if the binding cannot be used at all.
std::vector<protocol::materialize::ProjectionConstraint> constraints(
    const Dialect& dialect, const Rules& rules, const protocol::materialize::ValidateBinding& binding,
    const Resource& resource, const protocol::MaterializationBinding* last, const InfoSchema& info);

// The whole response; `resources` are those of the request's bindings, in order.
protocol::materialize::Validated validate(const Dialect& dialect, const Rules& rules,
                                          const protocol::materialize::Validate& request,
                                          const std::vector<Resource>& resources, const InfoSchema& info);

// Of tables that would have more columns than the database takes if every field were selected.
std::vector<Notice> notices(const Dialect& dialect, const protocol::materialize::Validated& validated);

}  // namespace sluice::sql
