#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "sluice/async/context.hpp"
#include "sluice/protocol/session.hpp"

// What a runtime demands of connectors (flow-protocol §6.2, §8.1 to §8.4). All of these throw
// Error{transient} with the texts given there.
namespace sluice::protocol {

void check(const capture::Spec& spec);
void check(const capture::Discovered& discovered);
// Bindings answer those of the request, by order.
void check(const capture::Validate& request, const capture::Validated& validated);
void check(const materialize::Spec& spec);
void check(const materialize::Validate& request, const materialize::Validated& validated);

// The rules of one capture session, a step per output.
class CaptureChecker {
 public:
  explicit CaptureChecker(std::size_t bindings) : bindings_(bindings) {}
  void output(const CaptureOutput& output);
  // The connector ended gracefully.
  void end() const;
  // Known once Opened.
  bool explicit_acknowledgements() const { return explicit_acknowledgements_; }

 private:
  void check_binding(std::uint32_t binding) const;

  std::size_t bindings_;
  bool opened_ = false, in_checkpoint_ = false, explicit_acknowledgements_ = false;
};

// The rules of one materialization session, a step per message in either direction. A request out of order is
// a bug of ours.
class MaterializeChecker {
 public:
  explicit MaterializeChecker(std::size_t bindings) : bindings_(bindings) {}
  void request(const MaterializeInput& input);
  // The runtime has said all: a graceful stop.
  void stop();
  void response(const MaterializeOutput& output);
  void end() const;

 private:
  enum class State { opening, idle, transaction, storing, committing };
  void acknowledged();
  void loaded(const Batch& documents) const;
  void flushed();
  [[noreturn]] void unexpected(const MaterializeOutput& output) const;
  const char* expected() const;

  std::size_t bindings_;
  State state_ = State::opening;
  bool acknowledged_ = false, loads_ = false, flush_ = false;  // in this transaction
  bool stopped_ = false;
};

// A connector that answers and streams only what is legal, whatever `connector` does: each breach ends the
// call with an error. Acknowledgements are held back from captures that do not want them; those that do must
// take them within ten seconds. What a child process takes is what its pipe holds.
std::unique_ptr<Capture> checked(Context& context, std::unique_ptr<Capture> connector);
std::unique_ptr<Materialize> checked(Context& context, std::unique_ptr<Materialize> connector);

}  // namespace sluice::protocol
