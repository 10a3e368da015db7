#include "sluice/protocol/logs.hpp"

#include <algorithm>
#include <utility>

#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/json/tree.hpp"
#include "time.hpp"

namespace sluice::protocol {
namespace {

constexpr std::size_t longest_line = 1_MiB;  // what goes beyond becomes a record of its own

bool likely_error(std::string_view line) {
  std::string lower = text::lower_ascii(line);
  for (std::string_view word :
       {"error", "failed", "panic", "timeout", "unable", "unrecognised", "unrecognized"})
    if (lower.find(word) != lower.npos) return true;
  return false;
}

LogLevel level_of_text(std::string_view line) {
  return likely_error(line) ? LogLevel::error : LogLevel::warn;
}

// In lower or in upper case, not mixed.
std::optional<LogLevel> parse_level(std::string_view text) {
  constexpr std::pair<std::string_view, LogLevel> levels[] = {
      {"trace", LogLevel::trace}, {"debug", LogLevel::debug},  {"info", LogLevel::info},
      {"warn", LogLevel::warn},   {"warning", LogLevel::warn}, {"error", LogLevel::error},
      {"fatal", LogLevel::error}, {"panic", LogLevel::error}};
  std::string lower = text::lower_ascii(text);
  bool upper = std::none_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  if (lower != text && !upper) return std::nullopt;
  for (const auto& [name, level] : levels)
    if (lower == name) return level;
  return std::nullopt;
}

std::optional<std::int64_t> parse_time(std::string_view text) {
  constexpr std::int64_t billion = 1'000'000'000, most = 9'000'000'000;  // within 64 bits of nanoseconds
  std::optional<Timestamp> time = parse_timestamp(text);
  if (!time || time->seconds > most || time->seconds < -most) return std::nullopt;
  return time->seconds * billion + time->nanos;
}

// Reads one property into the record; false if it is an ordinary field.
bool read_known(const json::Tree& tree, const json::Node& node, LogRecord& record, bool& leveled) {
  bool string = node.kind == json::Kind::string;
  if (string && (node.key == "ts" || node.key == "timestamp" || node.key == "time")) {
    record.unix_nanoseconds = parse_time(node.text);
    return record.unix_nanoseconds.has_value();
  }
  if (string && (node.key == "level" || node.key == "lvl")) {
    std::optional<LogLevel> level = parse_level(node.text);
    if (!level) return false;
    record.level = *level;
    leveled = true;
    return true;
  }
  if (string && (node.key == "message" || node.key == "msg")) {
    record.message = node.text;
    return true;
  }
  if (node.key == "fields" && node.kind == json::Kind::object) {
    for (const json::Node& field : tree.children(node))
      record.fields.push_back({std::string(field.key), std::string(field.raw)});
    return true;
  }
  if (node.key == "shard" || node.key == "spans") {
    (node.key == "shard" ? record.shard_json : record.spans_json) = node.raw;
    return true;
  }
  return false;
}

std::optional<LogRecord> parse_record(std::string_view line) {
  std::string_view trimmed = text::trim(line);
  if (!trimmed.starts_with('{') || !trimmed.ends_with('}')) return std::nullopt;
  json::Tree tree;
  try {
    tree.parse(trimmed);
  } catch (const Error&) {
    return std::nullopt;  // then it is plain text
  }
  LogRecord record;
  bool leveled = false;
  for (const json::Node& node : tree.children(tree.root()))
    if (!read_known(tree, node, record, leveled))
      record.fields.push_back({std::string(node.key), std::string(node.raw)});
  if (!leveled) record.level = level_of_text(trimmed);
  return record;
}

std::string_view trim_end(std::string_view text) {
  std::size_t last = text.find_last_not_of(" \t\r\n\f\v");
  return last == text.npos ? std::string_view() : text.substr(0, last + 1);
}

// Ends the run of plain text, if there is one.
void flush_text(std::string& plain, std::vector<LogRecord>& out) {
  std::string_view message = trim_end(plain);
  if (!message.empty()) {
    LogRecord record;
    record.message = message;
    record.level = level_of_text(message);
    out.push_back(std::move(record));
  }
  plain.clear();
}

}  // namespace

std::vector<LogRecord> LogDecoder::feed(std::string_view bytes) {
  unfinished_ += bytes;
  std::size_t last = unfinished_.rfind('\n');
  std::size_t size = last == unfinished_.npos ? 0 : last + 1;
  if (unfinished_.size() - size > longest_line) size = unfinished_.size();
  return take_lines(size);
}

std::vector<LogRecord> LogDecoder::end() { return take_lines(unfinished_.size()); }

std::vector<LogRecord> LogDecoder::take_lines(std::size_t size) {
  std::vector<LogRecord> out;
  std::string plain;
  std::string_view rest = std::string_view(unfinished_).substr(0, size);
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (std::optional<LogRecord> record = parse_record(line)) {
      flush_text(plain, out);
      out.push_back(std::move(*record));
    } else {
      plain.append(line).append("\n");
    }
  }
  flush_text(plain, out);
  unfinished_.erase(0, size);
  return out;
}

}  // namespace sluice::protocol
