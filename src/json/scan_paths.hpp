#pragma once
#include <string_view>

#include "sluice/json/scan.hpp"

// The forms of ContainerEnd::feed for different processors, so that tests reach those that are not chosen.
namespace sluice::json::scan {

std::size_t feed_bytes(ContainerEnd::State& state, std::string_view piece);
#ifdef __x86_64__
std::size_t feed_sse2(ContainerEnd::State& state, std::string_view piece);
// Where has_avx2() only.
std::size_t feed_avx2(ContainerEnd::State& state, std::string_view piece);
bool has_avx2();
#endif

}  // namespace sluice::json::scan
