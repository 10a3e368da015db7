#include "sluice/sql/values.hpp"

#include <charconv>

#include "sluice/json/write.hpp"

namespace sluice::sql {
namespace {

template <class T, class... Format>
void append_number(std::string& out, T value, Format... format) {
  char buffer[400];  // the longest double without exponent has 309 digits before the point
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value, format...).ptr;
  out.append(buffer, end);
}

struct Text {
  std::string& out;
  void operator()(std::monostate) const {}
  void operator()(bool value) const { out += value ? "true" : "false"; }
  void operator()(std::int64_t value) const { append_number(out, value); }
  void operator()(std::uint64_t value) const { append_number(out, value); }
  void operator()(double value) const { append_number(out, value, std::chars_format::fixed); }
  void operator()(std::string_view value) const { out += value; }
  void operator()(data::Json value) const { out += value.text; }
};

struct AsJson : Text {
  using Text::operator();
  void operator()(std::monostate) const { out += "null"; }
  void operator()(double value) const { json::write_double(out, value); }
  void operator()(std::string_view value) const { json::write_string(out, value); }
};

}  // namespace

void write_text(std::string& out, const data::Element& element) { std::visit(Text{out}, element); }

void write_json(std::string& out, const data::Element& element) { std::visit(AsJson{{out}}, element); }

}  // namespace sluice::sql
