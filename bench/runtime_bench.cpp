// What the runtime itself costs per document: from a capture's batches to synced logs, from the logs to the
// store requests of a materialization, and both at once, between connectors that do nothing. Beside it the
// limit: the same bytes written and synced by plain calls. Documents of about 300 bytes.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "allocations.hpp"
#include "report.hpp"
#include "sluice/async/loop.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/memory.hpp"
#include "sluice/runtime/capture_session.hpp"
#include "sluice/runtime/materialize_session.hpp"

namespace {

using namespace sluice;
namespace fs = std::filesystem;
namespace capture = protocol::capture;
namespace materialize = protocol::materialize;

constexpr int documents_a_checkpoint = 50'000;
constexpr std::size_t batch_bytes = 256_KiB;
constexpr std::string_view fields[] = {"created_at", "currency", "id", "note", "paid", "status", "total"};

constexpr char schema[] = R"json({"type":"object","required":["id"],
 "if":{"properties":{"_meta":{"properties":{"op":{"const":"d"}}}}},
 "then":{"reduce":{"strategy":"merge","delete":true}},"else":{"reduce":{"strategy":"merge"}},
 "properties":{"_meta":{"type":"object","required":["op","source"],"reduce":{"strategy":"merge"},
   "properties":{"op":{"enum":["c","d","u"]},"source":{"type":"object"}}},
  "id":{"type":"integer"},"status":{"type":["string","null"]},
  "total":{"type":["string","null"],"format":"number"},"currency":{"type":["string","null"]},
  "note":{"type":["string","null"]},"created_at":{"type":["string","null"],"format":"date-time"},
  "paid":{"type":["boolean","null"]}}})json";

protocol::CollectionSpec collection() {
  protocol::CollectionSpec spec;
  spec.name = "bench/orders";
  spec.key = {"/id"};
  spec.uuid_ptr = "/_meta/uuid";
  spec.ack_template_json = R"({"_meta":{"uuid":"DocUUIDPlaceholder-329Bb50aa48EAa9ef","ack":true}})";
  spec.write_schema_json = schema;
  auto project = [&](std::string field, std::string ptr) {
    protocol::Projection projection;
    projection.field = std::move(field);
    projection.ptr = std::move(ptr);
    projection.inference.emplace();
    spec.projections.push_back(std::move(projection));
  };
  for (std::string_view field : fields) project(std::string(field), "/" + std::string(field));
  project("flow_document", "");
  return spec;
}

void append_document(std::string& out, int id) {
  out += R"({"_meta":{"op":"c","source":{"loc":[94489280512,94489281000,94489281240],"schema":"public",)"
         R"("table":"orders","ts_ms":1735689600123}},"created_at":"2025-01-01T10:20:30.123456Z",)"
         R"("currency":"EUR","id":)";
  char digits[12];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, id).ptr);
  out += R"(,"note":null,"paid":true,"status":"shipped","total":"1234.50"})";
}

// Says `documents` new rows, then ends.
class Rows final : public protocol::Capture {
 public:
  explicit Rows(int documents) : documents_(documents) {}
  Task<capture::Spec> spec(capture::SpecRequest) override { co_return capture::Spec(); }
  Task<capture::Discovered> discover(capture::Discover) override { co_return capture::Discovered(); }
  Task<capture::Validated> validate(capture::Validate) override { co_return capture::Validated(); }
  Task<capture::Applied> apply(capture::Apply) override { co_return capture::Applied(); }
  Task<> run(capture::Open, protocol::CaptureIo io) override {
    protocol::CaptureOutput output = empty();
    output.opened.emplace();
    for (int id = 0; id < documents_; ++id) {
      append_document(output.documents.text(), id);
      output.documents.commit(0);
      bool checkpoint = (id + 1) % documents_a_checkpoint == 0 || id + 1 == documents_;
      if (checkpoint) output.checkpoint = state(id);
      if (!checkpoint && output.documents.text_bytes() < batch_bytes) continue;
      co_await io.out.send(std::move(output));
      output = empty();
    }
    io.out.close();
  }

 private:
  // With room for a batch, as real captures make it.
  static protocol::CaptureOutput empty() {
    protocol::CaptureOutput output;
    output.documents.reserve(batch_bytes + 1_KiB, batch_bytes / 256);
    return output;
  }
  static protocol::ConnectorState state(int id) {
    protocol::ConnectorState state;
    state.updated_json = fmt::format(R"({{"id":{}}})", id);
    state.merge_patch = true;
    return state;
  }
  int documents_;
};

// Takes whatever it is told to store.
class Nothing final : public protocol::Materialize {
 public:
  Task<materialize::Spec> spec(materialize::SpecRequest) override { co_return materialize::Spec(); }
  Task<materialize::Validated> validate(materialize::Validate) override {
    co_return materialize::Validated();
  }
  Task<materialize::Applied> apply(materialize::Apply) override { co_return materialize::Applied(); }
  Task<> run(materialize::Open, protocol::MaterializeIo io) override {
    co_await say(io, materialize::Opened());
    while (auto input = co_await io.in.next()) {
      if (std::holds_alternative<materialize::Acknowledge>(input->value))
        co_await say(io, materialize::Acknowledged());
      if (std::holds_alternative<materialize::Flush>(input->value)) co_await say(io, materialize::Flushed());
      if (std::holds_alternative<materialize::StartCommit>(input->value))
        co_await say(io, materialize::StartedCommit());
      if (auto* batch = std::get_if<protocol::StoreBatch>(&input->value)) stored += batch->size();
    }
    io.out.close();
  }
  std::size_t stored = 0;

 private:
  static Task<> say(protocol::MaterializeIo& io, protocol::MaterializeOutput::Value value) {
    return io.out.send(protocol::MaterializeOutput(std::move(value)));
  }
};

struct Cost {
  double cpu_us, wall_us, allocations;  // per document
};

template <class Body>
Cost measure(int documents, Body body) {
  double cpu = bench::cpu_seconds();
  std::size_t count = allocations();
  auto wall = std::chrono::steady_clock::now();
  body();
  std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - wall;
  double n = documents;
  return {(bench::cpu_seconds() - cpu) * 1e6 / n, elapsed.count() * 1e6 / n,
          static_cast<double>(allocations() - count) / n};
}

// Of one run. Each limit is measured right behind what writes a log: it swings with what else the machine
// writes.
struct Costs {
  Cost capture, materialize, limit;
  Cost both, limit_of_both;
};

// The bytes of a file again, in writes of 1 MiB and one sync.
void copy_and_sync(const fs::path& from, const fs::path& to) {
  int in = ::open(from.c_str(), O_RDONLY), out = ::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  std::string block(1_MiB, '\0');
  for (ssize_t n; (n = ::read(in, block.data(), block.size())) > 0;)
    if (::write(out, block.data(), static_cast<std::size_t>(n)) != n)
      throw Error(Error::Kind::transient, "short write");
  if (::fdatasync(out) != 0) throw Error(Error::Kind::transient, "cannot sync");
  ::close(in);
  ::close(out);
}

class TemporaryFolder {
 public:
  TemporaryFolder() : path_((fs::temp_directory_path() / "sluice-bench-XXXXXX").native()) {
    if (!::mkdtemp(path_.data())) throw Error(Error::Kind::config, "cannot create a temporary folder");
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  fs::path path() const { return path_; }

 private:
  std::string path_;
};

protocol::CaptureSpec source() {
  protocol::CaptureSpec source;
  source.name = "bench/source";
  source.bindings.resize(1);
  source.bindings[0].collection = collection();
  source.bindings[0].state_key = "orders";
  return source;
}

protocol::MaterializationSpec sink() {
  protocol::MaterializationSpec sink;
  sink.name = "bench/sink";
  sink.bindings.resize(1);
  sink.bindings[0].collection = collection();
  sink.bindings[0].state_key = "orders";
  sink.bindings[0].journal_read_suffix = "materialize/bench/sink/orders";
  sink.bindings[0].field_selection.emplace();
  sink.bindings[0].field_selection->keys = {"id"};
  for (std::string_view field : fields)
    if (field != "id") sink.bindings[0].field_selection->values.emplace_back(field);
  sink.bindings[0].field_selection->document = "flow_document";
  return sink;
}

// A state folder and one session of each kind on it.
struct World {
  explicit World(int documents) : rows(documents) {}
  void check(int documents) const {
    if (nothing.stored != static_cast<std::size_t>(documents))
      throw Error(Error::Kind::bug, fmt::format("{} of {} documents were stored", nothing.stored, documents));
  }
  TemporaryFolder folder;
  CpuPool pool{std::max(1u, std::thread::hardware_concurrency()) + 1};  // as `sluice` has
  SteadyClock clock;
  Loop loop;
  Context context{loop.executor(), pool, clock, Log()};
  runtime::StateStore store{folder.path() / "sluice.db", runtime::StateStore::Mode::write};
  runtime::CollectionLog log{loop.executor(), store, folder.path(), "bench/orders"};
  runtime::Progress captured, stored;
  Rows rows;
  Nothing nothing;
  protocol::CaptureSpec from = source();
  protocol::MaterializationSpec to = sink();
  runtime::CaptureOptions capture_options{"{}", folder.path(), 80_MiB};
  runtime::MaterializeOptions store_options{"{}", folder.path(), 80_MiB};
  runtime::CaptureSession capturing{context, store, rows, from, "v1", {&log}, capture_options, captured};
  runtime::MaterializeSession storing{context, store, nothing, to, "v1", {&log}, store_options, stored};
};

Task<> capture_and_finish(World& world) {
  co_await world.capturing.run();
  world.storing.finish();
}

Costs run(int documents) {
  Costs costs{};
  auto limit = [&](const World& world) {
    return measure(documents, [&] { copy_and_sync(world.log.path(), world.folder.path() / "copy"); });
  };
  {
    World world(documents);
    costs.capture = measure(documents, [&] { world.loop.run(world.capturing.run()); });
    costs.limit = limit(world);
    world.storing.finish();
    costs.materialize = measure(documents, [&] { world.loop.run(world.storing.run()); });
    world.check(documents);
  }
  World world(documents);
  costs.both =
      measure(documents, [&] { world.loop.run(all(capture_and_finish(world), world.storing.run())); });
  world.check(documents);
  costs.limit_of_both = limit(world);
  return costs;
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();  // as `sluice` does
  bench::Arguments arguments(argc, argv);
  int documents = arguments.quick ? 100'000 : 1'000'000;
  // At least nine: they are short, and their limit swings by a factor of four.
  int repeats = arguments.quick ? arguments.repeats : std::max(arguments.repeats, 9);
  bench::Result capture{"runtime", "capture to log", "docs/s"}, stores{"runtime", "log to stores", "docs/s"},
      both{"runtime", "capture to log to stores", "docs/s"};
  both.bar = 0.5;
  both.bar_rate = 400'000;
  auto add = [](bench::Result& result, const Cost& ours, const Cost& limit) {
    result.ours.push_back(1e6 / ours.wall_us);
    result.limit.push_back(1e6 / limit.wall_us);
    result.ratio.push_back(limit.wall_us / ours.wall_us);
    result.cpu_us.push_back(ours.cpu_us);
    result.allocations.push_back(ours.allocations);
  };
  try {
    for (int i = 0; i < repeats; ++i) {
      Costs costs = run(documents);
      add(capture, costs.capture, costs.limit);
      add(stores, costs.materialize, costs.limit);
      add(both, costs.both, costs.limit_of_both);
    }
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
  capture.print();
  stores.print();
  both.print();
}
