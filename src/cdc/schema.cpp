#include "sluice/cdc/schema.hpp"

#include <algorithm>

#include "sluice/json/write.hpp"

namespace sluice::cdc {
namespace {

// `object` with one more member.
std::string with_description(const std::string& object, std::string_view description) {
  if (description.empty()) return object;
  std::string out = object.substr(0, object.rfind('}'));
  if (out.find(':') != std::string::npos) out += ',';
  out += "\"description\":";
  json::write_string(out, description);
  return out + "}";
}

void write_properties(json::Writer& w, std::vector<SchemaColumn> columns) {
  std::sort(columns.begin(), columns.end(),
            [](const SchemaColumn& a, const SchemaColumn& b) { return a.name < b.name; });
  w.key("properties").begin_object();
  for (const SchemaColumn& column : columns)
    w.key(column.name).raw(with_description(column.schema_json, column.description));
  w.end_object();
}

void write_strings(json::Writer& w, std::string_view name, const std::vector<std::string>& values) {
  w.key(name).begin_array();
  for (const std::string& value : values) w.string(value);
  w.end_array();
}

class Generator {
 public:
  Generator(const TableSchema& table, const SchemaOptions& options, bool full)
      : table_(table), options_(options), anchor_(anchor(table.name)), full_(full) {}

  std::string write() {
    json::Writer w(out_);
    w.begin_object();
    w.key("$defs").begin_object().key(anchor_);
    row(w);
    w.end_object();
    w.key("allOf").begin_array();
    envelope(w);
    w.begin_object().key("$ref").string("#" + anchor_).end_object();
    w.end_array();
    if (!full_) w.key("unevaluatedProperties").boolean(false);
    if (options_.infer) w.key("x-infer-schema").boolean(true);
    w.end_object();
    return std::move(out_);
  }

 private:
  // The definition of a row, shared by the document and its previous state.
  void row(json::Writer& w) {
    std::vector<std::string> required = table_.key;
    if (!full_) {
      required.clear();
      for (const SchemaColumn& column : table_.columns) required.push_back(column.name);
    }
    std::sort(required.begin(), required.end());
    w.begin_object().key("type").string("object");
    if (!required.empty()) write_strings(w, "required", required);
    w.key("$anchor").string(anchor_);
    write_properties(w, table_.columns);
    w.end_object();
  }

  void envelope(json::Writer& w) {
    w.begin_object();
    if (full_) {
      w.key("if").raw(R"({"properties":{"_meta":{"properties":{"op":{"const":"d"}}}}})");
      w.key("then").raw(R"({"reduce":{"strategy":"merge","delete":true}})");
      w.key("else").raw(R"({"reduce":{"strategy":"merge"}})");
    }
    w.key("required").begin_array().string("_meta").end_array();
    w.key("properties").begin_object().key("_meta");
    meta(w);
    w.end_object().end_object();
  }

  void meta(json::Writer& w) {
    w.begin_object().key("type").string("object");
    w.key("required").begin_array().string("op").string("source").end_array();
    if (full_) w.key("reduce").raw(R"({"strategy":"merge"})");
    w.key("properties").begin_object();
    w.key("op").begin_object();
    w.key("enum").begin_array().string("c").string("d").string("u").end_array();
    w.key("description")
        .string("Change operation type: 'c' Create/Insert, 'u' Update, 'd' Delete.")
        .end_object();
    w.key("source");
    source(w);
    w.key("before").begin_object().key("$ref").string("#" + anchor_);
    w.key("description").string("Row state as it was immediately before this change was applied.");
    if (full_)
      w.key("reduce").raw(R"({"strategy":"firstWriteWins"})");
    else
      w.key("unevaluatedProperties").boolean(false);
    w.end_object().end_object();
    if (!full_) w.key("additionalProperties").boolean(false);
    w.end_object();
  }

  void source(json::Writer& w) {
    w.begin_object().key("type").string("object");
    write_strings(w, "required", options_.source_required);
    std::vector<SchemaColumn> members{
        {"ts_ms", R"({"type":"integer"})",
         "Unix timestamp, in milliseconds, at which the database recorded this change."},
        {"schema", R"({"type":"string"})", "Database schema of this change."},
        {"snapshot", R"({"type":"boolean"})",
         "True if the row was read by a backfill rather than captured as a change."},
        {"table", R"({"type":"string"})", "Database table of this change."},
    };
    members.insert(members.end(), options_.source.begin(), options_.source.end());
    if (options_.with_tag)
      members.push_back({"tag", R"({"type":"string"})", "The configured tag of this source."});
    write_properties(w, std::move(members));
    if (full_ && options_.history_mode)
      w.key("reduce").raw(R"({"strategy":"lastWriteWins","associative":false})");
    if (!full_) w.key("additionalProperties").boolean(false);
    w.end_object();
  }

  const TableSchema& table_;
  const SchemaOptions& options_;
  std::string anchor_, out_;
  bool full_;
};

}  // namespace

std::string write_schema(const TableSchema& table, const SchemaOptions& options) {
  return Generator(table, options, true).write();
}

std::string sourced_schema(const TableSchema& table, const SchemaOptions& options) {
  return Generator(table, options, false).write();
}

}  // namespace sluice::cdc
