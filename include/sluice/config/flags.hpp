#pragma once
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::config {

// The feature flags of a connector: its defaults overlaid with the user's comma list. Items are trimmed,
// `name` sets a flag, `no_name` unsets it, later ones win, unknown ones are kept.
class Flags {
 public:
  Flags() = default;
  Flags(std::initializer_list<std::pair<const std::string, bool>> defaults, std::string_view list);

  // False for a flag that neither the defaults nor the list name.
  bool on(std::string_view name) const;
  // X of the last item `name=X`; an item `no_name=X` takes it back.
  std::optional<std::string> value(std::string_view name) const;
  // Whether the user's list had any item: then the flags in effect are logged.
  bool given() const { return given_; }
  // The flags in effect, as a JSON object of booleans.
  std::string json() const;

 private:
  std::map<std::string, bool, std::less<>> flags_;
  std::map<std::string, std::string, std::less<>> values_;
  bool given_ = false;
};

}  // namespace sluice::config
