#include "apply.hpp"

#include <algorithm>
#include <vector>

#include "config.hpp"
#include "functions.hpp"
#include "schema.hpp"
#include "sluice/base/error.hpp"

namespace sluice::sqlite {

Applier::Applier(const std::string& path, const sql::Rules& rules,
                 const protocol::materialize::Apply& request, Log log)
    : database_(path, Database::Access::create) {
  database_.prepare_file();
  // The runtime remembers what was applied, so that it must outlast a loss of power.
  database_.execute("PRAGMA synchronous=FULL");
  register_functions(database_);
  std::vector<sql::Path> paths{{checkpoints_table}};
  for (const auto& binding : request.materialization->bindings) paths.push_back(binding.resource_path);
  sql::InfoSchema info = read_schema(database_, dialect_, paths);
  plan_ = sql::plan(dialect_, rules, request, {checkpoints_table}, info);
  sql::log(log, plan_.notices);
}

bool Applier::step() {
  if (!database_.begin()) return false;
  const sql::Step& step = plan_.steps[at_];
  Transaction transaction(database_);
  try {
    for (const std::string& statement : step.statements) database_.execute(statement);
    transaction.commit();
  } catch (Error& e) {
    e.add(step.what);
    throw;
  }
  ++at_;
  return true;
}

}  // namespace sluice::sqlite
