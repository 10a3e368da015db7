#include "source-postgres/backfill.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/json/write.hpp"

namespace sluice::source_postgres {
namespace {

using cdc::TableMode;
using pg::Field;
using Seconds = std::chrono::duration<double>;

// Of a page of 8 kB, if nothing is known of the table.
constexpr double usual_rows_a_page = 100;
// Pages that may be added between looking and reading.
constexpr double page_margin = 1.05;

// The state's own note of a table: which one it was, and for keyless scans where its rows lay.
struct Metadata {
  std::uint64_t oid = 0;
  std::string files;

  static Metadata parse(const std::string& text) {
    Metadata m;
    if (text.empty()) return m;
    json::Tree tree;
    tree.parse(text);
    if (const json::Node* node = tree.find(tree.root(), "oid");
        node != nullptr && node->kind == json::Kind::number)
      std::from_chars(node->text.data(), node->text.data() + node->text.size(), m.oid);
    if (const json::Node* node = tree.find(tree.root(), "files"); node != nullptr) m.files = node->text;
    return m;
  }
  std::string text() const {
    std::string out;
    json::Writer w(out);
    w.begin_object().key("oid").unsigned_integer(oid);
    w.key("files").string(files);
    w.end_object();
    return out;
  }
};

// The table and everything below it that holds rows, as oid:filenode.
constexpr const char* files_sql =
    "(WITH RECURSIVE parts(oid) AS (SELECT c.oid UNION ALL SELECT i.inhrelid FROM pg_catalog.pg_inherits i "
    "JOIN parts ON i.inhparent = parts.oid WHERE c.relkind = 'p') "
    "SELECT string_agg(p.oid || ':' || pg_relation_filenode(p.oid), ',' ORDER BY p.oid) FROM parts p "
    "JOIN pg_catalog.pg_class leaf ON leaf.oid = p.oid WHERE leaf.relkind = 'r')";
constexpr const char* pages_sql =
    "WITH RECURSIVE parts(oid) AS (SELECT $1::oid UNION ALL SELECT i.inhrelid FROM pg_catalog.pg_inherits i "
    "JOIN parts ON i.inhparent = parts.oid WHERE $2::bool) "
    "SELECT coalesce(max(pg_relation_size(p.oid) / current_setting('block_size')::bigint), 0), count(*) "
    "FROM parts p JOIN pg_catalog.pg_class leaf ON leaf.oid = p.oid WHERE leaf.relkind = 'r'";

// Partitions may come and go during a scan; those that were there at its start must lie where they lay.
bool moved(const std::string& before, const std::string& now) {
  std::map<std::string, std::string> files;
  for (const std::string& part : text::split(now, ',')) {
    std::size_t colon = part.find(':');
    if (colon != part.npos) files[part.substr(0, colon)] = part.substr(colon + 1);
  }
  for (const std::string& part : text::split(before, ',')) {
    std::size_t colon = part.find(':');
    if (colon == part.npos) continue;
    auto found = files.find(part.substr(0, colon));
    if (found != files.end() && found->second != part.substr(colon + 1)) return true;
  }
  return false;
}

Error refusal(std::string message, std::string hint) {
  return {Error::Kind::config, std::move(message), std::move(hint)};
}

}  // namespace

// One chunk on its way.
struct Backfill::Chunk {
  TableMode mode = TableMode::unfiltered;
  bool changed = false;  // the table is another one, or has another shape, than discovery knew
  std::string files;     // keyless: where the rows lie now
  std::string query;
  std::uint64_t limit = 0;       // rows asked for by key
  Tid last;                      // keyless: the end of the range
  std::size_t first_column = 0;  // 1 if xmin comes first

  std::optional<pg::RowWriter> writer;
  KeyCodec codec;
  std::vector<std::size_t> key;  // places of the key columns in a row
  std::vector<Field> fields;
  std::string meta_head, meta_tail, meta;

  std::uint64_t first_number = 0;  // of the rows of this chunk
  std::uint64_t received = 0, emitted = 0, bytes = 0;
  std::vector<std::string> last_key;  // texts of the last row's key
  std::vector<bool> last_null;
  std::optional<std::string> position;  // precise: of the last row
  bool interrupted = false;
};

Backfill::Backfill(Context& context, const Settings& settings, Inventory& inventory, cdc::CaptureState& state,
                   Output& output, const bool& stop)
    : context_(context),
      settings_(settings),
      inventory_(inventory),
      state_(state),
      output_(output),
      stop_(stop),
      random_(static_cast<std::minstd_rand::result_type>(context.clock.unix_nanoseconds())) {}

// ---- states ----

// Derived members of the table from its state.
void Backfill::follow_state(BoundTable& table) {
  const cdc::TableState& state = *state_.find(table.binding.state_key);
  table.active = cdc::streams(state.mode);
  table.precise = state.mode == TableMode::precise;
  table.scanned = state.scanned;
  if (table.scanned && state.mode != TableMode::keyless) table.scanned = renewed_position(*table.scanned);
  table.scan_key = state.key_columns.value_or(std::vector<std::string>());
}

void Backfill::resume() {
  for (BoundTable& table : inventory_.tables()) {
    const cdc::TableState* state = state_.find(table.binding.state_key);
    if (state == nullptr || !cdc::streams(state->mode)) continue;
    if (!table.found) {
      state_.change(table.binding.state_key).mode = TableMode::missing;
      continue;
    }
    Metadata metadata = Metadata::parse(state->metadata_json);
    if (metadata.oid != 0 && metadata.oid != table.table.oid) {
      context_.log.warn("the table was dropped and created again since the capture last saw it",
                        kv("table", table.binding.name.text()),
                        kv("backfilled_again", settings_.features.rebackfill_recreated_tables),
                        kv("remedy", recreated_remedy(settings_)));
      if (settings_.features.rebackfill_recreated_tables) {
        restart(table);
        continue;
      }
      metadata.oid = table.table.oid;
      state_.change(table.binding.state_key).metadata_json = metadata.text();
    }
    if (cdc::backfills(state->mode) && settings_.skips_backfill(table.binding.name)) {
      cdc::TableState& changed = state_.change(table.binding.state_key);
      changed.mode = TableMode::active;
      changed.scanned.reset();
    }
    follow_state(table);
  }
}

bool Backfill::only_changes(const BoundTable& table) const {
  return settings_.skips_backfill(table.binding.name) ||
         table.binding.resource.mode == cdc::BackfillMode::only_changes;
}

bool Backfill::start_pending(bool only_changes) {
  bool any = false;
  for (BoundTable& table : inventory_.tables()) {
    const cdc::TableState* state = state_.find(table.binding.state_key);
    if (state == nullptr || (only_changes && !this->only_changes(table))) continue;
    if (state->mode == TableMode::missing && table.found) {
      context_.log.info("the table has come back and is read again", kv("table", table.binding.name.text()));
      state_.change(table.binding.state_key) = cdc::TableState();
    }
    if (state->mode != TableMode::pending) continue;
    if (!table.found)
      throw refusal("table " + table.binding.name.text() + " does not exist or is no table",
                    "Create it again, or disable its binding.");
    start(table);
    any = true;
  }
  return any;
}

void Backfill::restart(BoundTable& table) {
  state_.change(table.binding.state_key) = cdc::TableState();
  table.active = table.precise = false;
  table.last_page.reset();
}

void Backfill::begin_again(BoundTable& table) {
  restart(table);
  start(table);
}

void Backfill::start(BoundTable& table) {
  const Binding& binding = table.binding;
  cdc::TableState state;
  Metadata metadata;
  metadata.oid = table.table.oid;
  state.metadata_json = metadata.text();
  std::vector<std::string> key = binding.scan_key();
  if (!key.empty()) state.key_columns = key;
  if (only_changes(table)) {
    state.mode = TableMode::active;
  } else {
    state.mode = scan_mode(table, key);
    if (state.mode == TableMode::keyless) state.key_columns.reset();
    context_.log.info("backfill started", kv("table", binding.name.text()), kv("mode", cdc::name(state.mode)),
                      kv("stream", binding.name.text()), kv("observable", true));
    if (!key.empty() && key != table.table.key)
      context_.log.info("the backfill goes by another key than the table's own",
                        kv("table", binding.name.text()), kv("key", text::join(key, ", ")),
                        kv("own_key", text::join(table.table.key, ", ")));
  }
  state_.change(binding.state_key) = std::move(state);
  follow_state(table);
}

KeyCodec Backfill::codec(const BoundTable& table, const std::vector<std::string>& key) const {
  std::vector<pg::Oid> types;
  for (const std::string& name : key) {
    const Column* column = table.table.find(name);
    if (column == nullptr || !column->captured())
      throw refusal(fmt::format("table {} has no column \"{}\", by which it is to be read",
                                table.binding.name.text(), name),
                    "Discover the table again and raise the backfill counter of its binding.");
    types.push_back(column->type);
  }
  return KeyCodec(inventory_.types(), types, settings_.features.server_timezone);
}

// What rules a key out for scans: rows would be left out silently.
void Backfill::check_key(const BoundTable& table, const std::vector<std::string>& key, bool precise) const {
  for (const std::string& name : key) {
    const Column& column = *table.table.find(name);
    if (!column.deterministic)
      throw refusal(
          fmt::format("table {} cannot be read by its column \"{}\", whose collation holds different texts "
                      "equal",
                      table.binding.name.text(), name),
          "Set the mode of the binding to \"Without Primary Key\".");
    if (precise && column.nullable)
      throw refusal(
          fmt::format("mode \"Precise\" of table {} needs a key without nulls, but column \"{}\" allows them",
                      table.binding.name.text(), name),
          "Set the mode of the binding to \"Normal\", or the column to NOT NULL.");
  }
}

TableMode Backfill::scan_mode(const BoundTable& table, const std::vector<std::string>& key) const {
  const cdc::Resource& resource = table.binding.resource;
  if (resource.mode == cdc::BackfillMode::without_key) return TableMode::keyless;
  if (key.empty())
    throw refusal("table " + table.binding.name.text() + " has no key by which it could be read",
                  "Set the mode of the binding to \"Without Primary Key\".");
  KeyCodec types = codec(table, key);
  bool precise = resource.mode == cdc::BackfillMode::precise;
  check_key(table, key, precise);
  if (precise && !types.ordered_by_c())
    throw refusal(
        fmt::format("mode \"Precise\" is not possible for table {}: the order of its key ({}) is known to "
                    "the server only",
                    table.binding.name.text(), text::join(key, ", ")),
        "Set the mode of the binding to \"Normal\".");
  // Changes to rows that a filter leaves out must not be taken for rows still to be read.
  bool filtered = settings_.min_backfill_xid || !resource.advanced.additional_backfill_filter.empty();
  if (filtered) return TableMode::unfiltered;
  if (precise) return TableMode::precise;
  if (resource.mode == cdc::BackfillMode::normal) return TableMode::unfiltered;
  bool nullable = std::any_of(key.begin(), key.end(),
                              [&](const std::string& name) { return table.table.find(name)->nullable; });
  return types.ordered() && !nullable ? TableMode::precise : TableMode::unfiltered;
}

BoundTable* Backfill::choose() {
  std::vector<BoundTable*> best;
  for (BoundTable& table : inventory_.tables()) {
    const cdc::TableState* state = state_.find(table.binding.state_key);
    if (state == nullptr || !cdc::backfills(state->mode)) continue;
    if (!best.empty()) {
      std::int64_t leading = best.front()->binding.resource.priority, own = table.binding.resource.priority;
      if (own < leading) continue;
      if (own > leading) best.clear();
    }
    best.push_back(&table);
  }
  return best.empty() ? nullptr : best[random_() % best.size()];
}

std::string Backfill::progress() const {
  std::size_t tables = 0;
  double done = 0, all = 0;
  bool unknown = false;
  for (const BoundTable& table : inventory_.tables()) {
    const cdc::TableState* state = state_.find(table.binding.state_key);
    if (state == nullptr || !cdc::backfills(state->mode)) continue;
    ++tables;
    unknown = unknown || table.table.estimated_rows < 0;
    done += static_cast<double>(state->backfilled);
    all += table.table.estimated_rows;
  }
  if (tables == 0) return {};
  const char* plural = tables == 1 ? "" : "s";
  if (unknown || all <= 0) return fmt::format(" ({} table{} backfilling)", tables, plural);
  return fmt::format(" (backfilled {}% of {} table{})", std::min(99, static_cast<int>(100 * done / all)),
                     tables, plural);
}

// ---- chunks ----

ScanTable Backfill::scan_table(const BoundTable& table) const {
  ScanTable scan;
  scan.name = table.binding.name;
  scan.only = table.table.kind == 'r';
  for (const Column& column : table.table.columns)
    if (column.captured()) scan.columns.push_back(column.name);
  if (!table.binding.resource.advanced.additional_backfill_filter.empty())
    scan.filters.push_back(table.binding.resource.advanced.additional_backfill_filter);
  if (!table.table.row_filter.empty()) scan.filters.push_back(table.table.row_filter);
  scan.min_xid = settings_.min_backfill_xid;
  return scan;
}

// Begins a transaction in which the table keeps its columns and its place until the chunk is read: selecting
// nothing locks it as the scan will, and asks for no more privileges.
Task<> Backfill::lock(pg::Connection& db, BoundTable& table, Chunk& chunk) {
  const cdc::TableName& name = table.binding.name;
  std::string quoted = pg::quote_table(name.schema, name.table);
  bool keyless = chunk.mode == TableMode::keyless;
  std::string sql = "BEGIN; SELECT FROM " + std::string(table.table.kind == 'r' ? "ONLY " : "") + quoted +
                    " LIMIT 0; SELECT " + shape_sql + (keyless ? std::string(", ") + files_sql : ", NULL") +
                    ", c.oid FROM pg_catalog.pg_class c WHERE c.oid = " + pg::quote_literal(quoted) +
                    "::regclass";
  pg::Rows rows = co_await db.run(std::move(sql));
  chunk.changed = rows.text(0, 0) != shape(table.table) || rows.text(0, 2) != std::to_string(table.table.oid);
  chunk.files = rows.text(0, 1);
}

// A keyless scan starts again when the rows were moved, and with it what is known of the file's size.
void Backfill::follow_files(BoundTable& table, const Chunk& chunk) {
  if (chunk.mode != TableMode::keyless) return;
  cdc::TableState& state = state_.change(table.binding.state_key);
  Metadata metadata = Metadata::parse(state.metadata_json);
  if (moved(metadata.files, chunk.files)) {
    context_.log.warn("the table's rows were moved to another file; its backfill starts again",
                      kv("table", table.binding.name.text()));
    state.scanned.reset();
    state.backfilled = 0;
    table.last_page.reset();
  }
  if (!state.scanned) metadata.files = chunk.files;
  state.metadata_json = metadata.text();
}

Task<> Backfill::measure(pg::Connection& db, BoundTable& table, const Chunk& chunk) {
  if (chunk.mode != TableMode::keyless || table.last_page) co_return;
  std::vector<std::optional<std::string>> parameters;
  parameters.emplace_back(std::to_string(table.table.oid));
  parameters.emplace_back(table.table.kind == 'p' ? "t" : "f");
  pg::Rows rows = co_await db.query(pages_sql, std::move(parameters));
  std::string pages = rows.text(0, 0);
  double most = 0;
  std::from_chars(pages.data(), pages.data() + pages.size(), most);
  table.last_page = static_cast<std::uint32_t>(std::min(std::ceil(most * page_margin), 4294967294.0));
}

void Backfill::plan(BoundTable& table, Chunk& chunk, int server_version) {
  if (chunk.mode == TableMode::keyless)
    plan_keyless(table, chunk, server_version);
  else
    plan_keyed(table, chunk);
  std::vector<pg::pgoutput::RelationColumn> columns;
  for (const Column& column : table.table.columns) {
    if (!column.captured()) continue;
    pg::pgoutput::RelationColumn sent;
    sent.name = column.name;
    sent.type = column.type;
    columns.push_back(std::move(sent));
  }
  for (const std::string& name : table.scan_key) {
    auto at = std::find_if(columns.begin(), columns.end(), [&](const auto& c) { return c.name == name; });
    chunk.key.push_back(static_cast<std::size_t>(at - columns.begin()));
  }
  chunk.first_column = settings_.min_backfill_xid ? 1 : 0;
  chunk.fields.resize(columns.size() + chunk.first_column);
  chunk.writer.emplace(inventory_.types(), row_columns(table, columns), settings_.features.values);
  chunk.meta_head = "{\"op\":\"c\",\"source\":{\"loc\":[-1,";
  chunk.meta_tail =
      ",0]," + source_members(table.binding.name, true, settings_.config.advanced.source_tag) + "}}";
  chunk.first_number = state_.find(table.binding.state_key)->backfilled;
  chunk.last_key.resize(table.scan_key.size());
  chunk.last_null.resize(table.scan_key.size());
}

void Backfill::plan_keyed(BoundTable& table, Chunk& chunk) {
  chunk.codec = codec(table, table.scan_key);
  check_key(table, table.scan_key, chunk.mode == TableMode::precise);
  std::vector<ScanColumn> key;
  for (std::size_t i = 0; i < table.scan_key.size(); ++i) {
    const Column& column = *table.table.find(table.scan_key[i]);
    key.push_back({column.name, column.nullable,
                   chunk.mode == TableMode::precise && chunk.codec.collatable(i), chunk.codec.operators(i)});
  }
  std::vector<std::string> after;
  if (table.scanned) after = chunk.codec.literals(*table.scanned);
  chunk.limit = table.chunk.rows();
  chunk.query = keyed_query(scan_table(table), key, after, chunk.limit);
  chunk.position = table.scanned;
}

void Backfill::plan_keyless(BoundTable& table, Chunk& chunk, int server_version) {
  const cdc::TableState& state = *state_.find(table.binding.state_key);
  Tid after;
  if (state.scanned) {
    auto parsed = Tid::parse(*state.scanned);
    if (!parsed)
      throw refusal("the scan position of " + table.binding.name.text() + " in the state is damaged",
                    "Raise the backfill counter of the binding.");
    after = *parsed;
  }
  double rows_a_page = usual_rows_a_page;
  if (table.table.estimated_rows > 0 && table.table.pages > 0)
    rows_a_page = std::max(1.0, table.table.estimated_rows / static_cast<double>(table.table.pages));
  auto pages = static_cast<std::uint64_t>(static_cast<double>(table.chunk.rows()) / rows_a_page) + 1;
  chunk.last.block = static_cast<std::uint32_t>(std::min<std::uint64_t>(after.block + pages, UINT32_MAX - 1));
  chunk.query = keyless_query(scan_table(table), after, chunk.last, server_version);
}

// Once a table and process, so that a missing index is seen in the log.
Task<> Backfill::explain(pg::Connection& db, BoundTable& table, const Chunk& chunk) {
  if (std::exchange(table.explained, true)) co_return;
  pg::Rows rows = co_await db.query("EXPLAIN " + chunk.query);
  std::string plan;
  for (std::size_t i = 0; i < rows.size(); ++i) plan += (i == 0 ? "" : "\n") + rows.text(i, 0);
  context_.log.info("backfill query", kv("table", table.binding.name.text()), kv("query", chunk.query),
                    kv("plan", plan));
}

void Backfill::take_row(BoundTable& table, Chunk& chunk, std::span<char> line) {
  std::size_t length = line.size();
  if (length > 0 && line[length - 1] == '\n') --length;
  std::size_t count = pg::split_copy_line(line.data(), length, chunk.fields.data(), chunk.fields.size());
  if (count != chunk.fields.size() && !chunk.fields.empty())
    throw Error(Error::Kind::transient, fmt::format("a row of {} came with {} columns instead of {}",
                                                    table.binding.name.text(), count, chunk.fields.size()));
  ++chunk.received;
  if (chunk.mode != TableMode::keyless) take_key(table, chunk);
  if (chunk.first_column == 1 && !xmin_passes(chunk.fields[0].text, *settings_.min_backfill_xid)) return;
  const Field* row = chunk.fields.data() + chunk.first_column;
  std::uint64_t number = chunk.first_number + chunk.emitted++;
  chunk.meta.assign(chunk.meta_head);
  char digits[20];
  auto [end, failure] = std::to_chars(digits, digits + sizeof digits, number);
  chunk.meta.append(digits, end);
  chunk.meta += chunk.meta_tail;
  Batch& batch = output_.batch();
  std::size_t before = batch.text().size();
  chunk.writer->append(batch.text(), row, chunk.fields.size() - chunk.first_column, chunk.meta);
  chunk.bytes += batch.text().size() - before;
  batch.commit(table.binding.index);
}

// Remembers the last row's key; in the precise mode makes sure that keys come in ascending order.
void Backfill::take_key(BoundTable& table, Chunk& chunk) {
  const Field* row = chunk.fields.data() + chunk.first_column;
  if (chunk.mode != TableMode::precise) {
    for (std::size_t i = 0; i < chunk.key.size(); ++i) {
      const Field& field = row[chunk.key[i]];
      chunk.last_null[i] = field.state != Field::State::text;
      chunk.last_key[i].assign(field.text);
    }
    return;
  }
  std::string& next = chunk.meta;  // free until the document is written
  next.clear();
  for (std::size_t i = 0; i < chunk.key.size(); ++i) chunk.codec.append(next, i, row[chunk.key[i]]);
  if (chunk.position && next < *chunk.position)
    throw refusal("the rows of " + table.binding.name.text() + " do not come in the order of their key",
                  "Set the mode of the binding to \"Normal\" and raise its backfill counter.");
  if (chunk.position)
    chunk.position->swap(next);
  else
    chunk.position = next;
}

Task<> Backfill::copy(pg::Connection& db, BoundTable& table, Chunk& chunk) {
  co_await db.start_copy_out("COPY (" + chunk.query + ") TO STDOUT");
  for (;;) {
    auto line = db.poll_copy();
    if (!line) {
      line = co_await db.next_copy();
      if (!line) break;
    }
    take_row(table, chunk, db.copy_bytes());
    if (!output_.full()) continue;
    co_await output_.flush();
    if (stop_ && chunk.mode != TableMode::keyless) {
      chunk.interrupted = true;
      co_await db.cancel_copy();
      break;
    }
  }
}

// What the chunk has read becomes the table's state.
void Backfill::complete(BoundTable& table, Chunk& chunk) {
  cdc::TableState& state = state_.change(table.binding.state_key);
  bool done = false;
  if (chunk.mode == TableMode::keyless) {
    done = chunk.last.block >= *table.last_page;
    state.scanned = chunk.last.text();
  } else if (chunk.received > 0) {
    if (chunk.mode == TableMode::unfiltered) {
      chunk.position.emplace();
      for (std::size_t i = 0; i < chunk.last_key.size(); ++i) {
        Field field;
        field.state = chunk.last_null[i] ? Field::State::null : Field::State::text;
        field.text = chunk.last_key[i];
        chunk.codec.append(*chunk.position, i, field);
      }
    }
    state.scanned = chunk.position;
  }
  if (chunk.mode != TableMode::keyless) done = !chunk.interrupted && chunk.received < chunk.limit;
  state.backfilled += chunk.emitted;
  if (done) {
    state.mode = TableMode::active;
    state.scanned.reset();
    context_.log.info("backfill completed", kv("table", table.binding.name.text()),
                      kv("rows", state.backfilled));
  }
  follow_state(table);
}

Task<bool> Backfill::read_chunk(Database& database, BoundTable& table) {
  pg::Connection& db = *co_await database.get();
  Chunk chunk;
  chunk.mode = state_.find(table.binding.state_key)->mode;
  Clock::TimePoint begin = context_.clock.now();
  std::optional<Error> failure;
  try {
    co_await lock(db, table, chunk);
    if (!chunk.changed) {
      follow_files(table, chunk);
      co_await measure(db, table, chunk);
      plan(table, chunk, db.server_version());
      co_await explain(db, table, chunk);
      co_await copy(db, table, chunk);
    }
  } catch (const Error& e) {
    failure = e;
  }
  if (failure) failure->add("backfilling " + table.binding.name.text());
  // Own words, not the server's, have no SQLSTATE.
  if (failure && (db.broken() || failure->sqlstate().empty())) throw *failure;
  co_await db.run("ROLLBACK");  // nothing was written
  bool gone = failure && failure->sqlstate() == "42P01";
  if (chunk.changed || gone) {
    bool any = co_await inventory_.discover(db, table);
    if (any || !table.found) co_return false;
    if (gone) throw *failure;  // of another table, in a filter
    throw Error(Error::Kind::transient,
                "the columns of " + table.binding.name.text() + " could not be agreed upon");
  }
  if (failure) {
    bool timed_out = failure->sqlstate() == "57014" && table.chunk.halve();
    if (failure->sqlstate() == "42501")
      failure->set_hint(
          "The role must be able to select every column of the table; mind column-level grants and "
          "row-level security.");
    if (!timed_out) throw *failure;
    context_.log.warn("a backfill query timed out and is tried again with fewer rows",
                      kv("table", table.binding.name.text()), kv("received", chunk.received),
                      kv("next", table.chunk.rows()),
                      kv("remedy", "if it goes on, raise /advanced/statement_timeout"));
    chunk.interrupted = true;
    // A range of pages has no place to go on from: it is read again, under the same row numbers.
    if (chunk.mode == TableMode::keyless) co_return true;
  }
  double seconds = Seconds(context_.clock.now() - begin).count();
  if (!failure) table.chunk.completed(chunk.received, chunk.bytes, seconds);
  context_.log.debug("backfill chunk", kv("table", table.binding.name.text()), kv("rows", chunk.emitted),
                     kv("seconds", seconds), kv("bytes", chunk.bytes));
  complete(table, chunk);
  co_return true;
}

}  // namespace sluice::source_postgres
