#include "sluice/base/log.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/base/write.hpp"

namespace sluice {
namespace {

constexpr std::size_t longest_value = 4096;
constexpr std::size_t longest_read = 256;  // of what a person reads in passing

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20)
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        else
          out += c;
    }
  }
  out += '"';
}

std::string quoted(std::string_view text) {
  std::string_view shown = text::cut_utf8(text, longest_value);
  std::string clean;  // what comes from elsewhere, as file names do, may be no text
  if (!text::valid_utf8(shown)) shown = clean = text::clean_utf8(shown);
  std::string out;
  append_quoted(out, shown);
  if (text.size() > longest_value) out.insert(out.size() - 1, "…");
  return out;
}

// A value too long for a terminal, cut.
std::string shortened(const std::string& json) {
  if (json.size() <= longest_read) return json;
  std::string_view kept = text::cut_utf8(json, longest_read);
  if (json.front() != '"') return fmt::format("{}…", kept);
  std::size_t escape = kept.size() - std::min(kept.size(), kept.find_last_not_of('\\') + 1);
  if (escape % 2 == 1) kept.remove_suffix(1);
  return fmt::format("{}…\"", kept);
}

std::string_view color_of(LogLevel level) {
  switch (level) {
    case LogLevel::trace:
    case LogLevel::debug:
      return "\x1b[90m";
    case LogLevel::info:
      return "\x1b[36m";
    case LogLevel::warn:
      return "\x1b[33m";
    default:
      return "\x1b[31m";
  }
}

}  // namespace

LogField kv(std::string_view key, std::string_view value) { return {std::string(key), quoted(value)}; }
LogField kv(std::string_view key, const char* value) { return kv(key, std::string_view(value)); }
LogField kv(std::string_view key, const std::string& value) { return kv(key, std::string_view(value)); }
LogField kv(std::string_view key, bool value) { return {std::string(key), value ? "true" : "false"}; }
LogField kv(std::string_view key, double value) {
  return {std::string(key), std::isfinite(value) ? fmt::format("{:.6g}", value) : "null"};
}
LogField kv_json(std::string_view key, std::string json) { return {std::string(key), std::move(json)}; }

std::string_view name(LogLevel level) {
  switch (level) {
    case LogLevel::trace:
      return "trace";
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
    case LogLevel::fatal:
      return "fatal";
  }
  return "error";
}

LogLevel parse_log_level(std::string_view text) {
  std::string level = text::lower_ascii(text);
  if (level.empty()) return LogLevel::info;
  if (level == "warning") return LogLevel::warn;
  if (level == "panic") return LogLevel::fatal;
  for (LogLevel known :
       {LogLevel::trace, LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error, LogLevel::fatal})
    if (level == name(known)) return known;
  throw Error(Error::Kind::config, fmt::format("unknown log level '{}'", text),
              "Use trace, debug, info, warn, error or fatal.");
}

LogFormat parse_log_format(std::string_view text) {
  if (text.empty() || text == "color") return LogFormat::color;
  if (text == "json") return LogFormat::json;
  if (text == "text") return LogFormat::text;
  throw Error(Error::Kind::config, fmt::format("unknown log format '{}'", text), "Use json, text or color.");
}

struct Log::Impl {
  LogLevel level = LogLevel::fatal;
  LogFormat format = LogFormat::json;
  std::shared_ptr<const Sink> sink;  // shared with the handles made by with()
  std::vector<LogField> fields;
  std::function<void(std::string_view)> observer;  // of status lines
};

Log::Log() : impl_(std::make_shared<Impl>()) {}

Log::Log(LogLevel level, LogFormat format, Sink sink) {
  auto impl = std::make_shared<Impl>();
  impl->level = level;
  impl->format = format;
  impl->sink = std::make_shared<Sink>(std::move(sink));
  impl_ = std::move(impl);
}

Log Log::to_stderr(LogLevel level, LogFormat format) {
  if (format == LogFormat::color && !::isatty(STDERR_FILENO)) format = LogFormat::text;
  return Log(level, format, [](std::string_view line) { write_all(STDERR_FILENO, line); });
}

Log Log::with(std::initializer_list<LogField> fields) const {
  auto impl = std::make_shared<Impl>(*impl_);
  impl->fields.insert(impl->fields.end(), fields.begin(), fields.end());
  Log log;
  log.impl_ = std::move(impl);
  return log;
}

Log Log::observed(std::function<void(std::string_view)> observer) const {
  auto impl = std::make_shared<Impl>(*impl_);
  impl->observer = std::move(observer);
  Log log;
  log.impl_ = std::move(impl);
  return log;
}

Log Log::at(LogLevel level) const {
  auto impl = std::make_shared<Impl>(*impl_);
  impl->level = level;
  Log log;
  log.impl_ = std::move(impl);
  return log;
}

LogLevel Log::level() const { return impl_->level; }

bool Log::enabled(LogLevel level) const { return impl_->sink && level >= impl_->level; }

void Log::status(std::string_view message) const {
  if (impl_->observer) impl_->observer(message);
  write(LogLevel::info, message, {kv("eventType", "connectorStatus")});
}

void Log::write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) const {
  write(level, message, std::span<const LogField>(fields.begin(), fields.size()));
}

void Log::write(LogLevel level, std::string_view message, std::span<const LogField> fields) const {
  if (!enabled(level)) return;
  using namespace std::chrono;
  std::string now =
      text::rfc3339(duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count(), 3);
  std::string line;
  if (impl_->format == LogFormat::json) {
    line = fmt::format(R"({{"ts":"{}","level":"{}","msg":{})", now, name(level), quoted(message));
    auto add = [&](const LogField& field) { line += fmt::format(",{}:{}", quoted(field.key), field.json); };
    for (const LogField& field : impl_->fields) add(field);
    for (const LogField& field : fields) add(field);
    line += "}\n";
  } else {
    bool color = impl_->format == LogFormat::color;
    line = fmt::format("{} {}{:5}{} {}", now, color ? color_of(level) : "", name(level),
                       color ? "\x1b[0m" : "", message);
    // What went well is shown in short; of trouble every word may count.
    bool short_form = level == LogLevel::info;
    auto add = [&](const LogField& field) {
      line += fmt::format(" {}={}", field.key, short_form ? shortened(field.json) : field.json);
    };
    for (const LogField& field : impl_->fields) add(field);
    for (const LogField& field : fields) add(field);
    line += '\n';
  }
  (*impl_->sink)(line);
}

}  // namespace sluice
