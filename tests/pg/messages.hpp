#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::pg {

inline const char unchanged[] = "";  // by its address: a value that is not sent

// Writes replication messages as a server does.
struct Wire {
  std::string bytes;
  Wire& letter(int c) {
    bytes += static_cast<char>(c);
    return *this;
  }
  Wire& raw(std::string_view text) {
    bytes += text;
    return *this;
  }
  Wire& text(std::string_view name) { return raw(name).letter(0); }
  Wire& number(std::uint64_t value, int size) {
    for (int i = size - 1; i >= 0; --i) letter(static_cast<int>(value >> 8 * i & 255));
    return *this;
  }
  Wire& u16(std::uint64_t value) { return number(value, 2); }
  Wire& u32(std::uint64_t value) { return number(value, 4); }
  Wire& u64(std::uint64_t value) { return number(value, 8); }
  Wire& tuple(std::vector<const char*> values) {
    u16(values.size());
    for (const char* value : values) {
      if (!value)
        letter('n');
      else if (value == unchanged)
        letter('u');
      else
        letter('t').u32(std::string_view(value).size()).raw(value);
    }
    return *this;
  }
};

// One of each kind.
inline std::vector<std::string> sample_messages() {
  return {
      Wire().letter('B').u64(7).u64(8).u32(9).bytes,
      Wire().letter('C').letter(0).u64(7).u64(10).u64(8).bytes,
      Wire()
          .letter('R')
          .u32(1)
          .text("public")
          .text("t")
          .letter('d')
          .u16(1)
          .letter(1)
          .text("id")
          .u32(23)
          .u32(~0u)
          .bytes,
      Wire().letter('I').u32(1).letter('N').tuple({"12", nullptr, unchanged, "some text"}).bytes,
      Wire().letter('U').u32(1).letter('K').tuple({"1", nullptr}).letter('N').tuple({"2", "x"}).bytes,
      Wire().letter('U').u32(1).letter('N').tuple({"2", "x"}).bytes,
      Wire().letter('D').u32(1).letter('O').tuple({"2", "x"}).bytes,
      Wire().letter('T').u32(2).letter(3).u32(5).u32(6).bytes,
  };
}

}  // namespace sluice::pg
