#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace re2 {
class RE2;
}

namespace sluice::runtime {

// A pattern of JSON schema (ECMA-262) for RE2, which matches in linear time and so knows no lookaround and no
// back-references. Safe to use from several threads.
class Regex {
 public:
  // Throws Error{config} with RE2's words if the pattern is not understood.
  explicit Regex(std::string_view pattern);
  ~Regex();
  Regex(Regex&&) noexcept;

  static bool understood(std::string_view pattern);
  const std::string& pattern() const { return pattern_; }
  // Does it match anywhere in `text`?
  bool found_in(std::string_view text) const;
  // The leftmost longest matches that do not overlap.
  std::vector<std::string_view> all_in(std::string_view text) const;

 private:
  std::string pattern_;
  std::unique_ptr<re2::RE2> re2_;
};

}  // namespace sluice::runtime
