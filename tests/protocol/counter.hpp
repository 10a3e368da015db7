#pragma once
#include <asio/this_coro.hpp>
#include <functional>
#include <string>
#include <thread>

#include "sluice/async/cpu.hpp"
#include "sluice/async/event.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"
#include "sluice/protocol/session.hpp"

namespace sluice::testing {

// Captures documents 0..n-1, a checkpoint after every ten, as its config says: a number. Then waits to be
// asked to stop, and says one more document on the way out.
class Counter final : public protocol::Capture {
 public:
  std::uint32_t acknowledged = 0;
  std::function<void()> when_hanging, when_cancelled;
  CpuPool* pool = nullptr;  // of one that is asked to block

  Task<protocol::capture::Spec> spec(protocol::capture::SpecRequest) override {
    protocol::capture::Spec spec;
    spec.protocol = protocol::protocol_version;
    spec.config_schema_json = "true";
    spec.documentation_url = "https://docs";
    co_return spec;
  }
  Task<protocol::capture::Discovered> discover(protocol::capture::Discover request) override {
    if (request.config_json == "\"hang\"") co_await hang();
    if (request.config_json == "\"block\"") co_await all(block(*pool), hang());
    if (request.config_json == "\"bad\"")
      throw Error(Error::Kind::config, "the config is bad", "Make it good.");
    protocol::capture::Discovered discovered;
    discovered.bindings.resize(1);
    discovered.bindings[0].recommended_name = request.name;
    co_return discovered;
  }
  Task<protocol::capture::Validated> validate(protocol::capture::Validate request) override {
    protocol::capture::Validated validated;
    validated.bindings.resize(request.bindings.size());
    co_return validated;
  }
  Task<protocol::capture::Applied> apply(protocol::capture::Apply request) override {
    protocol::capture::Applied applied;
    applied.action_description = request.version;
    co_return applied;
  }
  Task<> run(protocol::capture::Open open, protocol::CaptureIo io) override {
    protocol::CaptureOutput first;
    first.opened.emplace();
    first.opened->explicit_acknowledgements = true;
    first.sourced_schemas.resize(1);
    co_await io.out.send(std::move(first));
    int n = std::stoi(open.capture->config_json);
    for (int i = 0; i < n; i += 10) {
      protocol::CaptureOutput output;
      for (int k = i; k < std::min(i + 10, n); ++k)
        output.documents.add("{\"k\":" + std::to_string(k) + "}", 1);
      output.checkpoint.emplace();
      output.checkpoint->updated_json = std::to_string(i);
      co_await io.out.send(std::move(output));
    }
    while (!io.stop_when_caught_up) {
      std::optional<protocol::Acknowledged> message = co_await io.acknowledgements.next();
      if (!message) break;
      acknowledged += message->checkpoints;
    }
    protocol::CaptureOutput last;
    last.documents.add("{\"last\":true}");
    last.checkpoint.emplace();
    co_await io.out.send(std::move(last));
    io.out.close();
  }

 private:
  Task<> hang() {
    when_hanging();
    Event never(co_await asio::this_coro::executor);
    try {
      co_await never.wait();
    } catch (...) {
      if (when_cancelled) when_cancelled();
      throw;
    }
  }
  static void sleep_long() { std::this_thread::sleep_for(std::chrono::hours(1)); }
  static Task<> block(CpuPool& pool) { co_await on_cpu(pool, sleep_long); }
};

}  // namespace sluice::testing
