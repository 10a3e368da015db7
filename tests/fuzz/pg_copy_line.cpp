#include <cstddef>
#include <cstdint>

#include "../pg/exercise.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sluice::pg::exercise_copy_line({reinterpret_cast<const char*>(data), size});
  return 0;
}
