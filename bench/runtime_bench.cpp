// What the runtime itself costs per document: from a capture's batches to synced logs, and from the logs to
// the store requests of a materialization, between connectors that do nothing. Beside it the limit: the same
// bytes written and synced by plain calls. Arguments: documents of a run (300,000), runs (5).
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "allocations.hpp"
#include "sluice/async/loop.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"
#include "sluice/runtime/capture_session.hpp"
#include "sluice/runtime/materialize_session.hpp"

namespace {

using namespace sluice;
namespace fs = std::filesystem;
namespace capture = protocol::capture;
namespace materialize = protocol::materialize;

constexpr int documents_a_checkpoint = 50'000;
constexpr std::size_t batch_bytes = 256_KiB;
constexpr std::string_view fields[] = {"created_at", "currency", "customer_id", "external_id", "id",
                                       "note",       "paid",     "status",      "total",       "updated_at"};

constexpr char schema[] = R"json({"type":"object","required":["id"],
 "if":{"properties":{"_meta":{"properties":{"op":{"const":"d"}}}}},
 "then":{"reduce":{"strategy":"merge","delete":true}},"else":{"reduce":{"strategy":"merge"}},
 "properties":{"_meta":{"type":"object","required":["op","source"],"reduce":{"strategy":"merge"},
   "properties":{"op":{"enum":["c","d","u"]},"source":{"type":"object"}}},
  "id":{"type":"integer"},"customer_id":{"type":"integer"},"status":{"type":["string","null"]},
  "total":{"type":["string","null"],"format":"number"},"currency":{"type":["string","null"]},
  "note":{"type":["string","null"]},"created_at":{"type":["string","null"],"format":"date-time"},
  "updated_at":{"type":["string","null"],"format":"date-time"},
  "external_id":{"type":["string","null"],"format":"uuid"},"paid":{"type":["boolean","null"]}}})json";

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
  fmt::format_to(
      std::back_inserter(out),
      R"({{"id":{},"customer_id":{},"status":"shipped","total":"1234.50","currency":"EUR","note":null,)"
      R"("created_at":"2025-01-01T10:20:30.123456Z","updated_at":"2025-01-02T10:20:30Z",)"
      R"("external_id":"66285dbc-543d-11ef-8001-69ef5bf77016","paid":true,)"
      R"("_meta":{{"op":"c","source":{{"ts_ms":1735689600123,"schema":"public","table":"orders",)"
      R"("loc":[94489280512,94489281000,94489281240]}}}}}})",
      id, id % 1000);
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
    protocol::CaptureOutput output;
    output.opened.emplace();
    for (int id = 0; id < documents_; ++id) {
      append_document(output.documents.text(), id);
      output.documents.commit(0);
      bool checkpoint = (id + 1) % documents_a_checkpoint == 0 || id + 1 == documents_;
      if (checkpoint) output.checkpoint = state(id);
      if (!checkpoint && output.documents.text_bytes() < batch_bytes) continue;
      co_await io.out.send(std::move(output));
      output = protocol::CaptureOutput();
    }
    io.out.close();
  }

 private:
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

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Cost {
  double cpu_us, wall_us, allocations;  // per document
};

template <class Body>
Cost measure(int documents, Body body) {
  double cpu = cpu_seconds();
  std::size_t count = allocations();
  auto wall = std::chrono::steady_clock::now();
  body();
  std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - wall;
  double n = documents;
  return {(cpu_seconds() - cpu) * 1e6 / n, elapsed.count() * 1e6 / n,
          static_cast<double>(allocations() - count) / n};
}

struct Run {
  Cost say, capture, materialize, limit;
  std::uint64_t log_bytes;
};

Task<> drain(Reader<protocol::CaptureOutput> in) {
  while (auto output = co_await in.next()) output.reset();
}

Task<> only_say(Loop& loop, Rows& rows) {
  auto [out, in] = channel<protocol::CaptureOutput>(loop.executor(), 8_MiB);
  auto [unused, acknowledgements] = channel<protocol::Acknowledged>(loop.executor(), 1_KiB);
  protocol::CaptureIo io(std::move(out), std::move(acknowledgements), true);
  co_await all(rows.run(capture::Open(), std::move(io)), drain(std::move(in)));
}

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

Run run(int documents) {
  std::string folder = (fs::temp_directory_path() / "sluice-bench-XXXXXX").native();
  if (!::mkdtemp(folder.data())) throw Error(Error::Kind::config, "cannot create a temporary folder");
  Run result{};
  {
    CpuPool pool(2);
    SteadyClock clock;
    Loop loop;
    Context context(loop.executor(), pool, clock, Log());
    runtime::StateStore store(fs::path(folder) / "sluice.db", runtime::StateStore::Mode::write);
    runtime::CollectionLog log(loop.executor(), store, folder, "bench/orders");
    runtime::Progress captured, stored;
    Rows rows(documents);
    Nothing nothing;

    protocol::CaptureSpec source;
    source.name = "bench/source";
    source.bindings.resize(1);
    source.bindings[0].collection = collection();
    source.bindings[0].state_key = "orders";
    runtime::CaptureSession capturing(context, store, rows, source, "v1", {&log},
                                      runtime::CaptureOptions("{}", folder, 64_MiB), captured);
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
    runtime::MaterializeSession storing(context, store, nothing, sink, "v1", {&log},
                                        runtime::MaterializeOptions("{}", folder, 64_MiB), stored);

    result.say = measure(documents, [&] { loop.run(only_say(loop, rows)); });
    result.capture = measure(documents, [&] { loop.run(capturing.run()); });
    result.log_bytes = log.published();
    result.limit = measure(documents, [&] { copy_and_sync(log.path(), fs::path(folder) / "copy"); });
    storing.finish();
    result.materialize = measure(documents, [&] { loop.run(storing.run()); });
    if (nothing.stored != static_cast<std::size_t>(documents))
      throw Error(Error::Kind::bug, "documents are missing");
  }
  fs::remove_all(folder);
  return result;
}

void print(std::string_view name, std::vector<Cost> costs, double less_cpu) {
  auto median = [&](double Cost::* part) {
    std::sort(costs.begin(), costs.end(), [&](const Cost& a, const Cost& b) { return a.*part < b.*part; });
    return costs[costs.size() / 2].*part;
  };
  double wall = median(&Cost::wall_us), allocated = median(&Cost::allocations), cpu = median(&Cost::cpu_us);
  fmt::print(
      "{:<26} {:>7.2f} us CPU ({:.2f} to {:.2f}) {:>7.2f} us wall {:>10.0f} documents/s {:>6.2f} "
      "allocations\n",
      name, cpu - less_cpu, costs.front().cpu_us - less_cpu, costs.back().cpu_us - less_cpu, wall, 1e6 / wall,
      allocated);
}

}  // namespace

int main(int argc, char** argv) {
  int documents = argc > 1 ? std::atoi(argv[1]) : 300'000, runs = argc > 2 ? std::atoi(argv[2]) : 5;
  std::vector<Cost> say, captured, stored, limit;
  std::uint64_t bytes = 0;
  for (int i = 0; i < runs; ++i) {
    Run r = run(documents);
    say.push_back(r.say);
    captured.push_back(r.capture);
    stored.push_back(r.materialize);
    limit.push_back(r.limit);
    bytes = r.log_bytes;
  }
  std::vector<Cost> sorted = say;
  std::sort(sorted.begin(), sorted.end(), [](const Cost& a, const Cost& b) { return a.cpu_us < b.cpu_us; });
  double saying = sorted[sorted.size() / 2].cpu_us;
  fmt::print("{} documents of {} bytes in the log, {} runs, per document (median, range):\n", documents,
             bytes / static_cast<std::uint64_t>(documents), runs);
  print("connector double alone", say, 0);
  print("capture to log", captured, saying);
  print("log to stores", stored, 0);
  print("limit: write and sync", limit, 0);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  fmt::print("peak RSS {} MiB\n", usage.ru_maxrss / 1024);
}
