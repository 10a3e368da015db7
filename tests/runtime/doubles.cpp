#include "doubles.hpp"

#include <fmt/format.h>

#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/data/packed.hpp"
#include "sluice/json/pointer.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/json/write.hpp"
#include "sluice/runtime/collection.hpp"
#include "sluice/runtime/shape.hpp"
#include "sluice/runtime/uuid.hpp"
#include "world.hpp"

namespace sluice::runtime::testing {
namespace {

using protocol::ConnectorState;
namespace materialize = protocol::materialize;
namespace capture = protocol::capture;

constexpr char schema[] = R"({"type":"object","required":["id"],"reduce":{"strategy":"merge"},"properties":{)"
                          R"("id":{"type":"integer"},"count":{"type":"integer","reduce":{"strategy":"sum"}},)"
                          R"("last":{"type":"integer"},"text":{"type":"string"}}})";

protocol::Projection projection(std::string field, std::string ptr) {
  protocol::Projection p;
  p.field = std::move(field);
  p.ptr = std::move(ptr);
  p.inference.emplace();
  return p;
}

std::string slurp(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::int64_t integer_at(const std::string& json, std::string_view name) {
  json::Tree tree;
  tree.parse(json);
  const json::Node* node = tree.find(tree.root(), name);
  return node ? std::stoll(std::string(node->text)) : 0;
}

}  // namespace

protocol::CollectionSpec counted_collection(std::string name) {
  protocol::CollectionSpec spec;
  spec.name = std::move(name);
  spec.key = {"/id"};
  spec.uuid_ptr = "/_meta/uuid";
  spec.ack_template_json = R"({"_meta":{"uuid":"DocUUIDPlaceholder-329Bb50aa48EAa9ef","ack":true}})";
  spec.write_schema_json = schema;
  protocol::Projection published = projection("flow_published_at", "/_meta/uuid");
  published.inference->string.emplace();
  published.inference->string->format = "date-time";
  published.inference->string->content_encoding = "uuid";
  spec.projections = {projection("count", "/count"), projection("flow_document", ""), published,
                      projection("id", "/id"), projection("last", "/last")};
  return spec;
}

void infer(protocol::CollectionSpec& collection, const std::string* inferred,
           protocol::MaterializationBinding* binding) {
  CollectionDef def;
  def.write_schema_json = collection.write_schema_json;
  def.read_schema_json = default_read_schema();
  collection.read_schema_json = bundle_read_schema(def, inferred, MissingInference::write_schema);
  Shape shape = Shape::infer(Schema::compile(collection.read_schema_json));
  if (!binding || shape.locate(json::Pointer("/extra")).exists != protocol::Exists::may) return;
  collection.projections.insert(collection.projections.begin() + 1, projection("extra", "/extra"));
  binding->field_selection->values = {"count", "extra", "flow_published_at", "last"};
}

protocol::CaptureSpec capture_spec(std::string task, std::vector<std::string> collections) {
  protocol::CaptureSpec spec;
  spec.name = std::move(task);
  spec.connector_type = protocol::CaptureType::local;
  spec.config_json = R"({"command":["counting"],"config":{}})";
  for (const std::string& collection : collections) {
    protocol::CaptureBinding binding;
    binding.resource_config_json = "{}";
    binding.resource_path = {collection};
    binding.state_key = text::percent_encode(collection, "-_.~$&+:=@");
    binding.collection = counted_collection(collection);
    spec.bindings.push_back(std::move(binding));
  }
  return spec;
}

protocol::MaterializationSpec materialization_spec(std::string task, std::vector<std::string> collections) {
  protocol::MaterializationSpec spec;
  spec.name = std::move(task);
  spec.connector_type = protocol::MaterializationType::local;
  spec.config_json = R"({"command":["endpoint"],"config":{}})";
  for (const std::string& collection : collections) {
    protocol::MaterializationBinding binding;
    binding.resource_config_json = "{}";
    binding.resource_path = {collection};
    binding.state_key = text::percent_encode(collection, "-_.~$&+:=@");
    binding.journal_read_suffix = "materialize/" + spec.name + "/" + binding.state_key;
    binding.collection = counted_collection(collection);
    binding.field_selection.emplace();
    binding.field_selection->keys = {"id"};
    binding.field_selection->values = {"count", "flow_published_at", "last"};
    binding.field_selection->document = "flow_document";
    spec.bindings.push_back(std::move(binding));
  }
  return spec;
}

// ---- CountingCapture ----

Task<capture::Spec> CountingCapture::spec(capture::SpecRequest) {
  capture::Spec spec;
  spec.protocol = protocol::protocol_version;
  spec.config_schema_json = spec.resource_config_schema_json = "{}";
  spec.documentation_url = "https://example.com";
  co_return spec;
}
Task<capture::Discovered> CountingCapture::discover(capture::Discover) { co_return capture::Discovered(); }
Task<capture::Validated> CountingCapture::validate(capture::Validate request) {
  capture::Validated validated;
  validated.bindings.resize(request.bindings.size());
  co_return validated;
}
Task<capture::Applied> CountingCapture::apply(capture::Apply) {
  ++applied;
  co_return capture::Applied();
}

Task<> CountingCapture::run(capture::Open open, protocol::CaptureIo io) {
  opened_with.push_back(open.state_json);
  int next = static_cast<int>(integer_at(open.state_json, "next"));
  co_await all(talk(next, io.out), listen(io.acknowledgements));
}

Task<> CountingCapture::listen(Reader<protocol::Acknowledged>& in) {
  while (auto acknowledgement = co_await in.next())
    acknowledged += static_cast<int>(acknowledgement->checkpoints);
}

Task<> CountingCapture::say_schemas(int next, Writer<protocol::CaptureOutput>& out) {
  protocol::CaptureOutput output;
  for (int i = 0; i < script_.bindings; ++i) {
    capture::SourcedSchema& sourced = output.sourced_schemas.emplace_back();
    sourced.binding = static_cast<std::uint32_t>(i);
    sourced.schema_json =
        R"({"type":"object","additionalProperties":false,"properties":{"extra":{"type":"integer"}}})";
  }
  output.checkpoint.emplace();
  output.checkpoint->updated_json = fmt::format(R"({{"next":{}}})", next);
  output.checkpoint->merge_patch = true;
  co_await out.send(std::move(output));
}

Task<> CountingCapture::talk(int next, Writer<protocol::CaptureOutput>& out) {
  protocol::CaptureOutput first;
  first.opened.emplace();
  first.opened->explicit_acknowledgements = script_.explicit_acknowledgements;
  co_await out.send(std::move(first));
  for (; next < script_.transactions; ++next) {
    if (next == script_.sourced_at) co_await say_schemas(next, out);
    protocol::CaptureOutput output;
    for (int i = 0; i < script_.documents; ++i) {
      int n = next * script_.documents + i;
      std::string& text = output.documents.text();
      text += fmt::format(R"({{"id":{},"count":1,"last":{},"text":)", n / script_.bindings % script_.ids, n);
      json::write_string(text, script_.text);
      if (next >= script_.extra_from) text += fmt::format(R"(,"extra":{})", n);
      text += '}';
      output.documents.commit(static_cast<std::uint32_t>(n % script_.bindings));
      if (static_cast<int>(output.documents.size()) < script_.batch) continue;
      co_await out.send(std::move(output));
      output = protocol::CaptureOutput();
    }
    output.checkpoint.emplace();
    output.checkpoint->updated_json = fmt::format(R"({{"next":{}}})", next + 1);
    output.checkpoint->merge_patch = true;
    co_await out.send(std::move(output));
  }
  out.close();
}

// ---- Endpoint ----

Endpoint::Content Endpoint::read() const {
  Content content;
  std::istringstream in(slurp(file_));
  std::string checkpoint;
  if (!(in >> content.applied >> checkpoint)) return content;
  content.checkpoint = *text::unhex(checkpoint.substr(1));
  std::uint32_t binding;
  for (std::string key, json; in >> binding >> key >> json;)
    content.rows[{binding, *text::unhex(key)}] = *text::unhex(json);
  return content;
}

void Endpoint::write(const Content& content) const {
  std::filesystem::path next = file_;
  next += ".next";
  {
    std::ofstream out(next, std::ios::binary);
    out << content.applied << " x" << text::hex(content.checkpoint) << '\n';
    for (const auto& [key, json] : content.rows)
      out << key.first << ' ' << text::hex(key.second) << ' ' << text::hex(json) << '\n';
  }
  reach(faults_, "before endpoint commit");
  std::filesystem::rename(next, file_);
  reach(faults_, "after endpoint commit");
}

namespace {

// The stages of one session on an Endpoint.
class Session final : public connector::Transactor {
 public:
  Session(Context& context, Endpoint& endpoint, Traffic& traffic, bool disable_load_optimization,
          Clock::Duration acknowledge_time)
      : context_(context),
        endpoint_(endpoint),
        traffic_(traffic),
        disable_load_optimization_(disable_load_optimization),
        acknowledge_time_(acknowledge_time) {}

  Task<materialize::Opened> open(materialize::Open request) override {
    for (const protocol::MaterializationBinding& binding : request.materialization->bindings)
      values_.push_back(binding.field_selection->values);
    content_ = endpoint_.read();
    pending_ = integer_at(request.state_json, "change") > 0 ? request.state_json : "";
    materialize::Opened opened;
    opened.disable_load_optimization = disable_load_optimization_;
    if (endpoint_.authority() == Endpoint::Authority::remote)
      opened.runtime_checkpoint = content_.checkpoint.empty()
                                      ? protocol::zero_checkpoint()
                                      : protocol::decode_checkpoint(content_.checkpoint);
    co_return opened;
  }
  // Authority::recovery: applies the change that the connector state describes, unless it was applied before.
  Task<std::optional<ConnectorState>> acknowledge(std::string patches) override {
    traffic_.acknowledge_patches.push_back(std::move(patches));
    if (acknowledge_time_ > Clock::Duration()) co_await context_.clock.sleep(acknowledge_time_);
    std::optional<ConnectorState> none;
    if (pending_.empty()) co_return none;
    apply_pending();
    none.emplace();
    none->updated_json = R"({"rows":null})";
    none->merge_patch = true;
    co_return none;
  }
  Task<> stage_loads(Reader<Batch> keys) override {
    while (auto batch = co_await keys.next())
      for (std::size_t i = 0; i < batch->size(); ++i) {
        ++traffic_.loads;
        wanted_.emplace_back(batch->doc(i).binding, std::string(batch->doc(i).json));
      }
  }
  Task<> load(Writer<Batch> found) override {
    Batch batch;
    std::set<std::pair<std::uint32_t, std::string>> once;
    for (const auto& key : wanted_) {
      if (!once.insert(key).second) throw Error(Error::Kind::bug, "a key was loaded twice in a transaction");
      auto row = content_.rows.find(key);
      if (row == content_.rows.end()) continue;
      batch.add(row->second, key.first);
      ++traffic_.loaded;
    }
    wanted_.clear();
    if (!batch.empty()) co_await found.send(std::move(batch));
    found.close();
  }
  // They are those of the document.
  void check_values(const protocol::StoreBatch::Document& document) const {
    const std::vector<std::string>& fields = values_[document.binding];
    if (document.doc.find("\"extra\":") != std::string_view::npos &&
        std::find(fields.begin(), fields.end(), "extra") == fields.end())
      throw Error(Error::Kind::bug, "no field for a member of " + std::string(document.doc));
    json::Tree tree;
    tree.parse(document.doc);
    std::string expected;
    for (const std::string& field : fields) {
      if (field == "flow_published_at") {
        const json::Node* uuid = json::Pointer("/_meta/uuid").find(tree);
        data::pack_string(expected, published_at(parse_uuid(uuid->text)->clock));
      } else {
        data::pack(expected, tree, tree.find(tree.root(), field));
      }
    }
    if (document.values_packed != expected)
      throw Error(Error::Kind::bug, fmt::format("stored values {} are not those of {}",
                                                text::hex(document.values_packed), document.doc));
  }
  Task<std::optional<ConnectorState>> flush() override { co_return std::nullopt; }
  Task<> store(Reader<protocol::StoreBatch> documents) override {
    std::optional<std::pair<std::uint32_t, std::string>> last;
    while (auto batch = co_await documents.next())
      for (std::size_t i = 0; i < batch->size(); ++i) {
        protocol::StoreBatch::Document document = (*batch)[i];
        std::pair<std::uint32_t, std::string> key(document.binding, document.key_packed);
        if (last && !(*last < key)) throw Error(Error::Kind::bug, "stores are not in ascending order");
        if (document.exists != content_.rows.contains(key))
          throw Error(Error::Kind::bug, "exists is wrong of " + std::string(document.doc));
        check_values(document);
        last = key;
        staged_[key] = std::string(document.doc);
        ++traffic_.stores;
        traffic_.inserts += !document.exists;
      }
  }
  Task<std::optional<ConnectorState>> start_commit(materialize::StartCommit request) override {
    traffic_.commit_patches.push_back(request.state_patches_json);
    ++traffic_.transactions;
    std::optional<ConnectorState> state;
    if (endpoint_.authority() == Endpoint::Authority::remote) {
      for (auto& [key, json] : staged_) content_.rows[key] = std::move(json);
      staged_.clear();
      content_.checkpoint = protocol::encode(*request.runtime_checkpoint);
      endpoint_.write(content_);
      co_return state;
    }
    pending_ = describe_staged();
    state.emplace();
    state->updated_json = pending_;
    state->merge_patch = true;
    co_return state;
  }

 private:
  std::string describe_staged() {
    std::string out;
    json::Writer writer(out);
    writer.begin_object().key("change").unsigned_integer(content_.applied + 1).key("rows").begin_array();
    for (const auto& [key, json] : staged_)
      writer.begin_array().unsigned_integer(key.first).string(text::hex(key.second)).raw(json).end_array();
    writer.end_array().end_object();
    staged_.clear();
    return out;
  }
  void apply_pending() {
    auto change = static_cast<std::uint64_t>(integer_at(pending_, "change"));
    json::Tree tree;
    tree.parse(pending_);
    const json::Node* rows = tree.find(tree.root(), "rows");
    if (change > content_.applied && rows) {
      for (const json::Node& row : tree.children(*rows)) {
        std::vector<const json::Node*> parts;
        for (const json::Node& part : tree.children(row)) parts.push_back(&part);
        auto binding = static_cast<std::uint32_t>(std::stoul(std::string(parts[0]->text)));
        content_.rows[{binding, *text::unhex(parts[1]->text)}] = std::string(parts[2]->raw);
      }
      content_.applied = change;
      endpoint_.write(content_);
    }
    pending_.clear();
  }

  Context& context_;
  Endpoint& endpoint_;
  Traffic& traffic_;
  bool disable_load_optimization_;
  Clock::Duration acknowledge_time_;
  std::vector<std::vector<std::string>> values_;  // fields by binding
  Endpoint::Content content_;
  std::vector<std::pair<std::uint32_t, std::string>> wanted_;
  Endpoint::Rows staged_;
  std::string pending_;  // the state that describes a change to apply
};

}  // namespace

Task<materialize::Spec> EndpointMaterialize::spec(materialize::SpecRequest) {
  materialize::Spec spec;
  spec.protocol = protocol::protocol_version;
  spec.config_schema_json = spec.resource_config_schema_json = "{}";
  spec.documentation_url = "https://example.com";
  co_return spec;
}
Task<materialize::Validated> EndpointMaterialize::validate(materialize::Validate request) {
  materialize::Validated validated;
  validated.bindings.resize(request.bindings.size());
  co_return validated;
}
Task<materialize::Applied> EndpointMaterialize::apply(materialize::Apply) {
  co_return materialize::Applied();
}

Task<> EndpointMaterialize::run(materialize::Open open, protocol::MaterializeIo io) {
  Session session(context_, endpoint_, traffic, disable_load_optimization, acknowledge_time);
  co_await connector::drive(context_, session, std::move(open), std::move(io));
}

// ---- both sessions ----

namespace {
Task<> capture_then_finish(World::Start& start) {
  co_await start.capture->run();
  start.materialization->finish();
}
}  // namespace

Task<> both(World::Start& start) { co_await all(capture_then_finish(start), start.materialization->run()); }

// ---- counts ----

std::map<std::pair<std::uint32_t, std::int64_t>, std::int64_t> counts_of(const Endpoint::Rows& rows) {
  std::map<std::pair<std::uint32_t, std::int64_t>, std::int64_t> counts;
  for (const auto& [key, json] : rows)
    counts[{key.first, integer_at(json, "id")}] += integer_at(json, "count");
  return counts;
}

std::map<std::pair<std::uint32_t, std::int64_t>, std::int64_t> counts_of(const CaptureScript& script) {
  std::map<std::pair<std::uint32_t, std::int64_t>, std::int64_t> counts;
  for (int n = 0; n < script.transactions * script.documents; ++n)
    ++counts[{static_cast<std::uint32_t>(n % script.bindings), n / script.bindings % script.ids}];
  return counts;
}

}  // namespace sluice::runtime::testing
