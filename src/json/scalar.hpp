#pragma once
#include <string_view>

#include "escape.hpp"
#include "sluice/base/short_text.hpp"
#include "sluice/json/tree.hpp"
#include "token.hpp"

namespace sluice::json {

// Behind `word` if it stands at `at`, or null.
inline const char* literal(const char* at, const char* end, std::string_view word) {
  bool here = static_cast<std::size_t>(end - at) >= word.size() && text::same({at, word.size()}, word);
  return here ? at + word.size() : nullptr;
}

// read_scalar() of scan.hpp.
inline const char* scalar(Node& node, const char* at, const char* end) {
  const char* behind = nullptr;
  if (at == end) return nullptr;
  node.truth = *at == 't';
  node.text = {};
  switch (*at) {
    case '"':
      behind = find_escape(at + 1, end);
      if (behind == end || *behind != '"') return nullptr;
      node.kind = Kind::string;
      node.text = {at + 1, behind};
      ++behind;
      break;
    case 't':
      node.kind = Kind::boolean;
      behind = literal(at, end, "true");
      break;
    case 'f':
      node.kind = Kind::boolean;
      behind = literal(at, end, "false");
      break;
    case 'n':
      node.kind = Kind::null;
      behind = literal(at, end, "null");
      break;
    default:
      node.kind = Kind::number;
      behind = number_end(at, end);
      if (behind) node.text = {at, behind};
  }
  if (behind) node.raw = {at, behind};
  return behind;
}

}  // namespace sluice::json
