// How much of what SQLite can do by the same prepared statements does materialize-sqlite keep? Ours: batches
// as the runtime sends them, through the connector in process, with its fence, checkpoint and write-ahead
// log. The limit: the same statements run in a loop over values that are ready in memory, with the same
// pragmas, in one transaction and a copy of its log into the file. Rows of eight columns, a document of some
// 400 bytes among them.
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "allocations.hpp"
#include "materialize_sqlite.hpp"
#include "report.hpp"
#include "sluice/async/loop.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"
#include "sluice/data/packed.hpp"

namespace {

using namespace sluice;
using protocol::MaterializeInput;
using protocol::MaterializeOutput;
using protocol::StoreBatch;
namespace materialize = protocol::materialize;

enum class Key { integer, text };

struct Row {
  std::int64_t id;
  std::string key, name, document;
};

std::vector<Row> make_rows(std::size_t count, int version) {
  std::vector<Row> out;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    Row& row = out.emplace_back();
    row.id = static_cast<std::int64_t>(i) * 3;
    row.key = fmt::format("customer-{:010}", i);
    row.name = fmt::format("name {} of customer {}", version, i);
    row.document = fmt::format(
        R"({{"_meta":{{"op":"{}","uuid":"9f2952f3-c6a3-11ea-8802-080607050309"}},"id":{},"name":"{}","qty":{},"price":{},)"
        R"("paid":true,"at":"2024-03-01T12:34:56.789Z","note":"{:x<180}"}})",
        version ? "u" : "c", row.id, row.name, i % 50, static_cast<double>(i) * 0.25, "");
  }
  return out;
}

std::vector<StoreBatch> make_batches(const std::vector<Row>& rows, Key kind, int version, bool exists) {
  std::vector<StoreBatch> out;
  std::string key, values;
  for (const Row& row : rows) {
    key.clear();
    values.clear();
    kind == Key::integer ? data::pack(key, row.id) : data::pack_string(key, row.key);
    data::pack_string(values, version ? "u" : "c");
    data::pack_string(values, "2024-03-01T12:34:56.789Z");
    data::pack_string(values, row.name);
    data::pack(values, true);
    data::pack(values, static_cast<double>(row.id) * 0.25);
    data::pack(values, row.id % 50);
    if (out.empty() || out.back().bytes() > 256 * 1024) out.emplace_back();
    out.back().add({0, key, values, row.document, exists, false});
  }
  return out;
}

protocol::MaterializationSpec make_spec(const std::string& file, Key kind, bool delta) {
  auto projection = [](std::string field, std::string type, bool must = true) {
    protocol::Projection p;
    p.ptr = field == "flow_document" ? "" : "/" + field;
    p.field = std::move(field);
    p.inference.emplace();
    p.inference->types = {std::move(type)};
    p.inference->exists = must ? protocol::Exists::must : protocol::Exists::may;
    return p;
  };
  protocol::MaterializationSpec spec;
  spec.name = "bench/sink";
  spec.config_json = fmt::format(R"({{"path":"{}"}})", file);
  protocol::MaterializationBinding& b = spec.bindings.emplace_back();
  b.resource_path = {"t"};
  b.delta_updates = delta;
  b.collection.emplace();
  b.collection->name = "bench/rows";
  b.collection->key = {"/k"};
  b.collection->projections = {
      projection("_meta/op", "string"),      projection("at", "string"),
      projection("flow_document", "object"), projection("k", kind == Key::integer ? "integer" : "string"),
      projection("name", "string"),          projection("paid", "boolean"),
      projection("price", "number"),         projection("qty", "integer", false)};
  b.field_selection.emplace();
  b.field_selection->keys = {"k"};
  b.field_selection->values = {"_meta/op", "at", "name", "paid", "price", "qty"};
  b.field_selection->document = "flow_document";
  return spec;
}

struct Cost {
  double wall = 0, cpu = 0;
  std::size_t allocations = 0;
};

// Work between start() and stop().
class Meter {
 public:
  void start() {
    wall_ = std::chrono::steady_clock::now();
    cpu_ = bench::cpu_seconds();
    allocations_ = allocations();
  }
  Cost stop() const {
    Cost cost;
    cost.wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - wall_).count();
    cost.cpu = bench::cpu_seconds() - cpu_;
    cost.allocations = allocations() - allocations_;
    return cost;
  }

 private:
  std::chrono::steady_clock::time_point wall_;
  double cpu_ = 0;
  std::size_t allocations_ = 0;
};

// ---- ours ----

struct Work {
  std::vector<StoreBatch> stores;
  Batch loads;
};

Task<> send(Writer<MaterializeInput>& out, MaterializeInput::Value value) {
  return out.send(MaterializeInput(std::move(value)));
}

template <class T>
Task<> expect(Reader<MaterializeOutput>& in) {
  for (;;) {
    std::optional<MaterializeOutput> output = co_await in.next();
    SLUICE_CHECK(output);
    if (std::holds_alternative<T>(output->value)) co_return;
    SLUICE_CHECK(std::holds_alternative<protocol::LoadedDocuments>(output->value));
  }
}

// One transaction, and the acknowledgement of the next, which copies the write-ahead log.
Task<> play(Writer<MaterializeInput> out, Reader<MaterializeOutput> in, Work work, Meter& meter, Cost& cost) {
  co_await expect<materialize::Opened>(in);
  co_await send(out, materialize::Acknowledge());
  co_await expect<materialize::Acknowledged>(in);
  meter.start();
  if (!work.loads.empty()) co_await send(out, protocol::Loads(std::move(work.loads)));
  co_await send(out, materialize::Flush());
  co_await expect<materialize::Flushed>(in);
  for (StoreBatch& batch : work.stores) co_await send(out, std::move(batch));
  materialize::StartCommit commit;
  commit.runtime_checkpoint.emplace().sources["journal"].read_through = 1;
  co_await send(out, std::move(commit));
  co_await expect<materialize::StartedCommit>(in);
  co_await send(out, materialize::Acknowledge());
  co_await expect<materialize::Acknowledged>(in);
  cost = meter.stop();
  out.close();
}

Cost run_ours(const protocol::MaterializationSpec& spec, Work work) {
  CpuPool pool(2);
  SteadyClock clock;
  Loop loop;
  Context context(loop.executor(), pool, clock, Log());
  auto connector = make_materialize_sqlite(context);
  materialize::Apply apply;
  apply.materialization = spec;
  loop.run(connector->apply(std::move(apply)));
  auto [to, from_runtime] = channel<MaterializeInput>(loop.executor(), 4 << 20);
  auto [to_runtime, from] = channel<MaterializeOutput>(loop.executor(), 4 << 20);
  protocol::MaterializeIo io(std::move(from_runtime), std::move(to_runtime));
  materialize::Open open;
  open.materialization = spec;
  Meter meter;
  Cost cost;
  loop.run(all(connector->run(std::move(open), std::move(io)),
               play(std::move(to), std::move(from), std::move(work), meter, cost)));
  return cost;
}

// ---- the limit ----

class Raw {
 public:
  explicit Raw(const std::string& file) {
    check(sqlite3_open(file.c_str(), &db_));
    execute(
        "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA "
        "wal_autocheckpoint=0;"
        "PRAGMA cache_size=-32768");
  }
  ~Raw() { sqlite3_close(db_); }
  void execute(const char* sql) { check(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr)); }
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    check(sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr));
    return statement;
  }
  void copy_log() {
    check(sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr));
  }
  void check(int code) {
    if (code != SQLITE_OK && code != SQLITE_DONE) throw Error(Error::Kind::transient, sqlite3_errmsg(db_));
  }

 private:
  sqlite3* db_ = nullptr;
};

void bind_key(sqlite3_stmt* s, const Row& row, Key kind) {
  if (kind == Key::integer)
    sqlite3_bind_int64(s, 1, row.id);
  else
    sqlite3_bind_text(s, 1, row.key.data(), static_cast<int>(row.key.size()), SQLITE_STATIC);
}

Cost run_raw_store(const std::string& file, const std::vector<Row>& rows, Key kind, int version, bool delta) {
  Raw raw(file);
  raw.execute(
      fmt::format(
          "CREATE TABLE IF NOT EXISTS t (k {} NOT NULL, op TEXT NOT NULL, at TEXT NOT NULL, name TEXT NOT "
          "NULL, paid BOOLEAN NOT NULL, price REAL NOT NULL, qty INTEGER, doc TEXT NOT NULL{})",
          kind == Key::integer ? "INTEGER" : "TEXT", delta ? "" : ", PRIMARY KEY (k)")
          .c_str());
  Meter meter;
  meter.start();
  sqlite3_stmt* s = raw.prepare(
      delta
          ? "INSERT INTO t VALUES (?1,?2,?3,?4,?5,?6,?7,?8)"
          : "INSERT INTO t VALUES (?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT (k) DO UPDATE SET op=excluded.op, "
            "at=excluded.at, name=excluded.name, paid=excluded.paid, price=excluded.price, qty=excluded.qty, "
            "doc=excluded.doc");
  raw.execute("BEGIN IMMEDIATE");
  for (const Row& row : rows) {
    bind_key(s, row, kind);
    sqlite3_bind_text(s, 2, version ? "u" : "c", 1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, "2024-03-01T12:34:56.789Z", 24, SQLITE_STATIC);
    sqlite3_bind_text(s, 4, row.name.data(), static_cast<int>(row.name.size()), SQLITE_STATIC);
    sqlite3_bind_int64(s, 5, 1);
    sqlite3_bind_double(s, 6, static_cast<double>(row.id) * 0.25);
    sqlite3_bind_int64(s, 7, row.id % 50);
    sqlite3_bind_text(s, 8, row.document.data(), static_cast<int>(row.document.size()), SQLITE_STATIC);
    raw.check(sqlite3_step(s));
    sqlite3_reset(s);
  }
  raw.execute("COMMIT");
  raw.copy_log();
  sqlite3_finalize(s);
  return meter.stop();
}

// Keys in the order in which they come, as a program without staging would ask.
Cost run_raw_load(const std::string& file, const std::vector<Row>& rows,
                  const std::vector<std::size_t>& order, Key kind) {
  Raw raw(file);
  Meter meter;
  meter.start();
  sqlite3_stmt* s = raw.prepare("SELECT doc FROM t WHERE k = ?1");
  raw.execute("BEGIN");
  std::string found;
  for (std::size_t i : order) {
    bind_key(s, rows[i], kind);
    if (sqlite3_step(s) != SQLITE_ROW) throw Error(Error::Kind::bug, "row not found");
    if (found.size() > (1 << 20)) found.clear();
    found.append(reinterpret_cast<const char*>(sqlite3_column_text(s, 0)),
                 static_cast<std::size_t>(sqlite3_column_bytes(s, 0)));
    sqlite3_reset(s);
  }
  raw.execute("COMMIT");
  sqlite3_finalize(s);
  return meter.stop();
}

// ---- cases ----

struct Result : bench::Result {
  Result(std::string_view verb, std::string_view kind)
      : bench::Result{"sqlite", fmt::format("{}, {}", verb, kind), "rows/s"} {
    bar = 0.8;
  }
  void add(const Cost& mine, const Cost& theirs, std::size_t rows) {
    auto n = static_cast<double>(rows);
    ours.push_back(n / mine.wall);
    limit.push_back(n / theirs.wall);
    ratio.push_back(theirs.wall / mine.wall);
    cpu_us.push_back(mine.cpu / n * 1e6);
    allocations.push_back(static_cast<double>(mine.allocations) / n);
  }
};

class Cases {
 public:
  Cases(std::filesystem::path folder, int repeats, std::size_t rows)
      : folder_(std::move(folder)), repeats_(repeats), rows_(rows) {}

  void run(std::string_view name, Key kind, bool delta) {
    std::vector<Row> first = make_rows(rows_, 0), second = make_rows(rows_, 1);
    std::vector<std::size_t> order(rows_);
    for (std::size_t i = 0; i < rows_; ++i) order[i] = i * 7919 % rows_;
    Result insert(delta ? "append" : "insert", name), update("update", name), load("load", name);
    for (int i = 0; i < repeats_; ++i) {
      std::string mine = fresh("ours.db"), theirs = fresh("limit.db");
      auto spec = make_spec(mine, kind, delta);
      Work inserts{make_batches(first, kind, 0, false), {}};
      Cost ours = run_ours(spec, std::move(inserts));
      insert.add(ours, run_raw_store(theirs, first, kind, 0, delta), rows_);
      if (delta) continue;
      Work updates{make_batches(second, kind, 1, true), {}};
      ours = run_ours(spec, std::move(updates));
      update.add(ours, run_raw_store(theirs, second, kind, 1, delta), rows_);
      Work loads;
      std::string key;
      for (std::size_t at : order) {
        key.clear();
        kind == Key::integer ? data::pack(key, second[at].id) : data::pack_string(key, second[at].key);
        loads.loads.add(key);
      }
      ours = run_ours(spec, std::move(loads));
      load.add(ours, run_raw_load(theirs, second, order, kind), rows_);
    }
    insert.print();
    if (delta) return;
    update.print();
    load.print();
  }

 private:
  std::string fresh(const char* name) const {
    for (const char* suffix : {"", "-wal", "-shm"})
      std::filesystem::remove(folder_ / (std::string(name) + suffix));
    return (folder_ / name).string();
  }
  std::filesystem::path folder_;
  int repeats_;
  std::size_t rows_;
};

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  std::string folder = (std::filesystem::temp_directory_path() / "sluice-bench-XXXXXX").string();
  if (!mkdtemp(folder.data())) return 1;
  int status = 0;
  try {
    Cases cases(folder, arguments.repeats, arguments.quick ? 20'000 : 100'000);
    cases.run("integer key", Key::integer, false);
    cases.run("text key", Key::text, false);
    cases.run("delta", Key::integer, true);
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    status = 1;
  }
  std::filesystem::remove_all(folder);
  return status;
}
