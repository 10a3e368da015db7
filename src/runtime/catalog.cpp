#include "sluice/runtime/catalog.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>

#include "catalog_file.hpp"
#include "names.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/log.hpp"
#include "sluice/base/text.hpp"
#include "sluice/json/pointer.hpp"
#include "sluice/json/write.hpp"
#include "sluice/runtime/collection.hpp"

namespace sluice::runtime {
namespace {

using json::Kind;
namespace fs = std::filesystem;

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error(Error::Kind::config, fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  if (fs::is_directory(path))
    throw Error(Error::Kind::config, fmt::format("cannot read {}: it is a folder", path));
  return {std::istreambuf_iterator<char>(in), {}};
}

constexpr char name_rule[] = "Names are tokens of letters, digits, '-', '_' and '.', joined by '/'.";

std::string wrong_name(const std::string& name) { return fmt::format("'{}' is not a valid name", name); }

constexpr std::string_view kind_name(Kind kind) {
  constexpr std::string_view names[] = {"null", "a boolean", "a number", "a string", "a list", "an object"};
  return names[static_cast<std::size_t>(kind)];
}

// A value with what it is called and where it stands.
struct At {
  const Value* value;
  std::string what;
  const std::string* file;

  Place place() const { return {*file, value->line}; }
  [[noreturn]] void fail(std::string_view why, std::string hint = {}) const {
    runtime::fail(place(), fmt::format("{} {}", what, why), std::move(hint));
  }
  void expect(Kind kind) const {
    if (!value->is(kind)) fail(fmt::format("must be {}, not {}", kind_name(kind), kind_name(value->kind)));
  }

  const std::string& string() const {
    expect(Kind::string);
    return value->text;
  }
  bool boolean() const {
    expect(Kind::boolean);
    return value->text == "true";
  }
  std::uint32_t number() const {
    json::Number n = value->is(Kind::number) ? json::number(value->text) : json::Number();
    if (!value->is(Kind::number) || n.type != json::Number::Type::unsigned_ || n.unsigned_ > UINT32_MAX)
      fail("must be a whole number from 0 to 4294967295");
    return static_cast<std::uint32_t>(n.unsigned_);
  }
  std::chrono::nanoseconds duration() const {
    auto duration = value->is(Kind::string) ? parse_duration(value->text) : std::nullopt;
    if (!duration) fail("must be a duration", "Write it as in \"30s\", \"5m\" or \"1h 30m\".");
    return *duration;
  }
  std::optional<protocol::Timestamp> timestamp() const {
    auto time = value->is(Kind::string) ? parse_timestamp(value->text) : std::nullopt;
    if (!time) fail("must be a time in RFC 3339", "Write it as in \"2024-01-31T12:00:00Z\".");
    return time;
  }
  std::vector<At> items() const {
    std::vector<At> out;
    if (value->is(Kind::null)) return out;  // `bindings:` with nothing below it
    expect(Kind::array);
    for (const Value& item : value->items)
      out.push_back({&item, fmt::format("{}[{}]", what, out.size()), file});
    return out;
  }
  std::vector<std::string> strings() const {
    std::vector<std::string> out;
    for (const At& item : items()) out.push_back(item.string());
    return out;
  }
  std::vector<std::pair<std::string, At>> members() const {
    std::vector<std::pair<std::string, At>> out;
    if (value->is(Kind::null)) return out;
    expect(Kind::object);
    for (const auto& [key, member] : value->members)
      out.emplace_back(key, At{&member, what.empty() ? key : fmt::format("{}.{}", what, key), file});
    return out;
  }
};

// The members of an object, each to be taken by its name; what is left is an error.
class Members {
 public:
  explicit Members(const At& object) : object_(object), members_(object.members()) {}

  std::optional<At> take(std::string_view key) {
    known_.emplace_back(key);
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (members_[i].first != key) continue;
      At found = members_[i].second;
      members_.erase(members_.begin() + static_cast<std::ptrdiff_t>(i));
      return found;
    }
    return {};
  }
  // Names that stand for the same member.
  std::optional<At> take(std::string_view key, std::string_view alias) {
    std::optional<At> a = take(key), b = take(alias);
    known_.pop_back();
    if (a && b) b->fail(fmt::format("and '{}' mean the same: give one", key));
    return a ? a : b;
  }
  At need(std::string_view key) {
    if (auto found = take(key)) return *found;
    // Which may be there under a misspelled name.
    std::vector<std::string> names;
    for (const auto& [name, member] : object_.members()) names.push_back(name);
    object_.fail(fmt::format("has no '{}'", key),
                 names.empty() ? "" : fmt::format("It has: {}.", fmt::join(names, ", ")));
  }
  void ignore(std::initializer_list<std::string_view> keys) {
    for (std::string_view key : keys) take(key);
  }
  // Takes the member, if it is there, into `out` by one of At's functions.
  template <class T, class Read>
  void into(T& out, std::string_view key, Read read) {
    if (auto found = take(key)) out = ((*found).*read)();
  }
  void done() const {
    if (members_.empty()) return;
    std::sort(known_.begin(), known_.end());
    members_.front().second.fail("is an unknown key",
                                 fmt::format("Known here: {}.", fmt::join(known_, ", ")));
  }

 private:
  const At& object_;
  std::vector<std::pair<std::string, At>> members_;
  mutable std::vector<std::string> known_;
};

class Loader {
 public:
  Loader(const LoadOptions& options, const std::string& root)
      : options_(options), root_(fs::path(root).parent_path().string()) {}

  Catalog run(const std::string& path) {
    file(fs::path(path).lexically_normal().string(), {});
    for (std::size_t i = 0; i < catalog_.files.size(); ++i) catalog(*catalog_.files[i]);
    check_names();
    check_references();
    check_collections();
    return std::move(catalog_);
  }

 private:
  // ---- files ----

  std::string read(const std::string& path, const Place& from) const {
    try {
      return options_.read ? options_.read(path) : read_file(path);
    } catch (Error& e) {
      if (from.line) e.add(from.text());
      throw;
    }
  }
  const Value& document(const std::string& path, const Place& from) {
    auto known = documents_.find(path);
    if (known == documents_.end())
      known = documents_.emplace(path, parse_document(read(path, from), path)).first;
    return known->second;
  }
  // A string stands for the file of that name.
  At follow(const At& at) {
    if (!at.value->is(Kind::string)) return at;
    if (at.value->text.find("://") != std::string::npos) at.fail("must be a path of a file, not a URL");
    auto path = paths_.insert(relative_to(*at.file, at.value->text)).first;
    return {&document(*path, at.place()), at.what, &*path};
  }
  void file(const std::string& path, const Place& from) {
    for (const auto& known : catalog_.files)
      if (known->path == path) return;
    auto loaded = std::make_shared<CatalogFile>();
    loaded->path = path;
    loaded->root = document(path, from);
    catalog_.files.push_back(std::move(loaded));
  }

  // ---- the top ----

  void catalog(const CatalogFile& f) {
    At top{&f.root, "", &f.path};
    if (!f.root.is(Kind::object)) fail({f.path, f.root.line}, "a catalog must be an object");
    Members members(top);
    if (auto imports = members.take("import"))
      for (const At& item : imports->items()) file(relative_to(f.path, item.string()), item.place());
    if (auto tests = members.take("tests"))
      for (const auto& [name, at] : tests->members())
        at.fail("cannot be run: tests of catalogs are not supported",
                "Remove it; derivations and tests need Estuary Flow.");
    if (auto all = members.take("collections"))
      for (const auto& [name, at] : all->members()) add(catalog_.collections, collection(name, at), at);
    if (auto all = members.take("captures"))
      for (const auto& [name, at] : all->members()) add(catalog_.captures, capture(name, at), at);
    if (auto all = members.take("materializations"))
      for (const auto& [name, at] : all->members())
        add(catalog_.materializations, materialization(name, at), at);
    members.ignore({"storageMappings", "$schema"});
    members.done();
  }

  template <class Def>
  static void add(std::map<std::string, Def>& defs, Def def, const At& at) {
    auto [known, fresh] = defs.emplace(def.name, std::move(def));
    if (!fresh) at.fail(fmt::format("is defined already, at {}", known->second.place.text()));
  }

  // ---- tasks ----

  // A config or resource: inline or in a file of its own, as JSON.
  std::string json(const At& at, std::string* sealed = nullptr) {
    At to = follow(at);
    to.expect(Kind::object);
    if (!to.value->find("sops")) return to_json(*to.value);
    if (sealed) *sealed = to_json(*to.value);
    if (!options_.decrypt)
      at.fail(fmt::format("is encrypted with sops, in {}", *to.file),
              "Decrypt it, or name the command that does with --decrypt.");
    std::string plain = options_.decrypt(to_json(*to.value), *to.file);
    Value value = parse_document(plain, *to.file + ".json");
    value.erase("sops");
    strip_suffixes(value);
    return to_json(value);
  }
  static void strip_suffixes(Value& value) {
    for (Value& item : value.items) strip_suffixes(item);
    for (auto& [key, member] : value.members) {
      for (std::string_view suffix : {"_sops", "_encrypted"})
        if (key.size() > suffix.size() && key.ends_with(suffix)) key.resize(key.size() - suffix.size());
      strip_suffixes(member);
    }
  }

  Endpoint endpoint(const At& at) {
    Endpoint out;
    Members members(at);
    auto connector = members.take("connector"), local = members.take("local");
    if (auto dekaf = members.take("dekaf")) dekaf->fail("is not supported: it needs Estuary Flow");
    members.done();
    if (connector.has_value() == local.has_value()) at.fail("must have one of 'connector' and 'local'");
    if (connector) {
      Members m(*connector);
      out.kind = Endpoint::Kind::image;
      out.image = m.need("image").string();
      out.config_json = json(m.need("config"), &out.sealed_json);
      m.done();
      return out;
    }
    Members m(*local);
    At command = m.need("command");
    out.command = command.strings();
    if (out.command.empty()) command.fail("is empty");
    out.config_json = json(m.need("config"), &out.sealed_json);
    if (auto env = m.take("env"))
      for (const auto& [name, value] : env->members()) out.env[name] = value.string();
    m.into(out.protobuf, "protobuf", &At::boolean);
    m.done();
    return out;
  }

  ShardTemplate shards(const std::optional<At>& at, std::chrono::nanoseconds longest) {
    ShardTemplate out;
    out.max_txn_duration = longest;
    if (!at) return out;
    Members m(*at);
    m.into(out.disable, "disable", &At::boolean);
    m.into(out.min_txn_duration, "minTxnDuration", &At::duration);
    m.into(out.max_txn_duration, "maxTxnDuration", &At::duration);
    m.into(out.hot_standbys, "hotStandbys", &At::number);
    m.into(out.ring_buffer_size, "ringBufferSize", &At::number);
    m.into(out.read_channel_size, "readChannelSize", &At::number);
    if (auto level = m.take("logLevel")) {
      out.log_level = level->string();
      try {
        parse_log_level(out.log_level);
      } catch (const Error& e) {
        level->fail(fmt::format("is not a level: {}", e.message()), e.hint());
      }
    }
    m.done();
    if (out.min_txn_duration > out.max_txn_duration)
      at->fail(fmt::format("has a minTxnDuration of {}, above its maxTxnDuration of {}",
                           duration_text(out.min_txn_duration), duration_text(out.max_txn_duration)));
    return out;
  }

  CaptureDef capture(const std::string& name, const At& at) {
    CaptureDef out;
    out.name = name;
    out.place = at.place();
    Members m(at);
    out.endpoint = endpoint(m.need("endpoint"));
    for (const At& item : m.need("bindings").items()) out.bindings.push_back(capture_binding(item));
    if (auto interval = m.take("interval"))
      out.interval = std::chrono::floor<std::chrono::seconds>(interval->duration());
    if (auto discover = m.take("autoDiscover")) {
      Members d(*discover);
      AutoDiscover& into = out.auto_discover.emplace();
      d.into(into.add_new_bindings, "addNewBindings", &At::boolean);
      d.into(into.evolve_incompatible_collections, "evolveIncompatibleCollections", &At::boolean);
      d.done();
    }
    if (auto salt = m.take("redactSalt")) {
      auto bytes = text::unbase64(salt->string());
      if (!bytes) salt->fail("must be base64");
      out.redact_salt = *bytes;
    }
    out.shards = shards(m.take("shards"), std::chrono::seconds(1));
    m.ignore({"expectPubId", "delete"});
    m.done();
    return out;
  }
  CaptureBindingDef capture_binding(const At& at) {
    CaptureBindingDef out;
    out.place = at.place();
    Members m(at);
    out.resource_json = json(m.need("resource"));
    out.target = m.need("target").string();
    m.into(out.disable, "disable", &At::boolean);
    m.into(out.backfill, "backfill", &At::number);
    m.done();
    return out;
  }

  MaterializationDef materialization(const std::string& name, const At& at) {
    MaterializationDef out;
    out.name = name;
    out.place = at.place();
    Members m(at);
    out.endpoint = endpoint(m.need("endpoint"));
    if (auto source = m.take("source", "sourceCapture")) out.source = source_capture(*source);
    if (auto bindings = m.take("bindings"))
      for (const At& item : bindings->items()) out.bindings.push_back(materialization_binding(item));
    if (auto policy = m.take("onIncompatibleSchemaChange")) out.on_incompatible = on_incompatible(*policy);
    out.shards = shards(m.take("shards"), std::chrono::minutes(20));
    if (auto triggers = m.take("triggers")) out.triggers_json = to_json(*triggers->value);
    m.ignore({"expectPubId", "delete"});
    m.done();
    return out;
  }
  SourceDef source_capture(const At& at) {
    SourceDef out;
    out.place = at.place();
    if (at.value->is(Kind::string)) {
      out.capture = at.value->text;
      return out;
    }
    Members m(at);
    out.capture = m.need("capture").string();
    if (auto naming = m.take("targetNaming", "targetSchema"))
      out.naming =
          one_of<TargetNaming>(*naming, {{"prefixNonDefaultSchema", TargetNaming::prefix_non_default_schema},
                                         {"noSchema", TargetNaming::no_schema},
                                         {"leaveEmpty", TargetNaming::no_schema},
                                         {"withSchema", TargetNaming::with_schema},
                                         {"fromSourceName", TargetNaming::with_schema},
                                         {"prefixSchema", TargetNaming::prefix_schema}});
    m.into(out.delta_updates, "deltaUpdates", &At::boolean);
    if (auto recommended = m.take("fieldsRecommended")) out.recommended = depth(*recommended);
    m.done();
    return out;
  }
  template <class T>
  static T one_of(const At& at, std::initializer_list<std::pair<std::string_view, T>> values) {
    const std::string& text = at.string();
    std::vector<std::string_view> names;
    for (auto& [name, value] : values) {
      if (name == text) return value;
      names.push_back(name);
    }
    at.fail(fmt::format("must not be '{}'", text), fmt::format("Known are {}.", fmt::join(names, ", ")));
  }
  static OnIncompatible on_incompatible(const At& at) {
    return one_of<OnIncompatible>(at, {{"backfill", OnIncompatible::backfill},
                                       {"disableBinding", OnIncompatible::disable_binding},
                                       {"disableTask", OnIncompatible::disable_task},
                                       {"abort", OnIncompatible::abort}});
  }
  static Depth depth(const At& at) {
    if (at.value->is(Kind::boolean)) return {at.boolean() ? Depth::unlimited : 0};
    return {at.number()};
  }

  MaterializationBindingDef materialization_binding(const At& at) {
    MaterializationBindingDef out;
    out.place = at.place();
    Members m(at);
    binding_source(m.need("source"), out);
    out.resource_json = json(m.need("resource"));
    m.into(out.disable, "disable", &At::boolean);
    m.into(out.backfill, "backfill", &At::number);
    m.into(out.priority, "priority", &At::number);
    if (auto policy = m.take("onIncompatibleSchemaChange")) out.on_incompatible = on_incompatible(*policy);
    if (auto all = m.take("fields")) out.fields = fields(*all);
    m.done();
    return out;
  }
  static void binding_source(const At& at, MaterializationBindingDef& out) {
    if (at.value->is(Kind::string)) {
      out.source = at.value->text;
      return;
    }
    Members m(at);
    out.source = m.need("name").string();
    if (auto partitions = m.take("partitions")) {
      Members p(*partitions);
      if (auto include = p.take("include")) out.include = partition_values(*include);
      if (auto exclude = p.take("exclude")) out.exclude = partition_values(*exclude);
      p.done();
    }
    if (auto time = m.take("notBefore")) out.not_before = time->timestamp();
    if (auto time = m.take("notAfter")) out.not_after = time->timestamp();
    m.done();
  }
  static PartitionValues partition_values(const At& at) {
    PartitionValues out;
    for (const auto& [field, values] : at.members()) {
      for (const At& value : values.items()) {
        if (value.value->kind >= Kind::array) value.fail("must be a scalar");
        out[field].push_back(to_json(*value.value));
      }
    }
    return out;
  }
  static FieldsDef fields(const At& at) {
    FieldsDef out;
    Members m(at);
    if (auto group_by = m.take("groupBy")) out.group_by = group_by->strings();
    if (auto require = m.take("require", "include"))
      for (const auto& [field, options] : require->members()) {
        options.expect(Kind::object);
        out.require[field] = to_json(*options.value);
      }
    if (auto exclude = m.take("exclude")) out.exclude = exclude->strings();
    if (auto recommended = m.take("recommended")) out.recommended = depth(*recommended);
    m.done();
    return out;
  }

  // ---- collections ----

  CollectionDef collection(const std::string& name, const At& at) {
    CollectionDef out;
    out.name = name;
    out.place = at.place();
    Members m(at);
    if (auto derive = m.take("derive"))
      derive->fail("cannot be run: derivations are not supported",
                   "Remove it, or run the collection on Estuary Flow.");
    auto both = m.take("schema"), write = m.take("writeSchema"), read = m.take("readSchema");
    if (both && (write || read)) at.fail("has 'schema' and also 'writeSchema' or 'readSchema'");
    if (!both && !(write && read)) at.fail("must have 'schema', or both 'writeSchema' and 'readSchema'");
    out.write_schema_json = schema(both ? *both : *write);
    if (read) out.read_schema_json = schema(*read);
    At key = m.need("key");
    out.key = key.strings();
    std::set<std::string> seen;
    for (const At& item : key.items()) {
      if (!item.string().starts_with('/'))
        item.fail(fmt::format("must start with '/', which '{}' does not", item.string()));
      check_pointer(item);
      if (!seen.insert(item.string()).second) item.fail(fmt::format("repeats '{}'", item.string()));
    }
    if (auto all = m.take("projections"))
      for (const auto& [field, p] : all->members()) out.projections.push_back(projection(field, p));
    m.ignore({"journals", "expectPubId", "delete", "reset"});
    m.done();
    return out;
  }
  std::string schema(const At& at) {
    At to = follow(at);
    if (!to.value->is(Kind::object) && !to.value->is(Kind::boolean)) to.expect(Kind::object);
    return bundle_schema(
        *to.value, *to.file, root_,
        [this](const std::string& path, const Place& from) -> const Value& { return document(path, from); });
  }
  static ProjectionDef projection(const std::string& field, const At& at) {
    ProjectionDef out;
    out.field = field;
    out.place = at.place();
    if (field.empty()) at.fail("has an empty field name");
    if (at.value->is(Kind::string)) {
      check_pointer(at);
      out.pointer = at.value->text;
      return out;
    }
    Members m(at);
    At location = m.need("location");
    location.string();
    check_pointer(location);
    out.pointer = location.string();
    m.into(out.partition, "partition", &At::boolean);
    m.done();
    if (out.partition && !valid_partition_field(field))
      at.fail("is a partition, whose name may hold letters, digits, '_', '-' and '/' only");
    return out;
  }
  static void check_pointer(const At& at) {
    try {
      json::Pointer pointer(at.value->text);
    } catch (const Error& e) {
      at.fail(fmt::format("must be a JSON pointer: {}", e.message()));
    }
  }

  // ---- checks across definitions ----

  void check_names() const {
    auto check = [](const auto& defs) {
      for (const auto& [name, def] : defs)
        if (!valid_name(name)) fail(def.place, wrong_name(name), name_rule);
    };
    check(catalog_.captures);
    check(catalog_.collections);
    check(catalog_.materializations);
    for (const auto& [name, def] : catalog_.collections) {
      auto below = catalog_.collections.lower_bound(name + "/");
      if (below != catalog_.collections.end() && below->first.starts_with(name + "/"))
        fail(below->second.place,
             fmt::format("the name of collection {} lies below that of collection {}", below->first, name));
    }
  }
  void check_references() const {
    auto known = [&](const std::string& name, const Place& place, std::string_view what) {
      if (!catalog_.collections.count(name))
        fail(place, fmt::format("{} '{}' is not a collection of this catalog", what, name));
    };
    for (const auto& [name, capture] : catalog_.captures)
      for (const CaptureBindingDef& binding : capture.bindings)
        known(binding.target, binding.place, "the target");
    for (const auto& [name, task] : catalog_.materializations) {
      for (const MaterializationBindingDef& binding : task.bindings)
        known(binding.source, binding.place, "the source");
      if (task.source && !catalog_.captures.count(task.source->capture))
        fail(task.source->place, fmt::format("'{}' is not a capture of this catalog", task.source->capture));
    }
  }
  void check_collections() {
    for (const auto& [name, def] : catalog_.collections) {
      // Without a key a collection may stand as long as nothing uses it: discovery writes such.
      if (def.key.empty()) {
        check_unused(name, def);
        continue;
      }
      for (std::string& warning : check_collection(def))
        catalog_.warnings.push_back(fmt::format("{}: collection {}: {}", def.place.text(), name, warning));
    }
  }
  void check_unused(const std::string& name, const CollectionDef& def) const {
    auto uses = [&](const auto& bindings, auto collection_of) {
      return std::any_of(bindings.begin(), bindings.end(),
                         [&](const auto& b) { return !b.disable && collection_of(b) == name; });
    };
    bool used = false;
    for (const auto& [task, c] : catalog_.captures)
      used = used || uses(c.bindings, [](const CaptureBindingDef& b) { return b.target; });
    for (const auto& [task, m] : catalog_.materializations)
      used = used || uses(m.bindings, [](const MaterializationBindingDef& b) { return b.source; });
    if (used)
      fail(def.place, fmt::format("collection {} has an empty key", name),
           "Name the locations that tell its documents apart, as in [/id].");
  }

  const LoadOptions& options_;
  std::string root_;
  std::map<std::string, Value> documents_;  // by path
  std::set<std::string> paths_;
  Catalog catalog_;
};

}  // namespace

std::string Place::text() const {
  if (file.empty()) return line ? fmt::format("line {}", line) : "catalog";
  return line ? fmt::format("{}:{}", file, line) : file;
}

std::string Endpoint::wrapper_json() const {
  std::string out;
  json::Writer writer(out);
  const std::string& config = sealed_json.empty() ? config_json : sealed_json;
  writer.begin_object();
  if (kind == Kind::image) {
    writer.key("image").string(image).key("config").raw(config);
  } else {
    writer.key("command").begin_array();
    for (const std::string& word : command) writer.string(word);
    writer.end_array().key("config").raw(config).key("env").begin_object();
    for (const auto& [name, value] : env) writer.key(name).string(value);
    writer.end_object().key("protobuf").boolean(protobuf);
  }
  writer.end_object();
  return out;
}

void check_name(const std::string& name) {
  if (!valid_name(name)) throw Error(Error::Kind::config, wrong_name(name), name_rule);
}

Catalog load_catalog(const std::string& path, const LoadOptions& options) {
  return Loader(options, path).run(path);
}

}  // namespace sluice::runtime
