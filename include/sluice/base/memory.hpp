#pragma once

// Settings of the process's allocator; nothing where it is not glibc's.
namespace sluice {

// For processes that make and free buffers of some MiB all the time: what was freed is used again instead of
// going back to the system, up to 16 MiB at the end of the heap, and all threads share one heap. Otherwise
// every page of a buffer is a page fault again. Called once, at the beginning of main().
void keep_freed_memory();
// Gives back what has been freed, such as after work that took several times the memory of its result.
void give_back_memory();

}  // namespace sluice
