#include "malformed.hpp"

#include <fmt/format.h>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::pg {

void malformed(std::string_view what, std::string_view text) {
  constexpr std::size_t most = 64;
  std::string_view shown = text::cut_utf8(text, most);
  throw Error(Error::Kind::transient, fmt::format("'{}{}' is not how a server prints a value of type {}",
                                                  shown, text.size() > most ? "…" : "", what));
}

}  // namespace sluice::pg
