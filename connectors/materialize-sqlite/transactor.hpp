#pragma once
#include <memory>
#include <optional>

#include "session.hpp"
#include "sluice/async/context.hpp"
#include "sluice/async/event.hpp"
#include "sluice/connector/transactor.hpp"

namespace sluice::sqlite {

// Runs a Session on the CPU pool, one call at a time.
class Transactor final : public connector::Transactor {
 public:
  Transactor(Context& context, SessionOptions options);
  ~Transactor() override;

  Task<protocol::materialize::Opened> open(protocol::materialize::Open request) override;
  // The commit was complete when start_commit() returned; this bounds the write-ahead log.
  Task<std::optional<protocol::ConnectorState>> acknowledge(std::string state_patches_json) override;
  Task<> stage_loads(Reader<Batch> keys) override;
  Task<> load(Writer<Batch> found) override;
  Task<std::optional<protocol::ConnectorState>> flush() override;
  Task<> store(Reader<protocol::StoreBatch> documents) override;
  Task<std::optional<protocol::ConnectorState>> start_commit(
      protocol::materialize::StartCommit request) override;
  // Leaves the file without its write-ahead log, if nobody else has it open.
  Task<> close();

 private:
  class Turn;

  Context& context_;
  SessionOptions options_;
  std::unique_ptr<Session> session_;
  // acknowledge() and stage_loads() run side by side.
  Event freed_;
  bool busy_ = false;
};

}  // namespace sluice::sqlite
