#pragma once
#include <string_view>

// What must hold of any bytes; for mutations in the test suite and for fuzzers. Each throws std::logic_error
// if it does not hold. Refusing the bytes by Error{transient} is fine.
namespace sluice::pg {

// The first byte chooses a type, the second the options, the rest is a value: the output is JSON of its
// schema.
void exercise_value(std::string_view bytes);
// A line is split as a plain reading of the manual splits it.
void exercise_copy_line(std::string_view bytes);
// A frame of a replication stream and its message.
void exercise_message(std::string_view bytes);

}  // namespace sluice::pg
