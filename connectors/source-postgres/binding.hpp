#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "sluice/cdc/resource.hpp"
#include "sluice/protocol/messages.hpp"
#include "source-postgres/catalog.hpp"

namespace sluice::source_postgres {

// One binding of a task, read and checked as far as that needs no server.
struct Binding {
  std::uint32_t index = 0;
  std::string state_key;
  cdc::Resource resource;
  cdc::TableName name;
  std::vector<std::string> collection_key;  // JSON pointers
  bool fallback = false;                    // the collection is keyed by the position of changes
  bool with_txid = false;                   // a projection asks for /_meta/source/txid

  // Columns among the collection key.
  std::vector<std::string> key_columns() const;
  // Columns whose floats are written as strings: those of the collection's key and of the table's own.
  std::set<std::string> typed_as_key(const Table& table) const;
  // The key that the scan goes by, from the resource or the collection; empty for scans without key. Throws
  // Error{config} if the collection is keyed by something that is no column.
  std::vector<std::string> scan_key() const;
  bool scans_by_key() const;
};

Binding parse_binding(std::uint32_t index, const std::string& resource_json,
                      const protocol::CollectionSpec* collection);
Binding parse_binding(std::uint32_t index, const protocol::CaptureBinding& binding);

}  // namespace sluice::source_postgres
