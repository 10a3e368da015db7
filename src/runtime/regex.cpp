#include "regex.hpp"

#include <re2/re2.h>

#include "sluice/base/error.hpp"

namespace sluice::runtime {
namespace {

bool all_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return std::isxdigit(static_cast<unsigned char>(c)); });
}

// Rewrites what ECMA-262 spells differently: \uXXXX, \u{X…}, \cX, \/ and (?<name>…).
std::string to_re2(std::string_view pattern) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    std::string_view rest = pattern.substr(i);
    if (rest.starts_with("\\u") && rest.size() >= 6 && all_hex(rest.substr(2, 4))) {
      out.append("\\x{").append(rest.substr(2, 4)).append("}");
      i += 5;
    } else if (rest.starts_with("\\u{")) {
      out += "\\x{";
      i += 2;
    } else if (rest.starts_with("\\c") && rest.size() > 2 &&
               std::isalpha(static_cast<unsigned char>(rest[2]))) {
      out += fmt::format("\\x{:02x}", rest[2] % 32);
      i += 2;
    } else if (rest[0] == '\\' && rest.size() > 1) {
      out.append(rest.substr(0, 2));
      ++i;
    } else if (rest.starts_with("(?<") && rest.size() > 3 && rest[3] != '=' && rest[3] != '!') {
      out += "(?P<";
      i += 2;
    } else {
      out += rest[0];
    }
  }
  return out;
}

std::unique_ptr<re2::RE2> build(std::string_view pattern) {
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_never_capture(true);
  return std::make_unique<re2::RE2>(to_re2(pattern), options);
}

}  // namespace

Regex::Regex(std::string_view pattern) : pattern_(pattern), re2_(build(pattern)) {
  if (!re2_->ok())
    throw Error(Error::Kind::config, fmt::format("regular expression '{}': {}", pattern, re2_->error()),
                "Lookaround and back-references are not supported.");
}
Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;

bool Regex::understood(std::string_view pattern) { return build(pattern)->ok(); }

bool Regex::found_in(std::string_view text) const {
  return re2_->Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), re2::RE2::UNANCHORED,
                     nullptr, 0);
}

std::vector<std::string_view> Regex::all_in(std::string_view text) const {
  std::vector<std::string_view> out;
  re2::StringPiece all(text.data(), text.size()), match;
  for (std::size_t at = 0; at <= text.size();) {
    if (!re2_->Match(all, at, text.size(), re2::RE2::UNANCHORED, &match, 1)) break;
    out.emplace_back(match.data(), match.size());
    at = static_cast<std::size_t>(match.data() - text.data()) + std::max<std::size_t>(match.size(), 1);
  }
  return out;
}

}  // namespace sluice::runtime
