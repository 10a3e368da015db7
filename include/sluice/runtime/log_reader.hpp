#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "sluice/protocol/messages.hpp"
#include "sluice/runtime/sequencer.hpp"

namespace sluice::runtime {

// Reads the committed documents of a collection's log. It looks ahead for acknowledgements first and then
// reads what they commit, so a transaction of any size needs no memory. Calls block and belong on the CPU
// pool, one at a time; offsets are of the log file, which is open only while there is something to read.
class LogReader {
 public:
  LogReader(const std::filesystem::path& file, const protocol::CheckpointSource& resume);
  LogReader(LogReader&&) noexcept;
  ~LogReader();

  enum class Scan {
    found,  // documents for next()
    more,   // none yet, but the log goes on: call again
    none,   // nothing is committed between here and `limit`
  };
  // Looks on for whole transactions below `limit`: a few small ones or one large, a piece of the log a call.
  // Legal when next() has given everything. The lines of transactions that are known are not looked at.
  Scan scan(std::uint64_t limit, std::span<const KnownTransaction> known = {});
  // The next document of what scan() found; none when all were given. The view lives until the next call.
  std::optional<std::string_view> next();
  // Whether next() has given everything: a place where a transaction of a reader may end.
  bool at_boundary() const;
  // Legal at a boundary: what a restart continues from.
  protocol::CheckpointSource checkpoint() const;
  // When what scan() found last was acknowledged; 0 if it found nothing yet.
  std::uint64_t newest_clock() const;
  // How far the log has been read, as a measure of progress.
  std::uint64_t offset() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::runtime
