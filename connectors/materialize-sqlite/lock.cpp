#include "lock.hpp"

#include <fmt/format.h>

#include "sluice/base/error.hpp"

namespace sluice::sqlite {

using namespace std::chrono_literals;

LockWait::LockWait(Context& context, std::string path, Clock::Duration patience)
    : context_(context), path_(std::move(path)), patience_(patience), start_(context.clock.now()) {}

Task<> LockWait::again() {
  Clock::Duration waited = context_.clock.now() - start_;
  if (waited >= patience_)
    throw Error(Error::Kind::transient,
                fmt::format("database '{}' is locked: another program has been writing to it for {} s", path_,
                            std::chrono::duration_cast<std::chrono::seconds>(waited).count()),
                "End that program or its open transaction, or give each task a file of its own.");
  if (!told_ && waited >= 5s) {
    told_ = true;
    context_.log.warn("waiting for another program that writes to the database", kv("path", path_),
                      kv("remedy", "end that program or its open transaction"));
  }
  co_await context_.clock.sleep(waited < 1s ? 10ms : 100ms);
}

}  // namespace sluice::sqlite
