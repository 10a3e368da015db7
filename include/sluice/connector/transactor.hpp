#pragma once
#include <optional>
#include <string>

#include "sluice/async/channel.hpp"
#include "sluice/async/context.hpp"
#include "sluice/protocol/session.hpp"

namespace sluice::connector {

// What a materialization supplies; drive() owns protocol order, acknowledgements and recovery. The calls of
// one transaction: acknowledge() and stage_loads() side by side, then load(), flush(), store(),
// start_commit().
class Transactor {
 public:
  virtual ~Transactor() = default;
  // Fences older sessions and recovers. The checkpoint, if any, is authoritative.
  virtual Task<protocol::materialize::Opened> open(protocol::materialize::Open request) = 0;
  // Finishes the previous commit. May be repeated after a restart.
  virtual Task<std::optional<protocol::ConnectorState>> acknowledge(std::string state_patches_json) = 0;
  // Reads packed keys to their end; may stage them at once.
  virtual Task<> stage_loads(Reader<Batch> keys) = 0;
  // Called when all keys are staged and the previous commit is acknowledged: sends each key's stored
  // document, if there is one, and closes `found`. Order does not matter.
  virtual Task<> load(Writer<Batch> found) = 0;
  virtual Task<std::optional<protocol::ConnectorState>> flush() = 0;
  // Applies documents, ascending by (binding, key).
  virtual Task<> store(Reader<protocol::StoreBatch> documents) = 0;
  // Commits with the runtime's checkpoint. Returning means durable.
  virtual Task<std::optional<protocol::ConnectorState>> start_commit(
      protocol::materialize::StartCommit request) = 0;
};

// Runs one materialization session over `io` (flow-protocol §8.4, connector state machine). A range that is
// inverted or has not all r-clocks is refused.
Task<> drive(Context& context, Transactor& transactor, protocol::materialize::Open open,
             protocol::MaterializeIo io);

}  // namespace sluice::connector
