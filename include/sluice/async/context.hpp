#pragma once
#include <cstddef>

#include "sluice/async/clock.hpp"
#include "sluice/async/cpu.hpp"
#include "sluice/async/task.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/base/log.hpp"

namespace sluice {

// What main builds and passes down. The pool and the clock outlive every coroutine that has a Context.
struct Context {
  Context(Executor loop, CpuPool& pool, Clock& time, Log lines, std::size_t budget_bytes = 64_MiB)
      : executor(std::move(loop)),
        cpu(pool),
        clock(time),
        log(std::move(lines)),
        memory_bytes(budget_bytes) {}
  Executor executor;
  CpuPool& cpu;
  Clock& clock;
  Log log;
  std::size_t memory_bytes;  // what channels, buffers and spill thresholds share
};

}  // namespace sluice
