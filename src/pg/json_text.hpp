#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/pg/types.hpp"

// Text of the server as parts of JSON documents.
namespace sluice::pg {

// A value beyond this is cut, or replaced if it is JSON (capture-postgres §3.3).
constexpr std::size_t max_value_bytes = std::size_t{8} << 20;

// Appends `text` with what JSON strings escape. Bytes that are no UTF-8, and zeros, become U+FFFD and are
// counted, if there is a counter.
void append_escaped(std::string& out, std::string_view text, RepairCount* repaired);
// With quotes around it.
void append_string(std::string& out, std::string_view text, RepairCount* repaired);
// Inlines a value of type json: without insignificant whitespace, unpaired surrogate escapes as \uFFFD
// (capture-postgres §4.7).
void append_json(std::string& out, std::string_view json, RepairCount* repaired);
// Inlines a value of type jsonb, which the server has normalised: only bytes that are no UTF-8 change.
void append_jsonb(std::string& out, std::string_view json, RepairCount* repaired);
// {"flow_truncated":true,"original_size":N}
void append_truncated(std::string& out, std::size_t original_bytes);
// The longest prefix of at most max_value_bytes that ends between code points.
std::string_view cut_oversize(std::string_view text);

}  // namespace sluice::pg
