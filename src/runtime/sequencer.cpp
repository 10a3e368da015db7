#include "sluice/runtime/sequencer.hpp"

#include <algorithm>

#include "sluice/base/error.hpp"

namespace sluice::runtime {
namespace {
// Finished producers a checkpoint remembers. Their documents lie below read_through, so this matters only for
// a log in which somebody repeats them.
constexpr std::size_t remembered_producers = 16;
}  // namespace

Sequencer::Sequencer(const protocol::CheckpointSource& resume)
    : offset_(static_cast<std::uint64_t>(resume.read_through)) {
  for (const protocol::ProducerEntry& entry : resume.producers) {
    Producer id{};
    if (entry.id.size() != id.size() || !entry.state)
      throw Error(Error::Kind::transient, "a checkpoint names a producer that is not 6 bytes long");
    std::copy(entry.id.begin(), entry.id.end(), id.begin());
    producers_[id].last_ack = entry.state->last_ack;
    // Its pending documents are read again.
    if (entry.state->begin >= 0) offset_ = std::min(offset_, static_cast<std::uint64_t>(entry.state->begin));
  }
}

void Sequencer::add(const Uuid& uuid, std::uint64_t begin, std::uint64_t end) {
  offset_ = end;
  State& state = producers_[uuid.producer];
  if (uuid.flags & Uuid::ack_txn)
    acknowledge(state, uuid);
  else if (uuid.flags & Uuid::continue_txn)
    pend(state, uuid.clock, begin, end);
  else
    outside(state, uuid, begin, end);
}

bool Sequencer::add(const KnownTransaction& transaction) {
  const auto& [begin, end, next, uuid] = transaction;
  if (begin != offset_) return false;
  State& state = producers_[uuid.producer];
  if (state.pending || uuid.clock <= state.last_ack) return false;
  if (begin < end) ranges_.push_back({begin, end, uuid.producer, state.last_ack, uuid.clock, true});
  state.last_ack = uuid.clock;
  offset_ = next;
  return true;
}

void Sequencer::pend(State& state, std::uint64_t clock, std::uint64_t begin, std::uint64_t end) {
  if (clock <= state.last_ack) return;
  if (!state.pending) {
    state.pending = state.pure = true;
    state.begin = state.end = begin;
    state.last = state.last_ack;
  }
  if (clock <= state.last || begin != state.end) state.pure = false;
  state.last = std::max(state.last, clock);
  state.end = end;
}

void Sequencer::acknowledge(State& state, const Uuid& uuid) {
  if (state.pending && uuid.clock > state.last_ack) {
    bool pure = state.pure && state.last <= uuid.clock;
    ranges_.push_back({state.begin, state.end, uuid.producer, state.last_ack, uuid.clock, pure});
  }
  state.pending = false;
  state.last_ack = std::max(state.last_ack, uuid.clock);
}

void Sequencer::outside(State& state, const Uuid& uuid, std::uint64_t begin, std::uint64_t end) {
  if (uuid.clock <= state.last_ack) return;
  if (!ranges_.empty() && ranges_.back().end == begin && ranges_.back().producer == uuid.producer &&
      ranges_.back().pure) {
    ranges_.back().end = end;
    ranges_.back().through = uuid.clock;
  } else {
    ranges_.push_back({begin, end, uuid.producer, state.last_ack, uuid.clock, true});
  }
  state.last_ack = uuid.clock;
}

protocol::CheckpointSource Sequencer::checkpoint() const {
  using Entry = std::pair<const Producer, State>;
  std::vector<const Entry*> finished;
  protocol::CheckpointSource source;
  source.read_through = static_cast<std::int64_t>(offset_);
  auto add = [&](const Entry& entry, std::int64_t begin) {
    protocol::ProducerEntry out;
    out.id.assign(entry.first.begin(), entry.first.end());
    out.state.emplace();
    out.state->last_ack = entry.second.last_ack;
    out.state->begin = begin;
    source.producers.push_back(std::move(out));
  };
  for (const Entry& entry : producers_) {
    if (entry.second.pending)
      add(entry, static_cast<std::int64_t>(entry.second.begin));
    else
      finished.push_back(&entry);
  }
  auto newer = [](const Entry* a, const Entry* b) { return a->second.last_ack > b->second.last_ack; };
  std::sort(finished.begin(), finished.end(), newer);
  bool rereads = !source.producers.empty();  // from below read_through, so that all count
  if (!rereads && finished.size() > remembered_producers) finished.resize(remembered_producers);
  for (const Entry* entry : finished) add(*entry, -1);
  std::sort(source.producers.begin(), source.producers.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return source;
}

}  // namespace sluice::runtime
