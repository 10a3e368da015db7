#include "attended.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/protocol/check.hpp"
#include "wrong.hpp"

namespace sluice::protocol {
namespace {

using namespace std::chrono_literals;

// Checked items go on one at a time; the channels on both sides do the buffering.
constexpr std::size_t no_buffer = 1;
constexpr auto acknowledgement_patience = 10s;

Task<> pass_outputs(CaptureChecker& checker, Reader<CaptureOutput> in, Writer<CaptureOutput>& out) {
  while (auto output = co_await in.next()) {
    checker.output(*output);
    co_await out.send(std::move(*output));
  }
  checker.end();
  out.close();
}

Task<> pass_acknowledgements(Clock& clock, const CaptureChecker& checker, Reader<Acknowledged>& in,
                             Writer<Acknowledged> out) {
  while (auto message = co_await in.next()) {
    if (!checker.explicit_acknowledgements()) continue;
    try {
      co_await out.send(std::move(*message));
    } catch (const Broken&) {
      co_return;  // it has ended, or does not look at them
    }
    bool taken = co_await out.taken_until(clock, clock.now() + acknowledgement_patience);
    if (!taken) wrong("connector requested acknowledgements but is not processing its input");
  }
  out.close();
}

class CheckedCapture final : public Capture {
 public:
  CheckedCapture(Context& context, std::unique_ptr<Capture> connector)
      : context_(context), connector_(std::move(connector)) {}

  Task<capture::Spec> spec(capture::SpecRequest request) override {
    capture::Spec spec = co_await connector_->spec(std::move(request));
    check(spec);
    co_return spec;
  }
  Task<capture::Discovered> discover(capture::Discover request) override {
    capture::Discovered discovered = co_await connector_->discover(std::move(request));
    check(discovered);
    co_return discovered;
  }
  Task<capture::Validated> validate(capture::Validate request) override {
    capture::Validated validated = co_await connector_->validate(request);
    check(request, validated);
    co_return validated;
  }
  Task<capture::Applied> apply(capture::Apply request) override {
    return connector_->apply(std::move(request));
  }

  Task<> run(capture::Open open, CaptureIo io) override {
    SLUICE_CHECK(open.capture && open.range);
    CaptureChecker checker(open.capture->bindings.size());
    auto [out, outputs] = channel<CaptureOutput>(context_.executor, no_buffer);
    auto [acknowledge, acknowledgements] = channel<Acknowledged>(context_.executor, no_buffer);
    CaptureIo inner(std::move(out), std::move(acknowledgements), io.stop_when_caught_up);
    co_await attended(
        all(connector_->run(std::move(open), std::move(inner)),
            pass_outputs(checker, std::move(outputs), io.out)),
        pass_acknowledgements(context_.clock, checker, io.acknowledgements, std::move(acknowledge)));
  }

 private:
  Context& context_;
  std::unique_ptr<Capture> connector_;
};

Task<> pass_requests(MaterializeChecker& checker, Reader<MaterializeInput>& in,
                     Writer<MaterializeInput> out) {
  while (auto input = co_await in.next()) {
    checker.request(*input);
    co_await out.send(std::move(*input));
  }
  checker.stop();
  out.close();
}

Task<> pass_responses(MaterializeChecker& checker, Reader<MaterializeOutput> in,
                      Writer<MaterializeOutput>& out) {
  while (auto output = co_await in.next()) {
    checker.response(*output);
    co_await out.send(std::move(*output));
  }
  checker.end();
  out.close();
}

class CheckedMaterialize final : public Materialize {
 public:
  CheckedMaterialize(Context& context, std::unique_ptr<Materialize> connector)
      : context_(context), connector_(std::move(connector)) {}

  Task<materialize::Spec> spec(materialize::SpecRequest request) override {
    materialize::Spec spec = co_await connector_->spec(std::move(request));
    check(spec);
    co_return spec;
  }
  Task<materialize::Validated> validate(materialize::Validate request) override {
    materialize::Validated validated = co_await connector_->validate(request);
    check(request, validated);
    co_return validated;
  }
  Task<materialize::Applied> apply(materialize::Apply request) override {
    return connector_->apply(std::move(request));
  }

  Task<> run(materialize::Open open, MaterializeIo io) override {
    SLUICE_CHECK(open.materialization && open.range);
    MaterializeChecker checker(open.materialization->bindings.size());
    auto [input, in] = channel<MaterializeInput>(context_.executor, no_buffer);
    auto [out, outputs] = channel<MaterializeOutput>(context_.executor, no_buffer);
    MaterializeIo inner(std::move(in), std::move(out));
    co_await attended(all(connector_->run(std::move(open), std::move(inner)),
                          pass_responses(checker, std::move(outputs), io.out)),
                      pass_requests(checker, io.in, std::move(input)));
  }

 private:
  Context& context_;
  std::unique_ptr<Materialize> connector_;
};

}  // namespace

std::unique_ptr<Capture> checked(Context& context, std::unique_ptr<Capture> connector) {
  return std::make_unique<CheckedCapture>(context, std::move(connector));
}

std::unique_ptr<Materialize> checked(Context& context, std::unique_ptr<Materialize> connector) {
  return std::make_unique<CheckedMaterialize>(context, std::move(connector));
}

}  // namespace sluice::protocol
