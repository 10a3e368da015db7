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

struct CaptureOptions {
  CaptureOptions(std::string config, std::filesystem::path spill, std::size_t memory)
      : config_json(std::move(config)), spill_folder(std::move(spill)), memory_bytes(memory) {}
  std::string config_json;  // the endpoint configuration as the connector sees it
  std::filesystem::path spill_folder;
  std::size_t memory_bytes;  // of the session without its connector
  Clock::Duration max_transaction = std::chrono::seconds(1);
  bool stop_when_caught_up = false;
  Clock::Duration stop_grace = std::chrono::seconds(4);  // after stop(), until it is done the hard way
  Faults faults;
};

// One session of a capture, from Apply to the end that the connector or stop() brings (runtime.md §11):
// documents are combined by key, written to the logs of their collections, and committed there together with
// the connector's state. The next transaction is collected while one is written.
class CaptureSession {
 public:
  // `logs` are those of the spec's bindings, in their order. Everything referred to outlives the session.
  CaptureSession(Context& context, StateStore& store, protocol::Capture& connector,
                 const protocol::CaptureSpec& spec, std::string version, std::vector<CollectionLog*> logs,
                 CaptureOptions options, Progress& progress);
  ~CaptureSession();

  Task<> run();
  // Asks for a graceful end: what is collected up to the next checkpoint is committed, the rest is dropped.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::runtime
