#include "sluice/protocol/session.hpp"

namespace sluice::protocol {
namespace {

std::size_t cost(const ConnectorState& state) { return sizeof state + state.updated_json.size(); }
std::size_t cost(const std::optional<ConnectorState>& state) { return state ? cost(*state) : 0; }

std::size_t cost(const Checkpoint& checkpoint) {
  constexpr std::size_t node = 48;  // of a map, besides the content
  std::size_t sum = sizeof checkpoint + checkpoint.unknown.size();
  for (const auto& [journal, source] : checkpoint.sources)
    sum += node + journal.size() + sizeof source + source.producers.size() * sizeof(ProducerEntry);
  for (const auto& [journal, intents] : checkpoint.ack_intents) sum += node + journal.size() + intents.size();
  return sum;
}
std::size_t cost(const std::optional<Checkpoint>& checkpoint) { return checkpoint ? cost(*checkpoint) : 0; }

std::size_t cost(const materialize::Acknowledge& message) { return message.state_patches_json.size(); }
std::size_t cost(const Loads& loads) { return loads.keys.bytes(); }
std::size_t cost(const materialize::Flush& message) { return message.state_patches_json.size(); }
std::size_t cost(const StoreBatch& stores) { return stores.bytes(); }
std::size_t cost(const materialize::StartCommit& message) {
  return message.state_patches_json.size() + cost(message.runtime_checkpoint);
}
std::size_t cost(const materialize::Opened& message) { return cost(message.runtime_checkpoint); }
std::size_t cost(const materialize::Acknowledged& message) { return cost(message.state); }
std::size_t cost(const LoadedDocuments& loaded) { return loaded.documents.bytes(); }
std::size_t cost(const materialize::Flushed& message) { return cost(message.state); }
std::size_t cost(const materialize::StartedCommit& message) { return cost(message.state); }

constexpr auto cost_of = [](const auto& message) { return cost(message); };

}  // namespace

std::size_t CaptureOutput::bytes() const {
  std::size_t sum = sizeof *this + documents.bytes() + cost(checkpoint);
  for (const capture::SourcedSchema& schema : sourced_schemas)
    sum += sizeof schema + schema.schema_json.size();
  return sum;
}

std::size_t MaterializeInput::bytes() const { return sizeof *this + std::visit(cost_of, value); }
std::size_t MaterializeOutput::bytes() const { return sizeof *this + std::visit(cost_of, value); }

}  // namespace sluice::protocol
