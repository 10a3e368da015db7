#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sluice/cdc/names.hpp"

// Schemas of captured collections (capture-postgres §2.6, §2.7).
namespace sluice::cdc {

struct SchemaColumn {
  std::string name;
  std::string schema_json;  // an object
  std::string description;  // put into it unless empty
};

struct TableSchema {
  TableName name;
  std::vector<SchemaColumn> columns;
  std::vector<std::string> key;  // column names; empty for keyless tables
};

// What the database and the configuration say about all tables.
struct SchemaOptions {
  // Members of /_meta/source beyond ts_ms, schema, snapshot, table and tag: "name" and schema.
  std::vector<SchemaColumn> source;
  std::vector<std::string> source_required;  // of all members of /_meta/source
  bool history_mode = false;
  bool infer = true;      // x-infer-schema
  bool with_tag = false;  // a source tag is configured
};

// The schema of a discovered binding.
std::string write_schema(const TableSchema& table, const SchemaOptions& options);
// What the source says that its documents look like now: closed, without reductions.
std::string sourced_schema(const TableSchema& table, const SchemaOptions& options);

}  // namespace sluice::cdc
