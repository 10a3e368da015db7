#include "source-postgres/output.hpp"

#include <algorithm>

namespace sluice::source_postgres {

Output::Output(Context& context, Writer<protocol::CaptureOutput> out, cdc::CaptureState& state)
    : context_(context), out_(std::move(out)), state_(state), last_checkpoint_(context.clock.now()) {}

// A full batch is likely followed by another; small ones give back what they did not need, since a channel
// counts the bytes in use only.
Batch Output::take_batch() {
  bool was_full = full();
  if (!was_full) batch_.trim();
  documents_ += batch_.size();
  bytes_ += batch_.text_bytes();
  std::size_t documents = batch_.size();
  Batch taken = std::exchange(batch_, Batch());
  if (was_full) batch_.reserve(batch_bytes + (batch_bytes >> 3), documents + (documents >> 3));
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
  co_await send(std::move(output));
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
