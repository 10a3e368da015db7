#pragma once
#include <string>
#include <string_view>

// Dates, times and intervals as the server prints them (DateStyle ISO, IntervalStyle postgres), rewritten as
// capture-postgres §4.2, §4.3 and §4.5 say. All append without quotes; what they append needs no escaping.
// They throw Error{transient} on other text.
namespace sluice::pg {

// YYYY-MM-DD.
void append_date(std::string& out, std::string_view text);
// The same as a date-time: midnight UTC.
void append_date_as_timestamp(std::string& out, std::string_view text);
// With or without an offset; the value has Z if there is none.
void append_timestamp(std::string& out, std::string_view text);
// With or without an offset.
void append_time(std::string& out, std::string_view text);
// A time without an offset as microseconds since midnight.
void append_time_as_integer(std::string& out, std::string_view text);
void append_interval(std::string& out, std::string_view text);

}  // namespace sluice::pg
