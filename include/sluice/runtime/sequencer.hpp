#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sluice/protocol/messages.hpp"
#include "sluice/runtime/uuid.hpp"

namespace sluice::runtime {

// A committed stretch of a log: documents of one producer whose clock lies in (after, through].
struct CommittedRange {
  std::uint64_t begin = 0, end = 0;
  Producer producer{};
  std::uint64_t after = 0, through = 0;
  // Every line of the stretch is such a document, so nobody needs to look again.
  bool pure = false;
};

// What the writer of a transaction knows of it without a look at the log: documents of one producer in
// [begin, end), with ascending clocks that are greater than those of the producer's former transactions, and
// their acknowledgement in [end, next).
struct KnownTransaction {
  std::uint64_t begin = 0, end = 0, next = 0;
  Uuid acknowledgement;
};

// Tells committed documents from pending, discarded and repeated ones (runtime.md §7.2). Sees the identity of
// every line of a log once, in order, and does no I/O.
class Sequencer {
 public:
  // Continues from a checkpoint: feed it the lines from resume_offset() on.
  explicit Sequencer(const protocol::CheckpointSource& resume);
  std::uint64_t resume_offset() const { return offset_; }

  // The line [begin, end) of the log.
  void add(const Uuid& uuid, std::uint64_t begin, std::uint64_t end);
  // The same for all lines of a transaction. False if it is not what comes next, or goes on with pending
  // documents: its lines have to be added then.
  bool add(const KnownTransaction& transaction);
  // What became readable since the last call, in the order of commitment.
  std::vector<CommittedRange> take() { return std::exchange(ranges_, {}); }
  bool empty() const { return ranges_.empty(); }
  // The state after all lines added, when the caller has processed all ranges taken.
  protocol::CheckpointSource checkpoint() const;

 private:
  struct State {
    std::uint64_t last_ack = 0;
    std::uint64_t last = 0;  // largest clock pending
    std::uint64_t begin = 0, end = 0;
    bool pending = false, pure = false;
  };
  void pend(State& state, std::uint64_t clock, std::uint64_t begin, std::uint64_t end);
  void acknowledge(State& state, const Uuid& uuid);
  void outside(State& state, const Uuid& uuid, std::uint64_t begin, std::uint64_t end);

  std::map<Producer, State> producers_;
  std::vector<CommittedRange> ranges_;
  std::uint64_t offset_;
};

}  // namespace sluice::runtime
