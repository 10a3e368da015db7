#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

// The state of a capture as its checkpoints carry it (capture-postgres §6.4, §6.5).
namespace sluice::cdc {

enum class TableMode : std::uint8_t {
  ignore,      // the binding is gone
  pending,     // to be started
  missing,     // the table is gone, may come back
  precise,     // scanned by key; changes beyond the scanned position are left to the scan
  unfiltered,  // scanned by key; all changes are captured
  keyless,     // scanned by physical position; all changes are captured
  active,      // scanned, or not to be scanned
};
// As written in the state: "Backfill" is the precise mode.
std::string_view name(TableMode mode);
std::optional<TableMode> parse_table_mode(std::string_view name);

inline bool backfills(TableMode mode) {
  return mode == TableMode::precise || mode == TableMode::unfiltered || mode == TableMode::keyless;
}
// Changes of the table are captured, subject to the position test of the precise mode.
inline bool streams(TableMode mode) { return backfills(mode) || mode == TableMode::active; }

struct TableState {
  TableMode mode = TableMode::pending;
  std::optional<std::vector<std::string>> key_columns;
  std::optional<std::string> scanned;  // bytes: packed tuple of the last row, or text of a physical position
  std::string metadata_json;           // an object that the database's part owns, or empty
  std::uint64_t backfilled = 0;        // rows
};

class CaptureState {
 public:
  // Reads the state a session was opened with; empty text, null and {} are a new capture. Throws
  // Error{config} naming what does not belong.
  static CaptureState parse(std::string_view json);

  // Nothing was ever captured: there was no state at all.
  bool fresh() const { return fresh_; }

  // Position in the source as JSON, or nothing.
  const std::optional<std::string>& cursor_json() const { return cursor_; }
  void set_cursor_json(std::optional<std::string> json);

  // What the database's part keeps about the source as a whole (state member "sourceV1"), or empty.
  const std::string& source_json() const { return source_; }
  void set_source_json(std::string json);

  // By runtime state key. Null if there is none.
  const TableState* find(const std::string& state_key) const;
  // For changing: the entry is part of the next patch. Makes it if there is none.
  TableState& change(const std::string& state_key);
  const std::map<std::string, TableState>& tables() const { return tables_; }

  // Compares with the bindings of the task: new ones become pending, entries without a binding become
  // ignored, and if every binding is new, or there are none, the cursor is cleared. Returns whether it was.
  bool reconcile(const std::vector<std::string>& state_keys);

  // What changed since the last call, as a merge patch; {} if nothing did.
  std::string take_patch();
  // The whole state.
  std::string json() const;

 private:
  std::optional<std::string> cursor_;
  std::string source_;
  std::map<std::string, TableState> tables_;
  std::set<std::string> with_metadata_;  // entries whose last written form had some
  std::set<std::string> changed_;
  bool cursor_changed_ = false, source_changed_ = false, fresh_ = false;
};

}  // namespace sluice::cdc
