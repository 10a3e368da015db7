#include "sluice/cdc/state.hpp"

#include <array>
#include <utility>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/json/write.hpp"

namespace sluice::cdc {
namespace {

constexpr std::array<std::pair<TableMode, std::string_view>, 7> mode_names{{
    {TableMode::ignore, "Ignore"},
    {TableMode::pending, "Pending"},
    {TableMode::missing, "Missing"},
    {TableMode::precise, "Backfill"},
    {TableMode::unfiltered, "UnfilteredBackfill"},
    {TableMode::keyless, "KeylessBackfill"},
    {TableMode::active, "Active"},
}};

[[noreturn]] void refuse(const std::string& what) {
  throw Error(Error::Kind::config, "the capture's state cannot be read: " + what,
              "It was not written by this connector; start the capture with an empty state.");
}

std::uint64_t parse_count(const json::Node& node, const std::string& where) {
  if (node.kind == json::Kind::null) return 0;
  json::Number n;
  if (node.kind == json::Kind::number) n = json::number(node.text);
  if (node.kind != json::Kind::number || n.type != json::Number::Type::unsigned_)
    refuse(where + "/backfilled is " + std::string(node.raw) + ", expected a count");
  return n.unsigned_;
}

std::optional<std::vector<std::string>> parse_columns(const json::Tree& tree, const json::Node& node,
                                                      const std::string& where) {
  if (node.kind == json::Kind::null) return std::nullopt;
  if (node.kind != json::Kind::array) refuse(where + "/key_columns is no array");
  std::vector<std::string> columns;
  for (const json::Node& item : tree.children(node)) {
    if (item.kind != json::Kind::string) refuse(where + "/key_columns holds " + std::string(item.raw));
    columns.emplace_back(item.text);
  }
  return columns;
}

std::optional<std::string> parse_position(const json::Node& node, const std::string& where) {
  if (node.kind == json::Kind::null) return std::nullopt;
  std::optional<std::string> bytes;
  if (node.kind == json::Kind::string) bytes = text::unbase64(node.text);
  if (!bytes) refuse(where + "/scanned is " + std::string(node.raw) + ", expected base64");
  return bytes;
}

TableState parse_table(const json::Tree& tree, const json::Node& node, const std::string& where) {
  if (node.kind != json::Kind::object) refuse(where + " is no object");
  TableState table;
  bool has_mode = false;
  for (const json::Node& member : tree.children(node)) {
    if (member.key == "mode") {
      auto mode = parse_table_mode(member.text);
      if (!mode) refuse(where + "/mode is " + std::string(member.raw));
      table.mode = *mode;
      has_mode = true;
    } else if (member.key == "key_columns") {
      table.key_columns = parse_columns(tree, member, where);
    } else if (member.key == "scanned") {
      table.scanned = parse_position(member, where);
    } else if (member.key == "metadata") {
      if (member.kind != json::Kind::null) table.metadata_json = member.raw;
    } else if (member.key == "backfilled") {
      table.backfilled = parse_count(member, where);
    } else {
      refuse(where + " has an unknown member \"" + std::string(member.key) + "\"");
    }
  }
  if (!has_mode) refuse(where + " has no mode");
  return table;
}

void write_table(json::Writer& w, const TableState& table, bool clear_metadata) {
  w.begin_object().key("mode").string(name(table.mode)).key("key_columns");
  if (table.key_columns) {
    w.begin_array();
    for (const std::string& column : *table.key_columns) w.string(column);
    w.end_array();
  } else {
    w.null();
  }
  w.key("scanned");
  if (table.scanned)
    w.string(text::base64(*table.scanned));
  else
    w.null();
  if (!table.metadata_json.empty())
    w.key("metadata").raw(table.metadata_json);
  else if (clear_metadata)
    w.key("metadata").null();
  w.key("backfilled").unsigned_integer(table.backfilled).end_object();
}

}  // namespace

std::string_view name(TableMode mode) { return mode_names[static_cast<std::size_t>(mode)].second; }

std::optional<TableMode> parse_table_mode(std::string_view text) {
  for (const auto& [mode, spelling] : mode_names)
    if (spelling == text) return mode;
  return std::nullopt;
}

CaptureState CaptureState::parse(std::string_view json) {
  CaptureState state;
  state.fresh_ = true;
  if (text::trim(json).empty()) return state;
  json::Tree tree;
  tree.parse(json);
  if (tree.root().kind == json::Kind::null) return state;
  if (tree.root().kind != json::Kind::object) refuse("it is no object");
  // Other root members are of newer versions: a state must survive going back to an older one.
  for (const json::Node& member : tree.children(tree.root())) {
    if (member.kind == json::Kind::null) continue;
    state.fresh_ = false;
    if (member.key == "cursor") {
      state.cursor_ = member.raw;
    } else if (member.key == "sourceV1") {
      state.source_ = member.raw;
    } else if (member.key == "bindingStateV1") {
      if (member.kind != json::Kind::object) refuse("/bindingStateV1 is no object");
      for (const json::Node& entry : tree.children(member)) {
        std::string key(entry.key);
        TableState table = parse_table(tree, entry, "/bindingStateV1/" + key);
        if (!table.metadata_json.empty()) state.with_metadata_.insert(key);
        state.tables_.emplace(std::move(key), std::move(table));
      }
    }
  }
  return state;
}

void CaptureState::set_cursor_json(std::optional<std::string> json) {
  if (json == cursor_) return;
  cursor_ = std::move(json);
  cursor_changed_ = true;
}

void CaptureState::set_source_json(std::string json) {
  if (json == source_) return;
  source_ = std::move(json);
  source_changed_ = true;
}

const TableState* CaptureState::find(const std::string& state_key) const {
  auto found = tables_.find(state_key);
  return found == tables_.end() ? nullptr : &found->second;
}

TableState& CaptureState::change(const std::string& state_key) {
  changed_.insert(state_key);
  return tables_[state_key];
}

bool CaptureState::reconcile(const std::vector<std::string>& state_keys) {
  std::set<std::string> bound(state_keys.begin(), state_keys.end());
  bool any_known = false;
  for (const std::string& key : bound) {
    const TableState* table = find(key);
    if (table != nullptr && table->mode != TableMode::ignore)
      any_known = true;
    else
      change(key) = TableState{};
  }
  for (const auto& [key, table] : tables_) {
    if (bound.contains(key) || table.mode == TableMode::ignore) continue;
    TableState ignored;
    ignored.mode = TableMode::ignore;
    change(key) = ignored;
    with_metadata_.insert(key);  // says explicitly that there is none
  }
  if (any_known) return false;
  set_cursor_json(std::nullopt);
  return true;
}

std::string CaptureState::take_patch() {
  std::string out;
  json::Writer w(out);
  w.begin_object();
  if (std::exchange(cursor_changed_, false)) {
    w.key("cursor");
    if (cursor_)
      w.raw(*cursor_);
    else
      w.null();
  }
  if (!changed_.empty()) {
    w.key("bindingStateV1").begin_object();
    for (const std::string& key : changed_) {
      const TableState& table = tables_.at(key);
      w.key(key);
      write_table(w, table, with_metadata_.contains(key));
      if (table.metadata_json.empty())
        with_metadata_.erase(key);
      else
        with_metadata_.insert(key);
    }
    w.end_object();
    changed_.clear();
  }
  if (std::exchange(source_changed_, false)) w.key("sourceV1").raw(source_.empty() ? "null" : source_);
  w.end_object();
  return out;
}

std::string CaptureState::json() const {
  std::string out;
  json::Writer w(out);
  w.begin_object();
  if (cursor_) w.key("cursor").raw(*cursor_);
  if (!tables_.empty()) {
    w.key("bindingStateV1").begin_object();
    for (const auto& [key, table] : tables_) {
      w.key(key);
      write_table(w, table, false);
    }
    w.end_object();
  }
  if (!source_.empty()) w.key("sourceV1").raw(source_);
  w.end_object();
  return out;
}

}  // namespace sluice::cdc
