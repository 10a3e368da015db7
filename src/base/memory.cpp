#include "sluice/base/memory.hpp"

#include "sluice/base/bytes.hpp"  // and with it what defines __GLIBC__
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace sluice {

#ifdef __GLIBC__
// Batches are built on one thread and freed on another: with a heap for each thread its end is free, and
// trimmed, again and again. Where it is trimmed after all, the padding stays. The price: threads that
// allocate more than a KiB at once, again and again, wait for each other; documents are not allocated one by
// one.
void keep_freed_memory() {
  constexpr int kept_bytes = 16_MiB;
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TRIM_THRESHOLD, kept_bytes);
  ::mallopt(M_TOP_PAD, kept_bytes);
  ::mallopt(M_MMAP_THRESHOLD, kept_bytes);
}

void give_back_memory() { ::malloc_trim(0); }
#else
void keep_freed_memory() {}
void give_back_memory() {}
#endif

}  // namespace sluice
