#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/log.hpp"

namespace sluice::protocol {

// One record that a connector logged on its standard error.
struct LogRecord {
  std::optional<std::int64_t> unix_nanoseconds;  // if it said when
  LogLevel level = LogLevel::warn;               // trace to error
  std::string message;
  std::vector<LogField> fields;
  std::string shard_json, spans_json;  // empty if not there
};

// Turns what a connector writes on standard error into records (flow-protocol §8.7): a line is a JSON object
// or else plain text, of which consecutive lines that arrive together are one record.
class LogDecoder {
 public:
  std::vector<LogRecord> feed(std::string_view bytes);
  // No more comes: a last line needs no newline.
  std::vector<LogRecord> end();

 private:
  std::vector<LogRecord> take_lines(std::size_t size);
  std::string unfinished_;
};

}  // namespace sluice::protocol
