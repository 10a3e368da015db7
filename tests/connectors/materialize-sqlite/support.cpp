#include "support.hpp"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>

#include "materialize_sqlite.hpp"
#include "sluice/base/text.hpp"
#include "sluice/data/packed.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/json/write.hpp"
#include "sluice/testing/run.hpp"

namespace sluice::testing {

using protocol::MaterializeInput;
using protocol::MaterializeOutput;
using protocol::Projection;
namespace materialize = protocol::materialize;

TempFolder::TempFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "sluice-sqlite-XXXXXX").string();
  if (!::mkdtemp(name.data())) throw std::runtime_error("cannot create a temporary folder");
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::vector<std::string> rows(const std::string& file, const std::string& sql) {
  sqlite3* db = nullptr;
  sqlite3_stmt* statement = nullptr;
  std::vector<std::string> out;
  int code = sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  const char* rest = sql.c_str();
  while (code == SQLITE_OK && *rest) {
    code = sqlite3_prepare_v2(db, rest, -1, &statement, &rest);
    if (code != SQLITE_OK || !statement) break;
    int step;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
      std::string line;
      for (int i = 0; i < sqlite3_column_count(statement); ++i) {
        if (i) line += '|';
        const void* data = sqlite3_column_blob(statement, i);
        std::string value(static_cast<const char*>(data ? data : ""),
                          static_cast<std::size_t>(data ? sqlite3_column_bytes(statement, i) : 0));
        switch (sqlite3_column_type(statement, i)) {
          case SQLITE_NULL:
            line += "NULL";
            break;
          case SQLITE_BLOB:
            line += "x'" + text::hex(value) + "'";
            break;
          case SQLITE_TEXT:
            line += value;
            break;
          default:
            line += reinterpret_cast<const char*>(sqlite3_column_text(statement, i));
        }
      }
      out.push_back(std::move(line));
    }
    code = sqlite3_finalize(statement);
    if (step != SQLITE_DONE) break;
  }
  std::string message = code == SQLITE_OK ? "" : sqlite3_errmsg(db);
  sqlite3_close(db);
  if (!message.empty()) throw std::runtime_error(message + " in " + sql);
  return out;
}

void execute(const std::string& file, const std::string& sql) { rows(file, sql); }

Projection projection(std::string field, std::string ptr, std::vector<std::string> types,
                      protocol::Exists exists) {
  Projection p;
  p.field = std::move(field);
  p.ptr = std::move(ptr);
  p.inference.emplace();
  p.inference->types = std::move(types);
  p.inference->exists = exists;
  if (std::ranges::find(p.inference->types, "string") != p.inference->types.end())
    p.inference->string.emplace();
  return p;
}

protocol::CollectionSpec shop() {
  protocol::CollectionSpec c;
  c.name = "acme/shop";
  c.key = {"/id"};
  c.projections = {projection("_meta/op", "/_meta/op", {"string"}),
                   projection("flow_document", "", {"object"}, protocol::Exists::must),
                   projection("id", "/id", {"integer"}, protocol::Exists::must),
                   projection("n", "/n", {"integer", "null"}), projection("name", "/name", {"string"})};
  c.projections[2].is_primary_key = true;
  return c;
}

protocol::MaterializationBinding binding(const protocol::CollectionSpec& collection,
                                         const BindingOptions& o) {
  protocol::MaterializationBinding b;
  b.resource_config_json = fmt::format(R"({{"table":"{}","delta_updates":{}}})", o.table, o.delta);
  b.resource_path = {o.table};
  b.collection = collection;
  b.field_selection.emplace();
  b.field_selection->keys = o.keys;
  b.field_selection->values = o.values;
  b.field_selection->document = o.document;
  b.delta_updates = o.delta;
  b.backfill = o.backfill;
  return b;
}

protocol::MaterializationSpec spec(std::string config_json,
                                   std::vector<protocol::MaterializationBinding> bindings) {
  protocol::MaterializationSpec s;
  s.name = "acme/sink";
  s.config_json = std::move(config_json);
  s.bindings = std::move(bindings);
  return s;
}

std::string config_of(const std::string& file, std::string_view more) {
  return fmt::format(R"({{"path":"{}"{}}})", file, more);
}

protocol::Checkpoint checkpoint(std::int64_t read_through) {
  protocol::Checkpoint c;
  c.sources["acme/shop/pivot=00;materialize/acme/sink/shop"].read_through = read_through;
  return c;
}

std::int64_t read_through(const std::optional<protocol::Checkpoint>& checkpoint) {
  if (!checkpoint) return -1;
  return checkpoint->sources.empty() ? 0 : checkpoint->sources.begin()->second.read_through;
}

std::string packed(std::string_view json) {
  json::Tree tree;
  tree.parse(json);
  std::string out;
  for (const json::Node& child : tree.children(tree.root())) data::pack(out, tree, &child);
  return out;
}

template <class T>
Task<T> Peer::expect() {
  std::optional<MaterializeOutput> output = co_await from_.next();
  require(output.has_value());
  require(std::holds_alternative<T>(output->value));
  co_return std::move(std::get<T>(output->value));
}

Task<> Peer::send(MaterializeInput::Value value) { return to_.send(MaterializeInput(std::move(value))); }

Task<materialize::Opened> Peer::opened() { return expect<materialize::Opened>(); }

Task<> Peer::acknowledge() {
  co_await send(materialize::Acknowledge());
  co_await expect<materialize::Acknowledged>();
}

Task<std::vector<std::string>> Peer::load(Keys keys) {
  Batch batch;
  for (auto& [of, key] : keys) batch.add(packed(key), of);
  if (!batch.empty()) co_await send(protocol::Loads(std::move(batch)));
  co_await send(materialize::Flush());
  std::vector<std::string> found;
  for (;;) {
    std::optional<MaterializeOutput> output = co_await from_.next();
    require(output.has_value());
    if (std::holds_alternative<materialize::Flushed>(output->value)) break;
    auto* loaded = std::get_if<protocol::LoadedDocuments>(&output->value);
    require(loaded != nullptr);
    for (std::size_t i = 0; i < loaded->documents.size(); ++i)
      found.push_back(fmt::format("{} {}", loaded->documents.doc(i).binding, loaded->documents.doc(i).json));
  }
  std::ranges::sort(found);
  co_return found;
}

Task<std::int64_t> Peer::count_loaded() {
  co_await send(materialize::Flush());
  std::int64_t count = 0;
  for (;;) {
    std::optional<MaterializeOutput> output = co_await from_.next();
    require(output.has_value());
    if (std::holds_alternative<materialize::Flushed>(output->value)) break;
    auto* loaded = std::get_if<protocol::LoadedDocuments>(&output->value);
    require(loaded != nullptr);
    count += static_cast<std::int64_t>(loaded->documents.size());
  }
  co_return count;
}

Task<> Peer::store(std::vector<Stored> documents) {
  protocol::StoreBatch batch;
  for (const Stored& s : documents) {
    std::string key = packed(s.key), values = packed(s.values);
    batch.add({s.binding, key, values, s.doc, s.exists, s.deleted});
  }
  if (!batch.empty()) co_await send(std::move(batch));
}

Task<> Peer::commit(protocol::Checkpoint checkpoint) {
  materialize::StartCommit request;
  request.runtime_checkpoint = std::move(checkpoint);
  co_await send(std::move(request));
  co_await expect<materialize::StartedCommit>();
}

Task<std::vector<std::string>> Peer::transaction(Keys keys, std::vector<Stored> documents,
                                                 protocol::Checkpoint checkpoint) {
  co_await acknowledge();
  std::vector<std::string> found = co_await load(std::move(keys));
  co_await store(std::move(documents));
  co_await commit(std::move(checkpoint));
  co_return found;
}

Task<> Peer::drain() {
  to_.close();
  while (std::optional<MaterializeOutput> rest = co_await from_.next()) require(!rest);
}

Task<> SkippingClock::sleep_until(TimePoint time) {
  now_ = std::max(now_, time);
  if (at_sleep) at_sleep();
  co_return;
}

Bench::Bench(std::size_t memory_bytes, Clock* clock)
    : pool_(2),
      context_(loop_.executor(), pool_, clock ? *clock : clock_,
               Log(LogLevel::debug, LogFormat::text,
                   [this](std::string_view line) {
                     std::lock_guard lock(lines_mutex_);
                     lines_.emplace_back(line);
                   }),
               memory_bytes),
      connector_(make_materialize_sqlite(context_)) {}

Bench::~Bench() = default;

bool Bench::logged(std::string_view text) {
  std::lock_guard lock(lines_mutex_);
  return std::ranges::any_of(lines_, [&](const std::string& line) { return line.find(text) != line.npos; });
}

namespace {
Task<> one_transaction(Peer peer, Keys keys, std::vector<Stored> documents, std::int64_t n,
                       std::vector<std::string>& found) {
  co_await peer.opened();
  found = co_await peer.transaction(std::move(keys), std::move(documents), checkpoint(n));
  co_await peer.acknowledge();
  co_await peer.drain();
}
}  // namespace

std::vector<std::string> Bench::transact(const protocol::MaterializationSpec& spec, Keys keys,
                                         std::vector<Stored> documents, std::int64_t n) {
  std::vector<std::string> found;
  session(spec, [&](Peer peer) {
    return one_transaction(std::move(peer), std::move(keys), std::move(documents), n, found);
  });
  return found;
}

materialize::Spec Bench::spec() { return loop_.run(connector_->spec(materialize::SpecRequest())); }

materialize::Validated Bench::validate(materialize::Validate request) {
  return loop_.run(connector_->validate(std::move(request)));
}

materialize::Applied Bench::apply(const protocol::MaterializationSpec& spec,
                                  const protocol::MaterializationSpec* last) {
  materialize::Apply request;
  request.materialization = spec;
  if (last) request.last_materialization = *last;
  return loop_.run(connector_->apply(std::move(request)));
}

std::pair<Peer, Task<>> Bench::start(materialize::Open open) {
  auto [to, in] = channel<MaterializeInput>(context_.executor, 1 << 20);
  auto [out, from] = channel<MaterializeOutput>(context_.executor, 1 << 20);
  protocol::MaterializeIo io(std::move(in), std::move(out));
  return {Peer(std::move(to), std::move(from)), connector_->run(std::move(open), std::move(io))};
}

}  // namespace sluice::testing
