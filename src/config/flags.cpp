#include "sluice/config/flags.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sluice/base/text.hpp"
#include "sluice/json/write.hpp"

namespace sluice::config {

Flags::Flags(std::initializer_list<std::pair<const std::string, bool>> defaults, std::string_view list,
             std::initializer_list<std::string_view> others)
    : flags_(defaults), known_(others.begin(), others.end()) {
  for (const auto& [name, on] : defaults) known_.push_back(name);
  std::sort(known_.begin(), known_.end());
  for (const std::string& part : text::split(list, ',')) {
    std::string_view name = text::trim(part);
    if (name.empty()) continue;
    given_ = true;
    bool on = name.substr(0, 3) != "no_";
    if (!on) name.remove_prefix(3);
    flags_.insert_or_assign(std::string(name), on);
    std::size_t equals = name.find('=');
    std::string key(name.substr(0, equals));
    if (!std::binary_search(known_.begin(), known_.end(), key)) unknown_.emplace(key, text::trim(part));
    if (equals == name.npos) continue;
    std::string value(name.substr(equals + 1));
    if (on)
      values_.insert_or_assign(std::move(key), std::move(value));
    else if (auto it = values_.find(key); it != values_.end() && it->second == value)
      values_.erase(it);
  }
}

bool Flags::on(std::string_view name) const {
  auto it = flags_.find(name);
  return it != flags_.end() && it->second;
}

std::optional<std::string> Flags::value(std::string_view name) const {
  auto it = values_.find(name);
  return it == values_.end() ? std::nullopt : std::optional(it->second);
}

std::string Flags::json() const {
  std::string text;
  json::Writer out(text);
  out.begin_object();
  for (const auto& [name, on] : flags_) out.key(name).boolean(on);
  out.end_object();
  return text;
}

void Flags::log(const Log& log) const {
  if (given_) log.info("feature flags in effect", kv_json("flags", json()));
}

void Flags::warn_of_unknown(const Log& log) const {
  for (const auto& [name, item] : unknown_)
    log.warn("a feature flag is unknown and has no effect", kv("flag", item),
             kv("remedy", fmt::format("correct it or take it out; known are {}", fmt::join(known_, ", "))));
}

}  // namespace sluice::config
