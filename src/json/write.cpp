#include "sluice/json/write.hpp"

#include <fmt/compile.h>

#include <charconv>
#include <cmath>

#include "escape.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/short_text.hpp"

namespace sluice::json {
namespace {

template <class T>
void append_integer(std::string& out, T value) {
  char digits[24];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, end);
}

}  // namespace

void write_string(std::string& out, std::string_view text) {
  out += '"';
  const char *from = text.data(), *end = from + text.size();
  for (;;) {
    const char* at = find_escape(from, end);
    out.append(from, at);
    if (at == end) break;
    char escape[6];
    out.append(escape, put_escape(escape, static_cast<unsigned char>(*at)));
    from = at + 1;
  }
  out += '"';
}

void write_double(std::string& out, double value) {
  SLUICE_CHECK(std::isfinite(value));
  char digits[32];
  char* end = fmt::format_to(digits, FMT_COMPILE("{}"), value);
  std::string_view text(digits, static_cast<std::size_t>(end - digits));
  out += text;
  if (text::find_any(text, 0, '.', 'e') == text.npos) out += ".0";
}

void Writer::separate() {
  if (comma_) *out_ += ',';
  comma_ = true;
}
Writer& Writer::open(char c) {
  separate();
  *out_ += c;
  comma_ = false;
  return *this;
}
Writer& Writer::close(char c) {
  *out_ += c;
  comma_ = true;
  return *this;
}
Writer& Writer::key(std::string_view name) {
  separate();
  write_string(*out_, name);
  *out_ += ':';
  comma_ = false;
  return *this;
}
Writer& Writer::string(std::string_view value) {
  separate();
  write_string(*out_, value);
  return *this;
}
Writer& Writer::boolean(bool value) { return raw(value ? "true" : "false"); }
Writer& Writer::null() { return raw("null"); }
Writer& Writer::integer(std::int64_t value) {
  separate();
  append_integer(*out_, value);
  return *this;
}
Writer& Writer::unsigned_integer(std::uint64_t value) {
  separate();
  append_integer(*out_, value);
  return *this;
}
Writer& Writer::number(double value) {
  separate();
  write_double(*out_, value);
  return *this;
}
Writer& Writer::raw(std::string_view json) {
  separate();
  *out_ += json;
  return *this;
}

void write_compact(std::string& out, std::string_view json) {
  const char *at = json.data(), *end = at + json.size();
  const char* from = at;
  bool quoted = false;
  for (; at != end; ++at) {
    if (*at == '"') {
      quoted = !quoted;
    } else if (quoted) {
      if (*at == '\\' && at + 1 != end) ++at;
    } else if (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') {
      out.append(from, at);
      from = at + 1;
    }
  }
  out.append(from, end);
}

}  // namespace sluice::json
