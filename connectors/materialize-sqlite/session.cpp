#include "session.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>

#include "apply.hpp"
#include "config.hpp"
#include "functions.hpp"
#include "schema.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/sql/apply.hpp"
#include "sluice/sql/values.hpp"

namespace sluice::sqlite {
namespace {

using namespace std::chrono_literals;
using namespace literals;
using Clock = std::chrono::steady_clock;

constexpr auto piece = 10ms;
constexpr std::size_t rows_between_clocks = 64;
constexpr std::size_t found_bytes = 1_MiB;       // of one piece of load()
constexpr std::size_t keys_at_once = 32 * 1024;  // sorted together
constexpr std::size_t most_statements = 600;
constexpr std::size_t log_bytes_to_copy = 8_MiB;
constexpr std::size_t log_bytes_of_concern = 1_GiB;

int remember_log_pages(void* pages, sqlite3*, const char*, int in_log) {
  *static_cast<std::int64_t*>(pages) = in_log;
  return SQLITE_OK;
}

// As a JSON array, for errors.
std::string key_text(std::string_view packed) {
  std::string out;
  for (data::TupleReader reader(packed); !reader.done();) {
    out += out.empty() ? "[" : ",";
    sql::write_json(out, reader.next());
  }
  constexpr std::size_t enough = 200;
  return out.size() < enough ? out + "]" : std::string(text::cut_utf8(out, enough)) + "…";
}

bool has_null(std::string_view packed) {
  for (data::TupleReader reader(packed); !reader.done();)
    if (std::holds_alternative<std::monostate>(reader.next())) return true;
  return false;
}

[[noreturn]] void throw_null_is_lost(const sql::Table& table, const sql::Column& key) {
  throw Error(Error::Kind::config,
              fmt::format("key '{}' may be null, but its column in table '{}' is the rowid, which cannot be",
                          key.field, table.path.back()),
              "Increment the binding's backfill counter to re-create the table.");
}

}  // namespace

Session::Session(SessionOptions options, protocol::MaterializationSpec spec, protocol::RangeSpec range,
                 Log log)
    : options_(std::move(options)),
      spec_(std::move(spec)),
      range_(range),
      log_(std::move(log)),
      database_(options_.path, Database::Access::create),
      fence_sql_(sql::fence_sql(dialect_, {checkpoints_table})) {}

bool Session::configure() {
  if (!database_.prepare_file()) return false;
  database_.execute(options_.every_commit_on_disk ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
  // Pages are copied out of the log by tidy(), not within a commit.
  database_.execute("PRAGMA wal_autocheckpoint=0");
  sqlite3_wal_hook(database_.handle(), remember_log_pages, &log_pages_);
  database_.execute(fmt::format("PRAGMA journal_size_limit={}", 8 * log_bytes_to_copy));
  database_.execute(fmt::format("PRAGMA cache_size=-{}", options_.memory_bytes / 2 / 1024));
  // What does not fit in memory goes to a file.
  database_.execute("PRAGMA temp_store=FILE");
  register_functions(database_);
  page_bytes_ = database_.query_integer("PRAGMA page_size");
  return true;
}

bool Session::install() {
  if (!configured_) configured_ = configure();
  if (!configured_ || !database_.begin()) return false;
  Transaction transaction(database_);
  apply_plan();
  read_bindings();
  fence();
  transaction.commit();
  return true;
}

// Apply may have run against another file, or this one may have vanished since.
void Session::apply_plan() {
  std::vector<sql::Path> paths{{checkpoints_table}};
  for (const auto& binding : spec_.bindings) paths.push_back(binding.resource_path);
  sql::InfoSchema info = read_schema(database_, dialect_, paths);
  protocol::materialize::Apply request;
  request.materialization = spec_;
  request.last_materialization = spec_;
  sql::Plan plan = sql::plan(dialect_, options_.rules, request, {checkpoints_table}, info);
  sql::log(log_, plan.notices);
  for (const sql::Step& step : plan.steps) run_step(database_, step);
}

void Session::read_bindings() {
  bindings_.clear();
  std::vector<sql::Path> paths;
  for (const auto& binding : spec_.bindings) paths.push_back(binding.resource_path);
  sql::InfoSchema info = read_schema(database_, dialect_, paths);
  for (const auto& binding : spec_.bindings)
    read_binding(bindings_.emplace_back(sql::table_of(dialect_, spec_.name, binding)), info);
}

void Session::read_binding(Binding& binding, const sql::InfoSchema& info) {
  const sql::LiveTable* live = info.find(binding.table.path);
  SLUICE_CHECK(live);
  binding.keys.clear();
  binding.values.clear();
  binding.nullable_key = false;
  auto encoder = [&](const sql::Column& column) {
    const sql::LiveColumn* at = info.find(*live, column.field);
    SLUICE_CHECK(at);
    if (column.is_key && !column.not_null && at->computed && !binding.table.delta)
      throw_null_is_lost(binding.table, column);
    if (column.is_key && at->nullable) binding.nullable_key = true;
    return Encoder(column, at->type);
  };
  for (const sql::Column& column : binding.table.keys()) binding.keys.push_back(encoder(column));
  for (const sql::Column& column : binding.table.values()) binding.values.push_back(encoder(column));
}

void Session::fence() {
  auto range_parameters = [&](Statement& s, std::uint32_t begin, std::uint32_t end) {
    s.bind_text(1, spec_.name);
    s.bind(2, std::int64_t{begin});
    s.bind(3, std::int64_t{end});
  };
  Statement raise = database_.prepare(fence_sql_.raise);
  range_parameters(raise, range_.key_begin, range_.key_end);
  raise.run();
  std::vector<sql::FenceRow> rows;
  Statement select = database_.prepare(fence_sql_.select);
  range_parameters(select, range_.key_begin, range_.key_end);
  while (select.step()) {
    auto hash = [&](int column) { return static_cast<std::uint32_t>(select.integer(column)); };
    rows.push_back({hash(0), hash(1), select.integer(2), std::string(select.text(3))});
  }
  select.reset();
  fence_ = sql::resolve_fence(spec_.name, std::move(rows), range_.key_begin, range_.key_end,
                              options_.strict_shard_ranges);
  for (const sql::FenceRow& row : fence_.remove) {
    Statement remove = database_.prepare(fence_sql_.remove);
    range_parameters(remove, row.key_begin, row.key_end);
    remove.run();
  }
  if (!fence_.insert) return;
  Statement insert = database_.prepare(fence_sql_.insert);
  range_parameters(insert, range_.key_begin, range_.key_end);
  insert.bind(4, fence_.fence);
  insert.bind_text(5, fence_.checkpoint);
  insert.run();
}

// ---- loads ----

void Session::add_keys(Batch keys) {
  if (keys.empty()) return;
  if (key_bytes_ + keys.bytes() > options_.memory_bytes / 8) return spill(keys);
  key_bytes_ += keys.bytes();
  keys_.push_back(std::move(keys));
}

void Session::spill(const Batch& keys) {
  if (!spilled_)
    database_.execute(
        "CREATE TEMP TABLE IF NOT EXISTS flow_keys (id INTEGER PRIMARY KEY, binding INTEGER, key BLOB)");
  database_.execute("BEGIN");
  Transaction transaction(database_);
  Statement insert = database_.prepare("INSERT INTO temp.flow_keys (binding, key) VALUES (?1, ?2)");
  for (std::size_t i = 0; i < keys.size(); ++i) {
    insert.bind(1, std::int64_t{keys.doc(i).binding});
    insert.bind_blob(2, keys.doc(i).json);
    insert.run();
  }
  transaction.commit();
  spilled_ += static_cast<std::int64_t>(keys.size());
}

// Takes the next keys and sorts them, so that neighbours in the tables are read together. False when there
// are none.
bool Session::next_keys() {
  current_keys_.clear();
  sorted_keys_.clear();
  next_key_ = 0;
  while (!keys_.empty() && current_keys_.size() < keys_at_once) {
    key_bytes_ -= keys_.front().bytes();
    if (current_keys_.empty())
      current_keys_ = std::move(keys_.front());
    else
      current_keys_.append(std::move(keys_.front()));
    keys_.pop_front();
  }
  if (current_keys_.empty() && spilled_) {
    Statement read =
        database_.prepare("SELECT binding, key FROM temp.flow_keys WHERE id > ?1 ORDER BY id LIMIT ?2");
    read.bind(1, spilled_read_);
    read.bind(2, static_cast<std::int64_t>(keys_at_once));
    while (read.step()) current_keys_.add(read.text(1), static_cast<std::uint32_t>(read.integer(0)));
    read.reset();
    spilled_read_ += static_cast<std::int64_t>(current_keys_.size());
  }
  for (std::size_t i = 0; i < current_keys_.size(); ++i)
    sorted_keys_.push_back({current_keys_.doc(i).binding, current_keys_.doc(i).json});
  std::ranges::sort(sorted_keys_, [](const Key& a, const Key& b) {
    return a.binding != b.binding ? a.binding < b.binding : a.packed < b.packed;
  });
  return !sorted_keys_.empty();
}

bool Session::load(Batch& found) {
  if (!reading_) {
    database_.execute("BEGIN");
    reading_ = true;
  }
  auto end = Clock::now() + piece;
  while (next_key_ < sorted_keys_.size() || next_keys()) {
    look_up(sorted_keys_[next_key_++], found);
    if (found.bytes() >= found_bytes) return true;
    if (next_key_ % rows_between_clocks == 0 && Clock::now() >= end) return true;
  }
  database_.commit();
  reading_ = false;
  if (spilled_) database_.execute("DELETE FROM temp.flow_keys");
  spilled_ = spilled_read_ = 0;
  return false;
}

void Session::look_up(const Key& key, Batch& found) {
  Binding& binding = bindings_[key.binding];
  if (!binding.table.has_document) return;
  Statement& select = kept(binding.select, binding.select ? std::string() : select_sql(binding));
  binder_.begin();
  binder_.bind(select, 1, binding.keys, key.packed);
  if (binder_.too_wide()) return;  // cannot have been stored
  binder_.finish(select);
  if (select.step() && !select.is_null(0)) found.add(select.text(0), key.binding);
  select.reset();
}

// ---- stores ----

bool Session::begin() {
  if (writing_) return true;
  require_in_place();
  if (!database_.begin()) return false;
  writing_ = true;
  Statement check = database_.prepare(fence_sql_.check);
  check.bind_text(1, spec_.name);
  check.bind(2, std::int64_t{range_.key_begin});
  check.bind(3, std::int64_t{range_.key_end});
  bool current = check.step() && check.integer(0) == fence_.fence;
  check.reset();
  if (!current) sql::throw_fenced(spec_.name, fence_.fence);
  return true;
}

std::size_t Session::store(const protocol::StoreBatch& documents, std::size_t from) {
  auto end = Clock::now() + piece;
  std::size_t at = from;
  while (at < documents.size()) {
    Document document = documents[at];
    try {
      store(document);
    } catch (Error& e) {
      e.add(fmt::format("storing key {} of table '{}'", key_text(document.key_packed),
                        bindings_[document.binding].table.path.back()));
      throw;
    }
    ++at;
    if (at % rows_between_clocks == 0 && Clock::now() >= end) break;
  }
  return at;
}

void Session::store(const Document& document) {
  Binding& binding = bindings_[document.binding];
  if (options_.hard_delete && document.is_delete && !binding.table.delta) {
    // Created and deleted within the transaction: there is no row.
    if (document.exists) remove(binding, document.key_packed);
    return;
  }
  write(binding, document);
}

void Session::write(Binding& binding, const Document& document) {
  // Nulls never conflict in a unique index, so that the former row is removed by hand.
  if (binding.nullable_key && !binding.table.delta && has_null(document.key_packed))
    remove(binding, document.key_packed);
  Statement& insert = kept(binding.write, binding.write ? std::string() : write_sql(binding));
  int values = 1 + static_cast<int>(binding.keys.size());
  int document_parameter = values + static_cast<int>(binding.values.size());
  binder_.begin();
  binder_.bind(insert, 1, binding.keys, document.key_packed);
  binder_.bind(insert, values, binding.values, document.values_packed);
  if (const Encoder* column = binder_.too_wide()) {
    widen(binding, *column);
    return write(binding, document);
  }
  if (binding.table.has_document) insert.bind_text(document_parameter, document.doc);
  binder_.finish(insert);
  insert.run();
}

void Session::remove(Binding& binding, std::string_view key) {
  Statement& remove = kept(binding.remove, binding.remove ? std::string() : remove_sql(binding));
  binder_.begin();
  binder_.bind(remove, 1, binding.keys, key);
  if (binder_.too_wide()) return;  // cannot have been stored
  binder_.finish(remove);
  remove.run();
}

// An integer beyond 64 bits has come for a column that would round it.
void Session::widen(Binding& binding, const Encoder& column) {
  log_.warn("an integer beyond 64 bits has come: the column loses its type, so that it is kept as text",
            kv("table", binding.table.path.back()), kv("column", column.name));
  std::string name = column.name;
  release_statements();
  auto read = [&] { return read_schema(database_, dialect_, {binding.table.path}); };
  sql::InfoSchema before = read();
  const sql::LiveTable* live = before.find(binding.table.path);
  SLUICE_CHECK(live);
  const sql::LiveColumn* live_column = before.find(*live, name);
  SLUICE_CHECK(live_column);
  for (const std::string& statement : dialect_.widen(binding.table, *live, live_column->name))
    database_.execute(statement);
  read_binding(binding, read());
}

void Session::commit(const protocol::Checkpoint& checkpoint) {
  SLUICE_CHECK(writing_);
  require_in_place();
  std::string text = sql::checkpoint_text(checkpoint);
  Statement update = database_.prepare(fence_sql_.commit);
  update.bind_text(1, text);
  update.bind_text(2, spec_.name);
  update.bind(3, std::int64_t{range_.key_begin});
  update.bind(4, std::int64_t{range_.key_end});
  update.bind(5, fence_.fence);
  update.run();
  if (database_.changes() != 1) {
    database_.rollback();
    sql::throw_fenced(spec_.name, fence_.fence);
  }
  database_.commit();
  writing_ = false;
}

void Session::require_in_place() const {
  if (!database_.moved()) return;
  throw Error(Error::Kind::transient,
              fmt::format("database file '{}' was moved or deleted while in use", database_.path()),
              "What was not committed is repeated, into a new file if there is none at the path.");
}

void Session::tidy() {
  auto bytes = static_cast<std::size_t>(log_pages_ * page_bytes_);
  if (bytes < log_bytes_to_copy) return;
  bool all = database_.checkpoint();
  if (all)
    log_pages_ = 0;
  else if (bytes >= log_bytes_of_concern)
    log_.warn("the write-ahead log grows because another program reads an old state of the file",
              kv("path", database_.path()), kv("bytes", bytes),
              kv("remedy", "end the long read transactions of other programs"));
}

// ---- statements ----

Statement& Session::kept(Statement& slot, const std::string& sql) {
  if (slot) return slot;
  if (kept_statements_ >= most_statements) release_statements();
  slot = database_.prepare_kept(sql);
  ++kept_statements_;
  return slot;
}

void Session::release_statements() {
  for (Binding& binding : bindings_)
    for (Statement* statement : {&binding.write, &binding.remove, &binding.select}) *statement = Statement();
  kept_statements_ = 0;
}

std::string Session::write_sql(const Binding& binding) const {
  const sql::Table& table = binding.table;
  std::vector<std::string> columns, parameters, keys, updates;
  for (const sql::Column& column : table.columns) {
    columns.push_back(dialect_.quote(column.name));
    parameters.push_back(dialect_.parameter(columns.size()));
    if (column.is_key)
      keys.push_back(columns.back());
    else
      updates.push_back(fmt::format("{0}=excluded.{0}", columns.back()));
  }
  std::string sql = fmt::format("INSERT INTO {} ({}) VALUES ({})", dialect_.name(table.path),
                                fmt::join(columns, ","), fmt::join(parameters, ","));
  if (table.delta) return sql;
  sql += fmt::format(" ON CONFLICT ({}) DO ", fmt::join(keys, ","));
  return sql + (updates.empty() ? "NOTHING" : fmt::format("UPDATE SET {}", fmt::join(updates, ",")));
}

std::string Session::where_key(const Binding& binding) const {
  std::string out;
  for (std::size_t i = 0; i < binding.keys.size(); ++i)
    out += fmt::format("{}{} {} {}", i ? " AND " : "", dialect_.quote(binding.keys[i].name),
                       binding.nullable_key ? "IS" : "=", dialect_.parameter(i + 1));
  return out;
}

std::string Session::remove_sql(const Binding& binding) const {
  return fmt::format("DELETE FROM {} WHERE {}", dialect_.name(binding.table.path), where_key(binding));
}

std::string Session::select_sql(const Binding& binding) const {
  return fmt::format("SELECT {} FROM {} WHERE {}", dialect_.quote(binding.table.document()->name),
                     dialect_.name(binding.table.path), where_key(binding));
}

}  // namespace sluice::sqlite
