#include "sluice/base/memory.hpp"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "sluice/base/bytes.hpp"

namespace sluice {

#ifdef __GLIBC__
// Batches are built on one thread and freed on another: with a heap for each thread its end is free, and
// trimmed, again and again.
void keep_freed_memory() {
  constexpr int kept_bytes = 16_MiB;
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TRIM_THRESHOLD, kept_bytes);
  ::mallopt(M_MMAP_THRESHOLD, kept_bytes);
}

void give_back_memory() { ::malloc_trim(0); }
#else
void keep_freed_memory() {}
void give_back_memory() {}
#endif

}  // namespace sluice
