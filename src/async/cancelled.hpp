#pragma once
#include <asio/cancellation_state.hpp>
#include <asio/error.hpp>
#include <asio/system_error.hpp>

namespace sluice {

// check_cancelled() of a state that is at hand: without a frame of its own.
inline void throw_if_cancelled(const asio::cancellation_state& state) {
  if (state.cancelled() != asio::cancellation_type::none)
    throw asio::system_error(asio::error::operation_aborted);
}

}  // namespace sluice
