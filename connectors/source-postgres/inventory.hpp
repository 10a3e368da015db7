#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/async/context.hpp"
#include "sluice/protocol/messages.hpp"
#include "source-postgres/changes.hpp"
#include "source-postgres/scan.hpp"

namespace sluice::source_postgres {

// A bound table of a session.
struct BoundTable : Captured {
  explicit BoundTable(std::uint64_t chunk_limit) : chunk(chunk_limit) {}
  bool found = false;                      // in the last discovery
  std::optional<std::size_t> sent_schema;  // hash of the SourcedSchema that was sent last
  std::string looked_up;                   // shape for which discovery was consulted last
  ChunkSize chunk;
  std::optional<std::uint32_t> last_page;  // of the keyless scan
  bool explained = false;
  bool recreated = false;  // another one of the same name was found than before
};

// The query connection of a session, opened anew when it was lost; one that was idle for long is tried first.
class Database {
 public:
  Database(Context& context, const Settings& settings) : context_(context), settings_(settings) {}
  Task<pg::Connection*> get();

 private:
  Context& context_;
  const Settings& settings_;
  std::unique_ptr<pg::Connection> connection_;
  Clock::TimePoint last_used_;
};

// What is to be done about a table that was dropped and created again.
const char* recreated_remedy(const Settings& settings);

// What a session knows about its tables: bindings, discovered details, types.
class Inventory {
 public:
  Inventory(Context& context, const Settings& settings, std::vector<Binding> bindings);

  std::deque<BoundTable>& tables() { return tables_; }
  const pg::TypeCatalog& types() const { return types_; }

  // Looks at all tables, or at one, again. True if anything changed that documents depend on; then types()
  // was loaded anew too.
  Task<bool> discover(pg::Connection& db);
  Task<bool> discover(pg::Connection& db, BoundTable& table);

  // The schemas of found tables, or of one, that differ from those returned last.
  std::vector<protocol::capture::SourcedSchema> take_schemas();
  std::vector<protocol::capture::SourcedSchema> take_schemas(BoundTable& table);

 private:
  bool adopt(BoundTable& table, const Table* found);
  void take_schema(BoundTable& table, std::vector<protocol::capture::SourcedSchema>& out);

  Context& context_;
  const Settings& settings_;
  std::deque<BoundTable> tables_;  // addresses stay
  pg::TypeCatalog types_;
};

// Columns with their types: what a scan's rows and the messages of a relation have to agree with.
std::string shape(const Table& table);
std::string shape(const pg::pgoutput::Relation& relation);
// The columns of `table` that changes carry, in the same form.
std::string replicated_shape(const Table& table);
// SQL for shape() of the pg_class row `c`.
extern const char* const shape_sql;

}  // namespace sluice::source_postgres
