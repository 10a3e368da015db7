#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "sluice/async/context.hpp"
#include "sluice/protocol/session.hpp"
#include "sluice/runtime/collection_log.hpp"
#include "sluice/runtime/faults.hpp"
#include "sluice/runtime/progress.hpp"
#include "sluice/runtime/state_store.hpp"

namespace sluice::runtime {

struct MaterializeOptions {
  MaterializeOptions(std::string config, std::filesystem::path spill, std::size_t memory)
      : config_json(std::move(config)), spill_folder(std::move(spill)), memory_bytes(memory) {}
  std::string config_json;  // the endpoint configuration as the connector sees it
  std::filesystem::path spill_folder;
  std::size_t memory_bytes;  // of the session without its connector
  // The schema epochs of the logs, in their order, from before the schemas were loaded that the spec was
  // built with; empty: those of now.
  std::vector<std::uint64_t> schema_epochs;
  Clock::Duration stop_grace = std::chrono::seconds(4);  // after stop(), until it is done the hard way
  Faults faults;
};

// One session of a materialization, from Apply to the end that stop() or finish() brings (runtime.md §10):
// reads the logs of its bindings, combines documents by key with what the endpoint stores, and commits. It
// reads nothing that may need a schema inferred later, and ends by itself when all before that is committed.
class MaterializeSession {
 public:
  // `logs` are those of the spec's bindings, in their order. Everything referred to outlives the session.
  MaterializeSession(Context& context, StateStore& store, protocol::Materialize& connector,
                     const protocol::MaterializationSpec& spec, std::string version,
                     std::vector<CollectionLog*> logs, MaterializeOptions options, Progress& progress);
  ~MaterializeSession();

  Task<> run();
  // Has a schema changed since the spec was built? Then a session of a new one goes on from where run()
  // ended.
  bool outdated() const;
  // Ends with the transaction that is open: it is closed at the next place where it may be, and committed.
  void stop();
  // Ends when everything is committed that is published now.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::runtime
