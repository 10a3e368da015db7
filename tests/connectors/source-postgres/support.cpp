#include "support.hpp"

#include <re2/re2.h>

#include "sluice/cdc/names.hpp"
#include "sluice/json/pointer.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/json/write.hpp"
#include "sluice/runtime/reduce.hpp"
#include "sluice/runtime/schema.hpp"
#include "sluice/testing/snapshot.hpp"
#include "source-postgres/catalog.hpp"
#include "source-postgres/source_postgres.hpp"

namespace sluice::source_test {
namespace {

using namespace std::chrono_literals;
using namespace protocol;

constexpr std::size_t output_budget = 8u << 20;

}  // namespace

std::string merge(const std::string& state, const std::string& patch) {
  return runtime::merge_patch(state, patch);
}

std::size_t Transcript::committed() const {
  std::size_t count = 0;
  for (const Document& document : documents) count += document.checkpoint < patches.size();
  return count;
}

std::string masked(std::string json) {
  RE2::GlobalReplace(&json, R"("ts_ms":\d+)", "\"ts_ms\":0");
  RE2::GlobalReplace(&json, R"("txid":\d+)", "\"txid\":0");
  RE2::GlobalReplace(&json, R"("loc":\[\d+,\d+,\d+\])", "\"loc\":[0,0,0]");
  return json;
}

std::string Transcript::text(std::uint32_t binding) const {
  std::string out;
  for (const Document& document : documents)
    if (document.binding == binding) out += masked(document.json) + "\n";
  return out;
}

std::string at(const std::string& json, const std::string& pointer) {
  json::Tree tree;
  tree.parse(json);
  const json::Node* node = json::Pointer(pointer).find(tree);
  return node == nullptr ? "(absent)" : std::string(node->raw);
}

std::string misfit(const std::string& schema, const std::string& document) {
  runtime::Validator validator(runtime::Schema::compile(schema));
  json::Tree tree;
  tree.parse(document);
  return validator.explain(tree);
}

void expect_snapshot(const std::string& name, const std::string& text) {
  testing::expect_snapshot(SNAPSHOTS "/" + name, text);
}

void Collection::add(const std::string& text) {
  json::Tree tree;
  tree.parse(text);
  std::string key;
  for (const std::string& pointer : key_) {
    const json::Node* node = json::Pointer(pointer).find(tree);
    if (node == nullptr) throw Error(Error::Kind::bug, "no " + pointer + " in " + text);
    key += std::string(node->raw) + " ";
  }
  if (json::Pointer("/_meta/op").find(tree)->text == "d") {
    rows.erase(key);
    return;
  }
  auto& row = rows[key];
  for (const json::Node& member : tree.children(tree.root()))
    if (member.key != "_meta") row[std::string(member.key)] = member.raw;
}

// ---- Runtime ----

Runtime::Runtime(Context& context, Capture& capture, capture::Open open, bool once)
    : context_(context),
      capture_(capture),
      open_(std::move(open)),
      once_(once),
      state_(open_.state_json.empty() ? "{}" : open_.state_json),
      out_(channel<CaptureOutput>(context.executor, output_budget)),
      acks_(channel<Acknowledged>(context.executor, 1u << 20)),
      changed_(context.executor) {}

Task<> Runtime::session() {
  CaptureIo io(std::move(out_.first), std::move(acks_.second), once_);
  co_await capture_.run(open_, std::move(io));
}

void Runtime::take(CaptureOutput output) {
  transcript.largest_output = std::max(transcript.largest_output, output.documents.bytes());
  if (output.opened) transcript.opened = output.opened->explicit_acknowledgements;
  for (auto& schema : output.sourced_schemas) transcript.schemas.push_back(std::move(schema));
  for (std::size_t i = 0; i < output.documents.size(); ++i) {
    auto document = output.documents.doc(i);
    transcript.documents.push_back({document.binding, std::string(document.json), transcript.patches.size()});
  }
  if (!output.checkpoint) return;
  const ConnectorState& state = *output.checkpoint;
  state_ = state.merge_patch ? runtime::merge_patch(state_, state.updated_json) : state.updated_json;
  transcript.patches.push_back(state.updated_json);
  transcript.states.push_back(state_);
}

Task<> Runtime::read() {
  for (;;) {
    while (paused) co_await changed_.wait();
    auto output = co_await out_.second.next();
    if (!output) break;
    bool checkpoint = output->checkpoint.has_value();
    take(std::move(*output));
    if (checkpoint && acknowledging && !stopped_) co_await acknowledge(1);
    changed_.notify_all();
  }
  transcript.ended = true;
  changed_.notify_all();
}

Task<> Runtime::run() {
  try {
    co_await scoped([&](Scope& scope) -> Task<> {
      scope_ = &scope;
      scope.spawn(read());
      scope.spawn(session());
      co_return;
    });
  } catch (const Error& e) {
    transcript.error = e;
  }
  scope_ = nullptr;
  changed_.notify_all();
}

Task<> Runtime::until(std::function<bool()> condition) {
  auto deadline = std::chrono::steady_clock::now() + 60s;
  while (!condition()) {
    if (transcript.error) throw *transcript.error;
    if (std::chrono::steady_clock::now() >= deadline)
      throw Error(Error::Kind::bug, "what the test waits for has not happened within a minute");
    co_await changed_.wait_until(std::chrono::steady_clock::now() + 100ms);
  }
}

Task<> Runtime::acknowledge(std::uint32_t checkpoints) {
  acknowledged += checkpoints;
  co_await acks_.first.send(Acknowledged(checkpoints));
}

void Runtime::stop() {
  stopped_ = true;
  acks_.first.close();
}

void Runtime::kill() {
  if (scope_ != nullptr) scope_->cancel();
}

void Runtime::resume() {
  paused = false;
  changed_.notify_all();
}

// ---- Source ----

Source::Source() : slot_("slot_" + database_.name()) {
  sql("ALTER DATABASE " + database_.name() + " SET synchronous_commit = on");
  sql("CREATE SCHEMA test");
  sql("DO $$ BEGIN CREATE ROLE flow_capture WITH LOGIN REPLICATION; EXCEPTION WHEN duplicate_object THEN "
      "NULL; END $$");
  sql("GRANT pg_read_all_data TO flow_capture");
  sql("CREATE TABLE public.flow_watermarks (slot TEXT PRIMARY KEY, watermark TEXT)");
  sql("GRANT ALL ON public.flow_watermarks TO flow_capture");
  sql("CREATE PUBLICATION flow_publication FOR ALL TABLES WITH (publish_via_partition_root = true)");
}

Source::~Source() {
  try {
    sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = "
        "current_database() AND "
        "NOT active");
  } catch (const Error& e) {
    ADD_FAILURE() << e.what();
  }
  if (HasFailure()) std::fputs(logged().c_str(), stderr);
}

std::string Source::config(const Members& advanced, const Members& root) const {
  pg::ConnectOptions options = database_.options();
  Members members{{"address", "\"" + options.host + ":" + options.port + "\""},
                  {"database", "\"" + options.database + "\""},
                  {"user", "\"" + as_user_ + "\""},
                  {"historyMode", "false"},
                  {"credentials", R"({"auth_type":"UserPassword","password":"unused"})"}};
  Members inner{{"slotName", "\"" + slot_ + "\""}};
  for (const auto& [name, value] : advanced) inner[name] = value;
  std::string text = "{";
  for (const auto& [name, value] : inner) text += (text.size() == 1 ? "\"" : ",\"") + name + "\":" + value;
  members["advanced"] = text + "}";
  for (const auto& [name, value] : root) members[name] = value;
  text = "{";
  for (const auto& [name, value] : members) text += (text.size() == 1 ? "\"" : ",\"") + name + "\":" + value;
  return text + "}";
}

CaptureSpec Source::spec(const std::vector<Table>& tables, const Members& advanced) const {
  CaptureSpec spec;
  spec.name = "acme/capture";
  spec.config_json = config(advanced);
  for (const Table& table : tables) {
    CaptureBinding binding;
    json::Writer w(binding.resource_config_json);
    w.begin_object().key("namespace").string(table.schema).key("stream").string(table.name);
    w.end_object();
    if (!table.resource.empty()) {
      binding.resource_config_json.pop_back();
      binding.resource_config_json += "," + table.resource + "}";
    }
    binding.resource_path = {table.schema, table.name};
    binding.backfill = table.backfill;
    binding.state_key = table.schema + "%2F" + table.name;
    if (table.backfill > 0) binding.state_key += ".v" + std::to_string(table.backfill);
    binding.collection.emplace();
    binding.collection->name = "acme/" + table.name;
    for (const std::string& column : table.key)
      binding.collection->key.push_back(cdc::column_pointer(column));
    if (table.key.empty()) binding.collection->key = source_postgres::fallback_key();
    for (const std::string& pointer : table.projections) {
      Projection projection;
      projection.ptr = pointer;
      binding.collection->projections.push_back(std::move(projection));
    }
    spec.bindings.push_back(std::move(binding));
  }
  return spec;
}

capture::Open Source::open(const std::vector<Table>& tables, const Members& advanced) const {
  capture::Open open;
  open.capture = spec(tables, advanced);
  open.version = "1";
  open.range.emplace();
  open.range->key_end = open.range->r_clock_end = UINT32_MAX;
  open.state_json = state_;
  return open;
}

Transcript Source::capture(const std::vector<Table>& tables, const Members& advanced) {
  Transcript transcript = attempt(tables, advanced);
  if (transcript.error) ADD_FAILURE() << "the capture failed: " << transcript.error->what();
  return transcript;
}

Transcript Source::attempt(const std::vector<Table>& tables, const Members& advanced) {
  Transcript transcript;
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime runtime(context, *connector, open(tables, advanced), true);
    co_await runtime.run();
    transcript = std::move(runtime.transcript);
  });
  if (!transcript.states.empty()) state_ = transcript.states.back();
  return transcript;
}

std::string Source::capture_failure(const std::vector<Table>& tables, const Members& advanced) {
  std::string failure = "(none)";
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime runtime(context, *connector, open(tables, advanced), true);
    co_await runtime.run();
    if (runtime.transcript.error) failure = runtime.transcript.error->what();
  });
  return failure;
}

capture::Discovered Source::discover(const Members& advanced, const Members& root) {
  capture::Discovered discovered;
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    capture::Discover request;
    request.config_json = config(advanced, root);
    discovered = co_await connector->discover(request);
  });
  return discovered;
}

std::string Source::validate(const std::vector<Table>& tables, const Members& advanced,
                             const std::optional<CaptureSpec>& last) {
  std::string failure = "(none)";
  CaptureSpec task = spec(tables, advanced);
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    capture::Validate request;
    request.name = task.name;
    request.config_json = task.config_json;
    request.last_capture = last;
    for (const CaptureBinding& binding : task.bindings) {
      request.bindings.emplace_back();
      request.bindings.back().resource_config_json = binding.resource_config_json;
      request.bindings.back().collection = binding.collection;
      request.bindings.back().backfill = binding.backfill;
    }
    try {
      capture::Validated validated = co_await connector->validate(request);
      EXPECT_EQ(validated.bindings.size(), tables.size());
    } catch (const Error& e) {
      failure = e.what();
    }
  });
  return failure;
}

std::string Source::confirmed_lsn() {
  pg::Rows rows =
      sql("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '" + slot_ + "'");
  return rows.empty() ? "" : rows.text(0, 0);
}

Log Source::log() {
  return Log(LogLevel::debug, LogFormat::text, [this](std::string_view line) {
    std::lock_guard lock(mutex_);
    lines_ += line;
  });
}

std::string Source::logged() {
  std::lock_guard lock(mutex_);
  return lines_;
}

}  // namespace sluice::source_test
