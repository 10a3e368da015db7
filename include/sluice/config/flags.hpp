#pragma once
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/base/log.hpp"

namespace sluice::config {

// The feature flags of a connector: its defaults overlaid with the user's comma list. Items are trimmed,
// `name` sets a flag, `no_name` unsets it, later ones win, unknown ones are kept. `others` are names that
// mean something without a default, as those that carry a value do.
class Flags {
 public:
  Flags() = default;
  Flags(std::initializer_list<std::pair<const std::string, bool>> defaults, std::string_view list,
        std::initializer_list<std::string_view> others = {});

  // False for a flag that neither the defaults nor the list name.
  bool on(std::string_view name) const;
  // X of the last item `name=X`; an item `no_name=X` takes it back.
  std::optional<std::string> value(std::string_view name) const;
  // Whether the user's list had any item.
  bool given() const { return given_; }
  // Those of the list that mean nothing here, by name and as they stand there.
  const std::map<std::string, std::string>& unknown() const { return unknown_; }
  // The flags in effect, as a JSON object of booleans.
  std::string json() const;

  // Says at the start of a session which flags are in effect, if the list had any item.
  void log(const Log& log) const;
  // For Validate, which is when the user looks: an unknown one is a mistake as a rule, without effect here.
  void warn_of_unknown(const Log& log) const;

 private:
  std::map<std::string, bool, std::less<>> flags_;
  std::map<std::string, std::string, std::less<>> values_;
  std::vector<std::string> known_;  // names, ascending
  std::map<std::string, std::string> unknown_;
  bool given_ = false;
};

}  // namespace sluice::config
