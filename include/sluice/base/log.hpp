#pragma once
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace sluice {

// A field of a log line; its value is kept as JSON text.
struct LogField {
  std::string key, json;
};
LogField kv(std::string_view key, std::string_view value);
LogField kv(std::string_view key, const char* value);
LogField kv(std::string_view key, const std::string& value);
LogField kv(std::string_view key, bool value);
LogField kv(std::string_view key, double value);
template <std::integral T>
LogField kv(std::string_view key, T value) {
  return {std::string(key), std::to_string(value)};
}
// `json` is a complete JSON text and is embedded as it is.
LogField kv_json(std::string_view key, std::string json);

enum class LogLevel { trace, debug, info, warn, error, fatal };
enum class LogFormat { json, text, color };
// The value of LOG_LEVEL or LOG_FORMAT; throws Error{config} on an unknown one. Empty text is the default.
LogLevel parse_log_level(std::string_view text);
LogFormat parse_log_format(std::string_view text);
std::string_view name(LogLevel level);

// Structured log lines (flow-protocol §8.7): a constant message, values as fields. A cheap handle, copied
// freely, of a sink that main builds; may be used from any thread. Nothing is logged per document. Long values
// are cut at 4 KiB, those of info lines in the formats for people at 256 bytes.
class Log {
 public:
  using Sink = std::function<void(std::string_view line)>;

  // Writes nowhere.
  Log();
  Log(LogLevel level, LogFormat format, Sink sink);
  // To file descriptor 2, one write a line, as LOG_LEVEL and LOG_FORMAT say.
  static Log to_stderr(LogLevel level, LogFormat format);

  // The same sink with fields that every line gets.
  Log with(std::initializer_list<LogField> fields) const;
  // The same, and `observer` gets every status line besides, on the thread that says it.
  Log observed(std::function<void(std::string_view status)> observer) const;
  // The same for another level.
  Log at(LogLevel level) const;
  LogLevel level() const;
  bool enabled(LogLevel level) const;

  template <class... Fields>
  void debug(std::string_view message, Fields&&... fields) const {
    write(LogLevel::debug, message, {std::forward<Fields>(fields)...});
  }
  template <class... Fields>
  void info(std::string_view message, Fields&&... fields) const {
    write(LogLevel::info, message, {std::forward<Fields>(fields)...});
  }
  template <class... Fields>
  void warn(std::string_view message, Fields&&... fields) const {
    write(LogLevel::warn, message, {std::forward<Fields>(fields)...});
  }
  template <class... Fields>
  void error(std::string_view message, Fields&&... fields) const {
    write(LogLevel::error, message, {std::forward<Fields>(fields)...});
  }
  // The human status line of a task (eventType connectorStatus).
  void status(std::string_view message) const;
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) const;
  // For fields whose number is known only at run time.
  void write(LogLevel level, std::string_view message, std::span<const LogField> fields) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;  // shared by copies of the handle
};

}  // namespace sluice
