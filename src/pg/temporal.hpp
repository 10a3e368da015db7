#pragma once
#include <optional>
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

// The date part of a scan position (capture-postgres §6.5): YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ in UTC. Bytewise
// order is that of the server, also outside years 0 to 9999, where the form is ours.
void append_ordered_timestamp(std::string& out, std::string_view text);
// Back to text that the server reads as a date, timestamp or timestamptz. Nothing if it is no such position.
std::optional<std::string> ordered_timestamp_text(std::string_view ordered);

}  // namespace sluice::pg
