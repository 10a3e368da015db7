#include "locate_uuid.hpp"

#include "sluice/base/short_text.hpp"
#include "sluice/json/scan.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t uuid_length = 36;

// A cursor over compact, valid JSON; at the end of the text every step says so by returning false.
class Walk {
 public:
  explicit Walk(std::string_view text)
      : begin_(text.data()), at_(text.data()), end_(text.data() + text.size()) {}

  // Leaves the cursor at the value of property `name` of the object that starts here.
  bool enter(std::string_view name) {
    if (!take('{')) return false;
    while (at_ < end_ && *at_ == '"') {
      const char* key = at_ + 1;
      if (!skip_value()) return false;
      std::string_view found(key, static_cast<std::size_t>(at_ - 1 - key));
      if (!take(':')) return false;
      if (text::same(found, name)) return true;
      if (!skip_value() || !take(',')) return false;
    }
    return false;
  }
  // The offset of the content of the string here, if it is of UUID length.
  std::optional<std::size_t> uuid() {
    const char* content = at_ + 1;
    if (at_ >= end_ || *at_ != '"' || !skip_value()) return std::nullopt;
    if (static_cast<std::size_t>(at_ - 1 - content) != uuid_length) return std::nullopt;
    return static_cast<std::size_t>(content - begin_);
  }

 private:
  bool take(char c) {
    if (at_ >= end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  bool skip_value() {
    const char* behind = json::value_end(at_, end_);
    if (behind) at_ = behind;
    return behind;
  }

  const char* begin_;
  const char* at_;
  const char* end_;
};

}  // namespace

std::optional<std::size_t> locate_uuid(std::string_view document) {
  Walk walk(document);
  if (!walk.enter("_meta") || !walk.enter("uuid")) return std::nullopt;
  return walk.uuid();
}

}  // namespace sluice::runtime
