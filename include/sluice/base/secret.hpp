#pragma once
#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace sluice {

// A value that must reach no log, error or state (invariant X-9): whatever prints it prints ***.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  bool empty() const { return value_.empty(); }
  // The clear text, for the peer that needs it and nobody else.
  const std::string& reveal() const { return value_; }
  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  std::string value_;
};

}  // namespace sluice

template <>
struct fmt::formatter<sluice::Secret> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const sluice::Secret&, Context& context) const {
    return fmt::formatter<std::string_view>::format("***", context);
  }
};
