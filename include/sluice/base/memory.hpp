#pragma once

// Settings of the process's allocator; nothing where it is not glibc's.
namespace sluice {

// For processes that make and free buffers of some MiB all the time, where every page of a buffer would be a
// page fault again: what was freed is used again, all threads share one heap, and only what is free at its
// end beyond 16 MiB goes back to the system. Called once, at the beginning of main().
void keep_freed_memory();
// Gives back what has been freed, such as after work that took several times the memory of its result.
void give_back_memory();

}  // namespace sluice
