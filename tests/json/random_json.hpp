#pragma once
#include <cstdint>
#include <random>
#include <string>

#include "sluice/json/write.hpp"

namespace sluice::json {

// Random JSON text from a seed: every kind, odd strings and numbers, whitespace on request.
class RandomJson {
 public:
  explicit RandomJson(std::uint64_t seed) : random_(seed) {}

  std::string value(int depth = 4, bool spaces = false) {
    std::string out;
    spaces_ = spaces;
    put(out, depth);
    return out;
  }
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }
  std::string text() {
    static constexpr std::string_view parts[] = {"a",  "b",  "key", "\xc3\xa9", "\xf0\x9f\x98\x80",
                                                 "\"", "\\", "/",   "\n",       "\x01",
                                                 " ",  ":",  "~",   {"\0", 1}};
    std::string out;
    for (std::size_t n = below(5); n > 0; --n) out += parts[below(std::size(parts))];
    return out;
  }
  std::string number() {
    static constexpr std::string_view odd[] = {"0",
                                               "-0",
                                               "1",
                                               "-1",
                                               "1.0",
                                               "0.1",
                                               "-2.5",
                                               "1e3",
                                               "1E+3",
                                               "2e-2",
                                               "255",
                                               "256",
                                               "65536",
                                               "9223372036854775807",
                                               "-9223372036854775808",
                                               "18446744073709551615",
                                               "18446744073709551616",
                                               "123456789012345678901234567890.5"};
    if (below(2) == 0) return std::string(odd[below(std::size(odd))]);
    auto n = static_cast<std::int64_t>(random_() >> below(64));
    return std::to_string(below(2) == 0 ? n : -n);
  }

 private:
  void space(std::string& out) {
    if (!spaces_) return;
    for (std::size_t n = below(3); n > 0; --n) out += " \n\t\r"[below(4)];
  }
  void string(std::string& out) {
    std::string s = text();
    if (below(4) == 0) {  // in escapes that nothing needs
      out += '"';
      for (char c : s) {
        if (static_cast<unsigned char>(c) < 0x80) {
          constexpr char digits[] = "0123456789ABCDEF";
          out += "\\u00";
          out += digits[c >> 4];
          out += digits[c & 15];
        } else {
          out += c;
        }
      }
      out += below(3) == 0 ? "\\uD83D\\ude00\"" : "\"";
    } else {
      write_string(out, s);
    }
  }
  void put(std::string& out, int depth) {
    space(out);
    switch (below(depth > 0 ? 8 : 5)) {
      case 0:
        out += "null";
        break;
      case 1:
        out += below(2) == 0 ? "true" : "false";
        break;
      case 2:
        out += number();
        break;
      case 3:
      case 4:
        string(out);
        break;
      case 5:
        out += '[';
        for (std::size_t i = 0, n = below(5); i < n; ++i) {
          if (i > 0) out += ',';
          put(out, depth - 1);
        }
        space(out);
        out += ']';
        break;
      default:
        out += '{';
        for (std::size_t i = 0, n = below(6); i < n; ++i) {
          if (i > 0) out += ',';
          space(out);
          string(out);
          space(out);
          out += ':';
          put(out, depth - 1);
        }
        space(out);
        out += '}';
    }
    space(out);
  }

  std::mt19937_64 random_;
  bool spaces_ = false;
};

// The text of the tree with `scalar()` in place of each of its scalars.
template <class Scalar>
std::string refill(const Tree& tree, std::string_view text, Scalar scalar) {
  std::string out;
  const char* from = text.data();
  for (std::uint32_t i = 0; i < tree.size(); ++i) {
    const Node& node = tree[i];
    if (node.kind == Kind::array || node.kind == Kind::object) continue;
    out.append(from, node.raw.data()) += scalar();
    from = node.raw.data() + node.raw.size();
  }
  return out.append(from, text.data() + text.size());
}

// Without escapes.
inline std::string plain_scalar(RandomJson& random) {
  static constexpr std::string_view parts[] = {"a",    "key",      " ",
                                               "/",    "{",        ",",
                                               ":",    "\xc3\xa9", "\xf0\x9f\x98\x80",
                                               "\x7f", "eight by", "sixteen and some"};
  switch (random.below(6)) {
    case 0:
      return "null";
    case 1:
      return random.below(2) == 0 ? "true" : "false";
    case 2:
    case 3:
      return random.number();
    default: {
      std::string out = "\"";
      for (std::size_t n = random.below(6); n > 0; --n) out += parts[random.below(std::size(parts))];
      return out + '"';
    }
  }
}

}  // namespace sluice::json
