#include <charconv>

#include "sluice/pg/connection.hpp"

namespace sluice::pg {
namespace {

void append_doubled(std::string& out, std::string_view text, char doubled, char also = '\0') {
  for (char c : text) {
    out += c;
    if (c == doubled || (also && c == also)) out += c;
  }
}

std::optional<std::uint64_t> parse_half(std::string_view hex) {
  std::uint32_t half = 0;
  if (hex.empty() || hex.size() > 8) return std::nullopt;
  auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), half, 16);
  if (error != std::errc() || end != hex.data() + hex.size()) return std::nullopt;
  return half;
}

}  // namespace

std::string quote_identifier(std::string_view name) {
  std::string out = "\"";
  append_doubled(out, name, '"');
  return out + '"';
}

std::string quote_table(std::string_view schema, std::string_view table) {
  return quote_identifier(schema) + "." + quote_identifier(table);
}

std::string quote_literal(std::string_view text) {
  bool escapes = text.find('\\') != text.npos;
  std::string out = escapes ? "E'" : "'";
  append_doubled(out, text, '\'', escapes ? '\\' : '\0');
  return out + '\'';
}

std::string Lsn::text() const { return fmt::format("{:X}/{:X}", value >> 32, value & 0xffffffff); }

std::optional<Lsn> Lsn::parse(std::string_view text) {
  std::size_t slash = text.find('/');
  if (slash == text.npos) return std::nullopt;
  auto high = parse_half(text.substr(0, slash)), low = parse_half(text.substr(slash + 1));
  if (!high || !low) return std::nullopt;
  return Lsn{*high << 32 | *low};
}

}  // namespace sluice::pg
