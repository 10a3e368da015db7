#include "apply.hpp"

#include <algorithm>
#include <vector>

#include "config.hpp"
#include "functions.hpp"
#include "schema.hpp"
#include "sluice/base/error.hpp"

namespace sluice::sqlite {

Applier::Applier(const std::string& path, sql::Rules rules, protocol::materialize::Apply request, Log log)
    : rules_(rules),
      request_(std::move(request)),
      log_(std::move(log)),
      database_(path, Database::Access::create) {}

bool Applier::prepare() {
  if (!database_.prepare_file()) return false;
  // The runtime remembers what was applied, so that it must outlast a loss of power.
  database_.execute("PRAGMA synchronous=FULL");
  register_functions(database_);
  std::vector<sql::Path> paths{{checkpoints_table}};
  for (const auto& binding : request_.materialization->bindings) paths.push_back(binding.resource_path);
  sql::InfoSchema info = read_schema(database_, dialect_, paths);
  plan_ = sql::plan(dialect_, rules_, request_, {checkpoints_table}, info);
  sql::log(log_, plan_.notices);
  return true;
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
