#include "apply.hpp"

#include <sqlite3.h>

#include <vector>

#include "config.hpp"
#include "functions.hpp"
#include "schema.hpp"
#include "sluice/base/error.hpp"

namespace sluice::sqlite {

void run_step(const Database& database, const sql::Step& step) {
  try {
    for (const std::string& statement : step.statements) database.execute(statement);
  } catch (Error& e) {
    // Before the rollback makes it another.
    bool refused = (sqlite3_errcode(database.handle()) & 0xff) == SQLITE_ERROR;
    e.add(step.what);
    if (!refused) throw;
    throw Error(Error::Kind::config, e.message(),
                "Change the table or its data by hand so that the statement succeeds, or increment the "
                "binding's backfill counter to re-create the table.",
                e.where());
  }
}

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
  Transaction transaction(database_);
  run_step(database_, plan_.steps[at_]);
  transaction.commit();
  ++at_;
  return true;
}

}  // namespace sluice::sqlite
