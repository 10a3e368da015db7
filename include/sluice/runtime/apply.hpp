#pragma once
#include <string>

#include "sluice/async/context.hpp"
#include "sluice/protocol/session.hpp"
#include "sluice/runtime/faults.hpp"
#include "sluice/runtime/state_store.hpp"

namespace sluice::runtime {

// Keys of a task in the state store (runtime.md §12.1).
namespace keys {
inline constexpr char checkpoint[] = "checkpoint";
inline constexpr char connector_state[] = "connector-state";
inline constexpr char last_applied[] = "last-applied";
inline constexpr char last_version[] = "last-version";
// Where a transaction ends that the endpoint may have committed and the runtime has not (FH of §12.1).
inline constexpr char hinted_checkpoint[] = "hinted-checkpoint";
// The spec of an Apply that was begun: what its bindings ask for may exist although it is not `last-applied`.
inline constexpr char applying[] = "applying";
std::string max_key(const std::string& state_key);
// What a capture inferred for a collection beyond its write schema; the collection's name follows.
inline constexpr char inferred[] = "inferred:";
}  // namespace keys

// The task's connector state, {} if it is new.
Task<std::string> connector_state(Context& context, StateStore& store, std::string task);
Task<> commit(Context& context, StateStore& store, StateCommit commit);

// Lets the connector apply the spec until it has nothing more to say about its state, then records the spec
// as the last applied one (flow-protocol §8.2). `config_json` is what the connector sees as its
// configuration.
Task<> apply(Context& context, StateStore& store, protocol::Capture& connector,
             const protocol::CaptureSpec& spec, std::string config_json, std::string version);
Task<> apply(Context& context, StateStore& store, protocol::Materialize& connector,
             const protocol::MaterializationSpec& spec, std::string config_json, std::string version);

}  // namespace sluice::runtime
