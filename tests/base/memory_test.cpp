#include "sluice/base/memory.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "sluice/base/bytes.hpp"

namespace sluice {
namespace {

// Sanitizers have allocators of their own.
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
constexpr bool is_glibc = true;
#else
constexpr bool is_glibc = false;
#endif

long page_faults() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

// As batches that are built on one thread, wait for each other, and are dropped on another.
void make_and_free_buffers(int rounds) {
  for (int i = 0; i < rounds; ++i) {
    std::vector<std::unique_ptr<char[]>> buffers(20);
    std::thread([&] {
      for (auto& buffer : buffers) {
        buffer = std::make_unique_for_overwrite<char[]>(1_MiB);
        std::memset(buffer.get(), i, 1_MiB);
      }
    }).join();
  }
}

TEST(Memory, FreedBuffersAreUsedAgain) {
  keep_freed_memory();
  make_and_free_buffers(2);
  long before = page_faults();
  make_and_free_buffers(20);
  long pages = 20 * static_cast<long>(20_MiB / 4_KiB);
  EXPECT_TRUE(!is_glibc || page_faults() - before < pages / 2) << page_faults() - before;
  give_back_memory();
}

}  // namespace
}  // namespace sluice
