#include "sluice/cdc/names.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <set>

#include "sluice/base/text.hpp"
#include "sluice/json/pointer.hpp"

namespace sluice::cdc {
namespace {

bool continues_utf8(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

// One component of a collection name.
std::string component(std::string_view text) {
  std::string out;
  for (char c : text::lower_ascii(text)) {
    if (continues_utf8(c)) continue;
    out += is_lower(c) || is_digit(c) || c == '_' || c == '.' || c == '-' ? c : '_';
  }
  if (out == ".") return "_";
  if (out == "..") return "__";
  return out;
}

// FNV-1a: stable over versions, which is all that is asked of it.
std::uint32_t short_hash(const TableName& name) {
  std::uint32_t hash = 2166136261u;
  for (char c : name.schema + '\0' + name.table) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

std::string capitalized(std::string_view name) {
  std::string out;
  bool word_start = true;
  for (char c : name) {
    if (continues_utf8(c)) continue;
    bool letter = is_lower(c) || is_upper(c) || is_digit(c) || c == '_' || !is_ascii(c);
    if (word_start && is_lower(c)) c = static_cast<char>(c - 'a' + 'A');
    bool legal = is_ascii(c) && (letter || c == '-' || c == '.');
    out += legal ? c : '_';
    word_start = !letter;
  }
  return out;
}

}  // namespace

std::string recommended_name(const TableName& name) {
  return component(name.schema) + "/" + component(name.table);
}

std::vector<std::string> recommended_names(const std::vector<TableName>& names) {
  std::vector<std::string> out;
  std::set<std::string> taken;
  for (const TableName& name : names) {
    std::string chosen = recommended_name(name);
    if (!taken.insert(chosen).second) {
      chosen += fmt::format("_{:08x}", short_hash(name));
      while (!taken.insert(chosen).second) chosen += '_';
    }
    out.push_back(std::move(chosen));
  }
  return out;
}

std::string anchor(const TableName& name) {
  std::string out = capitalized(name.schema) + capitalized(name.table);
  bool start = !out.empty() && (is_lower(out[0]) || is_upper(out[0]) || out[0] == '_');
  return start ? out : "_" + out;
}

std::string column_pointer(std::string_view column) {
  std::string out;
  json::append_token(out, column);
  return out;
}

std::optional<std::string> pointer_column(std::string_view pointer) {
  if (pointer.empty() || pointer[0] != '/') return std::nullopt;
  std::string out;
  for (std::size_t i = 1; i < pointer.size(); ++i) {
    char c = pointer[i];
    if (c == '/') return std::nullopt;
    if (c == '~' && i + 1 < pointer.size() && (pointer[i + 1] == '0' || pointer[i + 1] == '1'))
      c = pointer[++i] == '0' ? '~' : '/';
    out += c;
  }
  return out;
}

}  // namespace sluice::cdc
