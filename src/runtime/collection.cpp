#include "sluice/runtime/collection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "document.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/runtime/shape.hpp"

namespace sluice::runtime {
namespace {

using json::Kind;
using protocol::Exists;
using protocol::Projection;

constexpr std::string_view write_url = "flow://write-schema";
constexpr std::string_view relaxed_url = "flow://relaxed-write-schema";
constexpr std::string_view inferred_url = "flow://inferred-schema";

// No document that was captured has this property.
constexpr std::string_view placeholder = R"({"type":"object","required":["_meta"],"properties":{"_meta":{
"type":"object","required":["inferredSchemaIsNotAvailable"],"properties":{"inferredSchemaIsNotAvailable":{"const":true,
"description":"The schema of this collection is inferred from its documents, and none were captured yet."}}}}})";

constexpr std::string_view ack_template =
    R"({"_meta":{"uuid":"DocUUIDPlaceholder-329Bb50aa48EAa9ef","ack":true}})";

void collect_references(const Value& value, std::set<std::string, std::less<>>& out) {
  for (const Value& item : value.items) collect_references(item, out);
  for (const auto& [key, member] : value.members) {
    if (key == "$ref" && member.is(Kind::string)) out.insert(member.text.substr(0, member.text.find('#')));
    collect_references(member, out);
  }
}
std::set<std::string, std::less<>> references(const Value& schema) {
  std::set<std::string, std::less<>> out;
  collect_references(schema, out);
  return out;
}
std::set<std::string, std::less<>> references(std::string_view schema) {
  return references(Value::of_json(schema));
}

// Drops what documents of a former write schema might not satisfy: beside type, required and format of
// §3 whatever else only decides whether a value is valid. The inferred schema, which stands beside it, has
// these as far as they hold for all documents.
void relax(Value& schema) {
  for (std::string_view key : {"type",
                               "required",
                               "format",
                               "enum",
                               "const",
                               "minLength",
                               "maxLength",
                               "pattern",
                               "minimum",
                               "maximum",
                               "exclusiveMinimum",
                               "exclusiveMaximum",
                               "multipleOf",
                               "minItems",
                               "maxItems",
                               "uniqueItems",
                               "contains",
                               "minContains",
                               "maxContains",
                               "minProperties",
                               "maxProperties",
                               "propertyNames",
                               "dependentRequired",
                               "not"})
    schema.erase(key);
  for (std::string_view key :
       {"additionalProperties", "unevaluatedProperties", "additionalItems", "unevaluatedItems"})
    if (const Value* child = schema.find(key); child && child->is(Kind::boolean)) schema.erase(key);
  for (std::string_view key : {"$defs", "properties"})
    if (Value* map = schema.find(key))
      for (auto& [name, child] : map->members) relax(child);
  for (std::string_view key : {"allOf", "items"})
    if (Value* list = schema.find(key))
      for (Value& child : list->items) relax(child);
  for (std::string_view key : {"items", "additionalItems", "additionalProperties"})
    if (Value* child = schema.find(key); child && child->is(Kind::object)) relax(*child);
}

// `schema` as an embedded resource of that name.
Value named(std::string_view schema, std::string_view url) {
  Value value = Value::of_json(schema);
  if (!value.is(Kind::object)) {
    Value wrapped = Value::object();
    wrapped["allOf"] = Value::array();
    wrapped["allOf"].items.push_back(std::move(value));
    value = std::move(wrapped);
  }
  value["$id"] = Value::of_string(std::string(url));
  return value;
}

struct Compiled {
  Schema schema;
  Shape shape;
};

Compiled compile(const CollectionDef& def, const std::string& text, std::string_view which) {
  try {
    Schema schema = Schema::compile(text);
    Shape shape = Shape::infer(schema);
    return {std::move(schema), std::move(shape)};
  } catch (Error& e) {
    e.add(fmt::format("{}: {} of collection {}", def.place.text(), which, def.name));
    throw;
  }
}

void check_root(const CollectionDef& def, const Shape& shape, std::string_view which) {
  if (shape.types == types::object) return;
  fail(def.place,
       fmt::format("the {} of collection {} must be of type object, but allows {}", which, def.name,
                   shape.types == types::any ? "any type" : types::text(shape.types)),
       "Add \"type: object\" to it.");
}

void check_keys(const CollectionDef& def, const Shape& shape, std::string_view which) {
  for (const std::string& key : def.key) {
    Shape::Located at = shape.locate(json::Pointer(key));
    std::string why = not_keyable(*at.shape, at.exists);
    if (!why.empty())
      fail(def.place,
           fmt::format("{} cannot be a key of collection {}: by its {} it {}", key, def.name, which, why),
           "Keys are booleans, integers or strings that every document has, or that have a default.");
  }
}

Projection published_at() {
  Projection p;
  p.ptr = uuid_pointer;
  p.field = published_at_field;
  protocol::Inference& i = p.inference.emplace();
  i.types = {"string"};
  i.title = "Flow Publication Time";
  i.exists = Exists::must;
  i.string.emplace().format = "date-time";
  i.string->content_encoding = "uuid";
  return p;
}

Projection truncated() {
  Projection p;
  p.field = truncated_field;
  p.ptr = "/" + p.field;
  protocol::Inference& i = p.inference.emplace();
  i.types = {"boolean"};
  i.title = "Flow truncation indicator";
  i.exists = Exists::must;
  return p;
}

class Projector {
 public:
  Projector(const CollectionDef& def, const Shape& shape) : def_(def), shape_(shape) {}

  std::vector<Projection> run() {
    bool root = false;
    for (const ProjectionDef& p : def_.projections) {
      root = root || p.pointer.empty();
      out_.push_back(explicit_projection(p));
    }
    if (!root) {
      Projection& document = out_.emplace_back(located("", shape_, Exists::must));
      document.field = "flow_document";
    }
    out_.push_back(published_at());
    out_.push_back(truncated());
    for (const std::string& key : def_.key) {
      Shape::Located at = shape_.locate(json::Pointer(key));
      out_.push_back(located(key, *at.shape, at.exists));
    }
    for (const Shape::Location& l : shape_.locations())
      if (!l.pattern && !l.pointer.empty()) out_.push_back(located(l.pointer, *l.shape, l.exists));
    return unique();
  }

 private:
  Projection located(const std::string& pointer, const Shape& shape, Exists exists) const {
    Projection p;
    p.ptr = pointer;
    p.field = pointer.substr(!pointer.empty());
    p.is_primary_key = is_key(pointer);
    p.inference = shape.inference(exists);
    return p;
  }
  bool is_key(const std::string& pointer) const {
    return std::find(def_.key.begin(), def_.key.end(), pointer) != def_.key.end();
  }

  Projection explicit_projection(const ProjectionDef& def) const {
    if (def.pointer == "/_meta/uuid/date-time") {
      Projection p = published_at();
      p.field = def.field;
      p.is_explicit = true;
      return p;
    }
    Shape::Located at = shape_.locate(json::Pointer(def.pointer));
    if (at.exists == Exists::cannot || at.exists == Exists::implicit)
      fail(def.place,
           fmt::format("the projection '{}' is of {}, which the schema of collection {} {}", def.field,
                       def.pointer, def_.name, at.exists == Exists::cannot ? "forbids" : "does not know"),
           "Add the location to the schema.");
    if (def.partition) {
      std::string why = not_keyable(*at.shape, at.exists);
      if (!why.empty())
        fail(def.place,
             fmt::format("the projection '{}' cannot be a partition: {} {}", def.field, def.pointer, why));
    }
    Projection p = located(def.pointer, *at.shape, at.exists);
    p.field = def.field;
    p.is_explicit = true;
    p.is_partition_key = def.partition;
    return p;
  }

  std::vector<Projection> unique() {
    std::stable_sort(out_.begin(), out_.end(), [](auto& a, auto& b) { return a.field < b.field; });
    std::vector<Projection> kept;
    for (Projection& p : out_) {
      if (kept.empty() || kept.back().field != p.field)
        kept.push_back(std::move(p));
      else if (kept.back().ptr != p.ptr)
        fail(def_.place,
             fmt::format("the field '{}' of collection {} would stand for both {} and {}", p.field, def_.name,
                         kept.back().ptr, p.ptr),
             "Choose another name for the projection.");
    }
    kept.shrink_to_fit();  // specs are large, and kept as long as their tasks run
    return kept;
  }

  const CollectionDef& def_;
  const Shape& shape_;
  std::vector<Projection> out_;
};

protocol::JournalSpec partition_template(const std::string& collection) {
  protocol::JournalSpec spec;
  spec.name = collection + "/0000000000000000";
  spec.replication = 3;
  spec.flags = 4;  // O_RDWR
  spec.labels.emplace().labels = {{"app.gazette.dev/managed-by", "estuary.dev/flow"},
                                  {"content-type", "application/x-ndjson"},
                                  {"estuary.dev/collection", collection}};
  protocol::JournalFragment& fragment = spec.fragment.emplace();
  fragment.length = std::int64_t{512} << 20;
  fragment.compression_codec = protocol::Compression::gzip;
  fragment.refresh_interval = protocol::Duration{300, 0};
  return spec;
}

// Does what decides which other part of the schema applies refer to something that relax() may loosen?
bool chooses_by_reference(const Value& schema) {
  auto chooses = [](std::string_view key, const Value& value) {
    return (key == "oneOf" || key == "if") && !references(value).empty();
  };
  for (const auto& [key, value] : schema.members)
    if (chooses(key, value) || chooses_by_reference(value)) return true;
  return std::any_of(schema.items.begin(), schema.items.end(), chooses_by_reference);
}

}  // namespace

bool uses_inferred_schema(std::string_view read_schema) {
  return !read_schema.empty() && references(read_schema).contains(inferred_url);
}

std::string_view default_read_schema() {
  return R"({"allOf":[{"$ref":"flow://relaxed-write-schema"},{"$ref":"flow://inferred-schema"}]})";
}

std::string relax_schema(std::string_view write_schema) {
  Value schema = Value::of_json(write_schema);
  relax(schema);
  return to_json(schema);
}

std::string bundle_read_schema(const CollectionDef& def, const std::string* inferred,
                               MissingInference missing) {
  auto used = references(def.read_schema_json);
  Value read = Value::of_json(def.read_schema_json);
  auto define = [&](std::string_view url, auto text) {
    if (!used.contains(url)) return;
    Value& defs = read["$defs"];
    defs.kind = Kind::object;
    defs[url] = named(text(), url);
  };
  define(inferred_url, [&] {
    if (inferred) return *inferred;
    return missing == MissingInference::write_schema ? def.write_schema_json : std::string(placeholder);
  });
  define(relaxed_url, [&] {
    // Beside the write schema itself it says nothing, and each document would be evaluated twice.
    bool implied = !inferred && missing == MissingInference::write_schema &&
                   to_json(Value::of_json(def.read_schema_json)) == default_read_schema();
    return implied ? std::string("{}") : relax_schema(def.write_schema_json);
  });
  define(write_url, [&] { return def.write_schema_json; });
  return to_json(read);
}

protocol::CollectionSpec build_collection(const CollectionDef& def, const std::string* inferred,
                                          MissingInference missing) {
  protocol::CollectionSpec spec;
  spec.name = def.name;
  spec.key = def.key;
  spec.uuid_ptr = uuid_pointer;
  spec.ack_template_json = ack_template;
  spec.write_schema_json = def.write_schema_json;
  spec.partition_template = partition_template(def.name);
  if (!def.read_schema_json.empty()) spec.read_schema_json = bundle_read_schema(def, inferred, missing);
  Compiled write = compile(def, spec.write_schema_json, "write schema");
  check_root(def, write.shape, "write schema");
  check_keys(def, write.shape, "write schema");
  Shape shape = std::move(write.shape);
  if (!spec.read_schema_json.empty()) {
    shape = compile(def, spec.read_schema_json, "read schema").shape;
    bool real = inferred || missing == MissingInference::write_schema || !uses_inferred_schema(def);
    check_root(def, shape, "read schema");
    if (real) check_keys(def, shape, "read schema");
  }
  spec.projections = Projector(def, shape).run();
  for (const Projection& p : spec.projections)
    if (p.is_partition_key) spec.partition_fields.push_back(p.field);
  return spec;
}

std::vector<std::string> check_collection(const CollectionDef& def) {
  build_collection(def, nullptr, MissingInference::write_schema);
  std::vector<std::string> warnings = Schema::compile(def.write_schema_json).warnings();
  if (def.read_schema_json.empty()) return warnings;
  Schema read = Schema::compile(bundle_read_schema(def, nullptr, MissingInference::placeholder));
  warnings.insert(warnings.end(), read.warnings().begin(), read.warnings().end());
  return warnings;
}

bool admits_captured(const protocol::CollectionSpec& spec) {
  if (effective_schema(spec) == spec.write_schema_json) return true;
  if (chooses_by_reference(Value::of_json(spec.write_schema_json))) return false;
  Value read = Value::of_json(spec.read_schema_json);
  read.erase("$defs");
  return to_json(read) == default_read_schema();
}

const Projection* find_projection(const protocol::CollectionSpec& spec, std::string_view field) {
  auto found = std::lower_bound(spec.projections.begin(), spec.projections.end(), field,
                                [](const Projection& p, std::string_view f) { return p.field < f; });
  return found != spec.projections.end() && found->field == field ? &*found : nullptr;
}

std::string not_keyable(const Shape& shape, Exists exists) {
  constexpr types::Set keyable = types::boolean | types::integer | types::string;
  if (exists == Exists::cannot) return "is forbidden";
  if (exists == Exists::implicit) return "is not known";
  if (!(shape.types & keyable) || (shape.types & ~(keyable | types::null)))
    return fmt::format("may be {}", shape.types == types::any ? "of any type" : types::text(shape.types));
  if (shape.redact == protocol::Redact::block || shape.redact == protocol::Redact::multiple)
    return "is removed by redaction";
  if (exists != Exists::must && !shape.default_json) return "may be missing";
  return {};
}

}  // namespace sluice::runtime
