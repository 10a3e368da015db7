#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

// Errors about what a connector says (flow-protocol §8.1).
namespace sluice::protocol {

[[noreturn]] inline void wrong(std::string message) {
  throw Error(Error::Kind::transient, std::move(message));
}

[[noreturn]] inline void wrong_message(std::string_view expected, std::string_view json) {
  constexpr std::size_t shown = 4096;
  wrong(fmt::format("connector protocol error (expected {}): {}", expected, text::cut_utf8(json, shown)));
}

[[noreturn]] inline void wrong_end(std::string_view expected) {
  wrong(fmt::format("unexpected connector EOF (expected {})", expected));
}

}  // namespace sluice::protocol
