#pragma once
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/async/channel.hpp"
#include "sluice/async/context.hpp"
#include "sluice/async/loop.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/protocol/messages.hpp"
#include "sluice/protocol/session.hpp"

// A runtime that follows a script, around the connector in process.
namespace sluice::testing {

// A folder of its own that is removed at the end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string file(std::string_view name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

// Result of a query, cells joined by '|', null as "NULL", blobs as x'…'. Throws on SQL errors.
std::vector<std::string> rows(const std::string& file, const std::string& sql);
void execute(const std::string& file, const std::string& sql);

protocol::Projection projection(std::string field, std::string ptr, std::vector<std::string> types,
                                protocol::Exists exists = protocol::Exists::may);
// Key `id` (integer), `name` (string), `n` (integer or null), `_meta/op`, and the root document.
protocol::CollectionSpec shop();

struct BindingOptions {
  BindingOptions(std::string t) : table(std::move(t)) {}
  BindingOptions(std::string t, std::vector<std::string> v) : table(std::move(t)), values(std::move(v)) {}
  std::string table;
  std::vector<std::string> keys{"id"}, values{"_meta/op", "n", "name"};
  std::string document = "flow_document";
  bool delta = false;
  std::uint32_t backfill = 0;
};
protocol::MaterializationBinding binding(const protocol::CollectionSpec& collection,
                                         const BindingOptions& options);
protocol::MaterializationSpec spec(std::string config_json,
                                   std::vector<protocol::MaterializationBinding> bindings);
std::string config_of(const std::string& file, std::string_view more = {});

protocol::Checkpoint checkpoint(std::int64_t read_through);
std::int64_t read_through(const std::optional<protocol::Checkpoint>& checkpoint);

// `json` is a JSON array.
std::string packed(std::string_view json);

// One document of a Store phase.
struct Stored {
  Stored(std::string k, std::string v, std::string d)
      : key(std::move(k)), values(std::move(v)), doc(std::move(d)) {}
  Stored& exist() {
    exists = true;
    return *this;
  }
  Stored& removed() {
    deleted = true;
    return *this;
  }
  Stored& of(std::uint32_t b) {
    binding = b;
    return *this;
  }
  std::string key, values, doc;
  std::uint32_t binding = 0;
  bool exists = false, deleted = false;
};

using Keys = std::vector<std::pair<std::uint32_t, std::string>>;  // binding, JSON array

// What the runtime holds of a session.
class Peer {
 public:
  Peer(Writer<protocol::MaterializeInput> to, Reader<protocol::MaterializeOutput> from)
      : to_(std::move(to)), from_(std::move(from)) {}

  Task<protocol::materialize::Opened> opened();
  // A whole transaction; returns the documents loaded for `keys`, sorted.
  Task<std::vector<std::string>> transaction(Keys keys, std::vector<Stored> documents,
                                             protocol::Checkpoint commit);
  // Its parts.
  Task<> acknowledge();
  Task<std::vector<std::string>> load(Keys keys);
  // Flushes and returns how many documents the keys sent before have.
  Task<std::int64_t> count_loaded();
  Task<> store(std::vector<Stored> documents);
  Task<> commit(protocol::Checkpoint checkpoint);
  Task<> send(protocol::MaterializeInput::Value value);
  void end() { to_.close(); }
  // Awaits the connector's own end.
  Task<> drain();

 private:
  template <class T>
  Task<T> expect();
  Writer<protocol::MaterializeInput> to_;
  Reader<protocol::MaterializeOutput> from_;
};

// Never waits: sleeping moves the time and lets others run.
class SkippingClock final : public Clock {
 public:
  TimePoint now() const override { return now_; }
  std::int64_t unix_nanoseconds() const override { return now_.time_since_epoch().count(); }
  Task<> sleep_until(TimePoint time) override;
  Task<> wait(Event& event, TimePoint) override { return event.wait(); }
  // Called at each sleep.
  std::function<void()> at_sleep;

 private:
  TimePoint now_{};
};

// Loop, pool and connector of a test.
class Bench {
 public:
  // `clock`: in place of the steady one.
  explicit Bench(std::size_t memory_bytes = 64 << 20, Clock* clock = nullptr);
  ~Bench();
  Context& context() { return context_; }
  Loop& loop() { return loop_; }
  // Whether a line with this text was logged.
  bool logged(std::string_view text);

  protocol::materialize::Spec spec();
  protocol::materialize::Validated validate(protocol::materialize::Validate request);
  protocol::materialize::Applied apply(const protocol::MaterializationSpec& spec,
                                       const protocol::MaterializationSpec* last = nullptr);
  // One session; `script` plays the runtime and ends it. The error of either side is thrown.
  template <class Script>
  void session(const protocol::MaterializationSpec& spec, Script script) {
    session(spec, std::nullopt, std::move(script));
  }
  template <class Script>
  void session(const protocol::MaterializationSpec& spec, std::optional<protocol::RangeSpec> range,
               Script script) {
    protocol::materialize::Open open;
    open.materialization = spec;
    open.range = range;
    loop_.run(play(std::move(open), std::move(script)));
  }
  // A session of one transaction, committed as checkpoint `n`; what its loads found.
  std::vector<std::string> transact(const protocol::MaterializationSpec& spec, Keys keys,
                                    std::vector<Stored> documents, std::int64_t n = 1);
  std::vector<std::string> transact(const protocol::MaterializationSpec& spec,
                                    std::vector<Stored> documents) {
    return transact(spec, {}, std::move(documents));
  }
  // The message that a session ends with, empty if it ends well.
  template <class Script>
  std::string failure(const protocol::MaterializationSpec& spec, Script script) {
    try {
      session(spec, std::move(script));
    } catch (const std::exception& e) {
      return e.what();
    }
    return {};
  }
  std::pair<Peer, Task<>> start(protocol::materialize::Open open);

 private:
  template <class Script>
  Task<> play(protocol::materialize::Open open, Script script) {
    auto [peer, run] = start(std::move(open));
    co_await all(std::move(run), script(std::move(peer)));
  }

  CpuPool pool_;
  SteadyClock clock_;
  std::mutex lines_mutex_;
  std::vector<std::string> lines_;
  Loop loop_;
  Context context_;
  std::unique_ptr<protocol::Materialize> connector_;
};

}  // namespace sluice::testing
