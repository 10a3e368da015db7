#include "sluice/cdc/resource.hpp"

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::cdc {

std::string_view name(BackfillMode mode) {
  for (const auto& choice : choices(mode))
    if (choice.value == mode) return choice.text;
  return {};
}

void Resource::validate() const {
  const std::string& filter = advanced.additional_backfill_filter;
  if (filter.empty()) return;
  if (text::trim(filter).empty())
    throw Error(Error::Kind::config, "/advanced/additional_backfill_filter holds nothing but blanks",
                "Remove it, or give an SQL expression.");
  if (mode == BackfillMode::precise)
    throw Error(Error::Kind::config, "mode \"Precise\" cannot be combined with an additional backfill filter",
                "Changes to rows that the filter excludes would be lost; choose mode \"Normal\".");
}

}  // namespace sluice::cdc
