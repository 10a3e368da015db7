#include "source-postgres/output.hpp"

#include <algorithm>

namespace sluice::source_postgres {

Output::Output(Context& context, Writer<protocol::CaptureOutput> out, cdc::CaptureState& state)
    : context_(context), out_(std::move(out)), state_(state), last_checkpoint_(context.clock.now()) {}

// The next batch is likely to be like this one, and gets as much room, though not that of a single large
// document. What it does not need is given back when it is sent, since a channel counts the bytes in use
// only.
Batch Output::take_batch() {
  if (batch_.empty()) return Batch();
  batch_.trim();
  std::size_t documents = batch_.size(), bytes = batch_.text_bytes();
  documents_ += documents;
  bytes_ += bytes;
  Batch taken = std::exchange(batch_, Batch());
  bytes = std::min(bytes, batch_bytes);
  documents = std::min(documents, batch_documents);
  batch_.reserve(bytes + bytes / 8, documents + documents / 8);
  return taken;
}

Task<> Output::send(protocol::CaptureOutput output) {
  bool large = output.documents.text_bytes() >= batch_bytes / 2;
  co_await out_.send(std::move(output));
  // Lets acknowledgements and status updates have their turn in a long run of batches.
  if (large) co_await yield();
}

Task<> Output::opened() {
  protocol::CaptureOutput output;
  output.opened.emplace();
  output.opened->explicit_acknowledgements = true;
  co_await send(std::move(output));
}

Task<> Output::schemas(std::vector<protocol::capture::SourcedSchema> schemas) {
  co_await flush();
  protocol::CaptureOutput output;
  output.sourced_schemas = std::move(schemas);
  bound_ = true;
  co_await send(std::move(output));
}

Task<> Output::flush() {
  if (batch_.empty()) co_return;
  protocol::CaptureOutput output;
  bound_ = true;
  sent_bytes_ += batch_.text_bytes();
  output.documents = take_batch();
  co_await out_.hand_over(std::move(output));
}

Task<> Output::checkpoint(std::optional<pg::Lsn> cursor) {
  if (cursor) {
    state_.set_cursor_json("\"" + cursor->text() + "\"");
    reported_ = std::max(reported_, *cursor);
  }
  protocol::CaptureOutput output;
  output.documents = take_batch();
  output.checkpoint.emplace();
  output.checkpoint->updated_json = state_.take_patch();
  output.checkpoint->merge_patch = true;
  bound_ = true;  // what it holds is lost if the wait for room is given up
  sent_bytes_ = 0;
  last_checkpoint_ = context_.clock.now();
  unacknowledged_.sent(cursor);
  co_await send(std::move(output));
  bound_ = false;
}

}  // namespace sluice::source_postgres
