#include "source-postgres/changes.hpp"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/json/write.hpp"

namespace sluice::source_postgres {
namespace {

using pg::Field;
namespace pgoutput = pg::pgoutput;

constexpr std::int64_t unix_us_of_2000 = 946'684'800'000'000;

Error unexpected(std::string what) {
  return {Error::Kind::transient, "the replication stream is not understood: " + std::move(what)};
}

template <class Integer>
void append_number(std::string& out, Integer value) {
  char digits[20];
  auto [end, failure] = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, end);
}

bool same(const pgoutput::Relation& a, const pgoutput::Relation& b) {
  auto equal = [](const pgoutput::RelationColumn& x, const pgoutput::RelationColumn& y) {
    return x.name == y.name && x.type == y.type && x.typmod == y.typmod;
  };
  return a.schema == b.schema && a.table == b.table && a.identity == b.identity &&
         std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(), b.columns.end(), equal);
}

}  // namespace

// One relation of the stream.
struct Changes::Relation {
  pgoutput::Relation definition;
  Captured* captured = nullptr;
  std::uint64_t discarded = 0;
  // Made when the first row of a captured table comes.
  std::optional<pg::RowWriter> writer;
  std::string source;             // members of /_meta/source
  std::vector<std::size_t> key;   // columns of the collection's key
  std::vector<std::size_t> scan;  // columns of the scan key, for the precise mode
  KeyCodec codec;
};

Changes::Changes(const pg::TypeCatalog& types, DocumentOptions options)
    : types_(types), options_(std::move(options)) {}

Changes::~Changes() = default;

void Changes::add(Captured& table) {
  tables_[table.binding.name] = &table;
  refresh();
}

void Changes::refresh() {
  for (auto& [oid, r] : relations_) {
    bind(*r);
    r->writer.reset();
  }
  last_ = nullptr;
}

void Changes::start_at(pg::Lsn position) {
  position_ = position;
  begin_.reset();
  relations_.clear();
  last_ = nullptr;
}

void Changes::bind(Relation& r) {
  auto found = tables_.find({r.definition.schema, r.definition.table});
  r.captured = found == tables_.end() ? nullptr : found->second;
}

Changes::Relation& Changes::relation(pg::Oid oid) {
  if (last_ != nullptr && last_->definition.oid == oid) return *last_;
  auto found = relations_.find(oid);
  if (found == relations_.end())
    throw unexpected(fmt::format("a change of relation {} that was not described", oid));
  last_ = found->second.get();
  return *last_;
}

void Changes::learn(const pgoutput::Relation& definition) {
  changed_ = nullptr;
  changed_table_ = nullptr;
  auto& slot = relations_[definition.oid];
  if (slot && same(slot->definition, definition)) return;
  if (slot && slot->captured != nullptr && slot->captured->active &&
      (slot->definition.schema != definition.schema || slot->definition.table != definition.table))
    throw Error(Error::Kind::config,
                fmt::format("table {}.{} was renamed to {}.{}", slot->definition.schema,
                            slot->definition.table, definition.schema, definition.table),
                "Rename it back, or replace its binding by one for the new name.");
  if (!slot) slot = std::make_unique<Relation>();
  std::uint64_t discarded = slot->discarded;
  *slot = Relation();
  slot->discarded = discarded;
  slot->definition = definition;
  bind(*slot);
  last_ = nullptr;
  changed_ = &slot->definition;
  changed_table_ = slot->captured;
}

void Changes::prepare(Relation& r) {
  const Captured& table = *r.captured;
  auto place = [&](const std::string& name) {
    const auto& columns = r.definition.columns;
    auto found = std::find_if(columns.begin(), columns.end(), [&](const auto& c) { return c.name == name; });
    if (found == columns.end())
      throw Error(
          Error::Kind::config,
          fmt::format("column \"{}\", part of the key of {}, is not among the columns that are replicated",
                      name, table.binding.name.text()),
          "If it was dropped or renamed, discover the table again and raise the binding's backfill counter.");
    return static_cast<std::size_t>(found - columns.begin());
  };
  r.key.clear();
  r.scan.clear();
  for (const std::string& column : table.binding.key_columns()) r.key.push_back(place(column));
  if (table.precise) {
    std::vector<pg::Oid> types;
    for (const std::string& column : table.scan_key) {
      r.scan.push_back(place(column));
      types.push_back(r.definition.columns[r.scan.back()].type);
    }
    r.codec = KeyCodec(types_, types, options_.server_timezone);
  }
  r.source = source_members({r.definition.schema, r.definition.table}, false, options_.tag);
  r.writer.emplace(types_, row_columns(table, r.definition.columns), options_.values);
}

Changes::Event Changes::apply(const pg::XLogData& data, Batch& out) {
  pgoutput::Message message = decoder_.decode(data.payload);
  if (auto* m = std::get_if<pgoutput::Insert>(&message)) {
    insert(*m, data.start, out);
    return Event::none;
  }
  if (auto* m = std::get_if<pgoutput::Update>(&message)) {
    update(*m, data.start, out);
    return Event::none;
  }
  if (auto* m = std::get_if<pgoutput::Delete>(&message)) {
    remove(*m, data.start, out);
    return Event::none;
  }
  if (auto* m = std::get_if<pgoutput::Begin>(&message)) {
    if (begin_) throw unexpected("a transaction begins within another");
    begin_ = *m;
    transaction_meta_.assign(",\"ts_ms\":");
    append_number(transaction_meta_, (m->commit_time_us + unix_us_of_2000) / 1000);
    return Event::begin;
  }
  if (auto* m = std::get_if<pgoutput::Commit>(&message)) {
    if (!begin_) throw unexpected("a commit outside of a transaction");
    if (m->commit_lsn != begin_->final_lsn)
      throw unexpected(fmt::format("a commit at {} of a transaction that ends at {}", m->commit_lsn.text(),
                                   begin_->final_lsn.text()));
    unsettled_.push_back(begin_->xid);
    begin_.reset();
    position_ = m->end_lsn;
    return Event::commit;
  }
  if (auto* m = std::get_if<pgoutput::Relation>(&message)) {
    learn(*m);
    return changed_ != nullptr ? Event::relation : Event::none;
  }
  if (auto* m = std::get_if<pgoutput::Truncate>(&message)) {
    truncated_.clear();
    for (pg::Oid oid : m->relations)
      if (const Relation& r = relation(oid); r.captured != nullptr && r.captured->active)
        truncated_.push_back(r.captured->binding.name);
    return truncated_.empty() ? Event::none : Event::truncate;
  }
  return Event::none;
}

Snapshot Snapshot::parse(std::string_view text) {
  Snapshot snapshot;
  // first:end:running,running,…
  std::vector<std::string> parts = text::split(text, ':');
  auto number = [&](std::string_view digits) {
    std::uint64_t value = 0;
    auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (failure != std::errc() || end != digits.data() + digits.size())
      throw unexpected(fmt::format("\"{}\" as a snapshot", text));
    return static_cast<std::uint32_t>(value);  // without the epoch
  };
  if (parts.size() != 3) throw unexpected(fmt::format("\"{}\" as a snapshot", text));
  snapshot.end = number(parts[1]);
  if (parts[2].empty()) return snapshot;
  for (const std::string& xid : text::split(parts[2], ',')) snapshot.running.push_back(number(xid));
  return snapshot;
}

bool Snapshot::sees(std::uint32_t xid) const {
  return static_cast<std::int32_t>(xid - end) < 0 &&
         std::find(running.begin(), running.end(), xid) == running.end();
}

void Changes::settle(const Snapshot& snapshot) {
  std::erase_if(unsettled_, [&](std::uint32_t xid) { return snapshot.sees(xid); });
}

void Changes::check_width(const Relation& r, const pgoutput::Tuple& tuple) const {
  if (!begin_) throw unexpected("a change outside of a transaction");
  if (tuple.count != r.definition.columns.size())
    throw unexpected(fmt::format("a row of {}.{} with {} columns instead of {}", r.definition.schema,
                                 r.definition.table, tuple.count, r.definition.columns.size()));
}

// A document without its key is of no use.
void Changes::check_key(const Relation& r, const Field* row, std::string_view what) const {
  for (std::size_t i : r.key)
    if (row[i].state == Field::State::omitted)
      throw Error(
          Error::Kind::config,
          fmt::format("a row {} {} does not tell its column \"{}\", part of the collection's key", what,
                      r.captured->binding.name.text(), r.definition.columns[i].name),
          fmt::format("The replica identity of the table does not cover the key: run ALTER TABLE {} REPLICA "
                      "IDENTITY FULL, and raise the binding's backfill counter.",
                      pg::quote_table(r.definition.schema, r.definition.table)));
}

bool Changes::passes(const Relation& r, const Field* row) {
  if (!r.captured->precise) return true;
  if (!r.captured->scanned) return false;
  key_.clear();
  for (std::size_t i = 0; i < r.scan.size(); ++i) r.codec.append(key_, i, row[r.scan[i]]);
  return key_ <= *r.captured->scanned;
}

void Changes::insert(const pgoutput::Insert& m, pg::Lsn at, Batch& out) {
  Relation& r = relation(m.relation);
  if (r.captured == nullptr || !r.captured->active) return void(++r.discarded);
  check_width(r, m.row);
  if (!r.writer) prepare(r);
  if (passes(r, m.row.fields)) emit(r, 'c', m.row.fields, nullptr, at, out);
}

// The old tuple with what it does not know left out: NULL in a key tuple means "not part of the identity".
// The new one has what was not changed: a key column that lies in TOAST is sent in the key tuple only.
void Changes::update(const pgoutput::Update& m, pg::Lsn at, Batch& out) {
  Relation& r = relation(m.relation);
  if (r.captured == nullptr || !r.captured->active) return void(++r.discarded);
  check_width(r, m.row);
  if (!r.writer) prepare(r);
  if (m.old_kind == 0) {
    check_key(r, m.row.fields, "updated in");
    if (passes(r, m.row.fields)) emit(r, 'u', m.row.fields, nullptr, at, out);
    return;
  }
  check_width(r, m.old_row);
  old_.assign(m.old_row.fields, m.old_row.fields + m.old_row.count);
  new_.assign(m.row.fields, m.row.fields + m.row.count);
  bool full = m.old_kind == 'O';
  for (std::size_t i = 0; i < old_.size(); ++i) {
    if (!full && old_[i].state == Field::State::null) old_[i].state = Field::State::omitted;
    if (new_[i].state == Field::State::omitted && old_[i].state == Field::State::text) new_[i] = old_[i];
  }
  check_key(r, new_.data(), "updated in");
  bool key_changed = std::any_of(r.key.begin(), r.key.end(), [&](std::size_t i) {
    return old_[i].state != Field::State::omitted && new_[i].state != Field::State::omitted &&
           (old_[i].state != new_[i].state || old_[i].text != new_[i].text);
  });
  if (key_changed && options_.key_change_as_delete_insert) {
    gone_ = old_;
    for (std::size_t i : r.key)
      if (gone_[i].state == Field::State::omitted) gone_[i] = new_[i];
    if (passes(r, gone_.data())) emit(r, 'd', gone_.data(), nullptr, at, out);
  }
  if (passes(r, new_.data())) emit(r, 'u', new_.data(), old_.data(), at, out);
}

void Changes::remove(const pgoutput::Delete& m, pg::Lsn at, Batch& out) {
  Relation& r = relation(m.relation);
  if (r.captured == nullptr || !r.captured->active) return void(++r.discarded);
  check_width(r, m.old_row);
  if (!r.writer) prepare(r);
  const Field* row = m.old_row.fields;
  if (m.old_kind == 'K') {
    old_.assign(row, row + m.old_row.count);
    for (Field& field : old_)
      if (field.state == Field::State::null) field.state = Field::State::omitted;
    row = old_.data();
    check_key(r, row, "deleted from");
  }
  if (passes(r, row)) emit(r, 'd', row, nullptr, at, out);
}

void Changes::emit(Relation& r, char op, const Field* row, const Field* before, pg::Lsn at, Batch& out) {
  std::size_t count = r.definition.columns.size();
  meta_ = '{';
  if (before != nullptr) {
    meta_ += "\"before\":";
    r.writer->append(meta_, before, count, {});
    meta_ += ',';
  }
  meta_ += "\"op\":\"";
  meta_ += op;
  meta_ += "\",\"source\":{\"loc\":[";
  append_number(meta_, position_.value);
  meta_ += ',';
  append_number(meta_, at.value);
  meta_ += ',';
  append_number(meta_, begin_->final_lsn.value);
  meta_ += "],";
  meta_ += r.source;
  meta_ += transaction_meta_;
  if (r.captured->binding.with_txid) {
    meta_ += ",\"txid\":";
    append_number(meta_, begin_->xid);
  }
  meta_ += "}}";
  r.writer->append(out.text(), row, count, meta_);
  out.commit(r.captured->binding.index);
  ++documents_;
}

std::vector<std::pair<cdc::TableName, std::uint64_t>> Changes::take_discarded(std::size_t limit) {
  std::vector<std::pair<cdc::TableName, std::uint64_t>> all;
  for (auto& [oid, r] : relations_) {
    if (r->discarded == 0) continue;
    all.emplace_back(cdc::TableName{r->definition.schema, r->definition.table}, r->discarded);
    r->discarded = 0;
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  if (all.size() > limit) all.resize(limit);
  return all;
}

std::string source_members(const cdc::TableName& name, bool snapshot, std::string_view tag) {
  std::string out = "\"schema\":";
  json::write_string(out, name.schema);
  if (snapshot) out += ",\"snapshot\":true";
  out += ",\"table\":";
  json::write_string(out, name.table);
  if (tag.empty()) return out;
  out += ",\"tag\":";
  json::write_string(out, tag);
  return out;
}

std::vector<pg::RowColumn> row_columns(const Captured& table,
                                       const std::vector<pgoutput::RelationColumn>& sent) {
  std::set<std::string> keys = table.binding.typed_as_key(table.table);
  std::vector<pg::RowColumn> columns;
  for (const auto& column : sent) {
    pg::RowColumn out;
    out.name = column.name;
    out.type = column.type;
    out.key = keys.contains(column.name);
    const Column* known = table.table.find(column.name);
    out.captured = known == nullptr || known->captured();
    columns.push_back(std::move(out));
  }
  return columns;
}

}  // namespace sluice::source_postgres
