#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "sluice/async/context.hpp"
#include "sluice/cdc/acknowledgements.hpp"
#include "sluice/cdc/state.hpp"
#include "sluice/pg/connection.hpp"
#include "sluice/protocol/session.hpp"

namespace sluice::source_postgres {

// The outgoing half of a session: documents in batches of bounded size, and checkpoints of the state with
// what of them the runtime has acknowledged.
class Output {
 public:
  Output(Context& context, Writer<protocol::CaptureOutput> out, cdc::CaptureState& state);

  // Where documents are put. When full() says so, flush() or checkpoint() is due.
  Batch& batch() { return batch_; }
  bool full() const { return batch_.text_bytes() >= batch_bytes || batch_.size() >= batch_documents; }
  // Documents were put or sent since the last checkpoint; only what was sent, or bind(), binds the session to
  // go on: without it the session could not be continued from the last checkpoint.
  bool uncommitted() const { return bound_ || !batch_.empty(); }
  bool bound() const { return bound_; }
  // The state says already that the documents of the batch were captured: they may not be dropped.
  void bind() { bound_ = true; }
  // Bytes of documents since the last checkpoint.
  std::size_t uncommitted_bytes() const { return sent_bytes_ + batch_.text_bytes(); }
  // Forgets documents that were not sent.
  void drop_batch() { batch_.clear(); }

  Task<> opened();
  Task<> schemas(std::vector<protocol::capture::SourcedSchema> schemas);
  // Sends the documents without making them committable.
  Task<> flush();
  // Sends what changed of the state, and the documents before it. `cursor`: the position that an
  // acknowledgement will allow to confirm.
  Task<> checkpoint(std::optional<pg::Lsn> cursor);

  // Of `checkpoints` more: the position that may be confirmed now.
  std::optional<pg::Lsn> acknowledge(std::uint32_t checkpoints) {
    return unacknowledged_.acknowledge(checkpoints);
  }
  bool all_acknowledged() const { return unacknowledged_.empty(); }
  pg::Lsn reported() const { return reported_; }
  Clock::TimePoint last_checkpoint() const { return last_checkpoint_; }
  std::uint64_t documents() const { return documents_; }
  std::uint64_t bytes() const { return bytes_; }

  void close() { out_.close(); }

 private:
  static constexpr std::size_t batch_bytes = 512u << 10, batch_documents = 16'384;

  Task<> send(protocol::CaptureOutput output);
  Batch take_batch();

  Context& context_;
  Writer<protocol::CaptureOutput> out_;
  cdc::CaptureState& state_;
  cdc::Acknowledgements<pg::Lsn> unacknowledged_;
  Batch batch_;
  bool bound_ = false;
  std::size_t sent_bytes_ = 0;
  pg::Lsn reported_;
  Clock::TimePoint last_checkpoint_;
  std::uint64_t documents_ = 0, bytes_ = 0;
};

}  // namespace sluice::source_postgres
