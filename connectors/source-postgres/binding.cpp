#include "source-postgres/binding.hpp"

#include <algorithm>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::source_postgres {

std::vector<std::string> Binding::key_columns() const {
  std::vector<std::string> columns;
  for (const std::string& pointer : collection_key)
    if (auto column = cdc::pointer_column(pointer)) columns.push_back(std::move(*column));
  return columns;
}

std::set<std::string> Binding::typed_as_key(const Table& table) const {
  std::set<std::string> columns(table.key.begin(), table.key.end());
  for (std::string& column : key_columns()) columns.insert(std::move(column));
  return columns;
}

bool Binding::scans_by_key() const {
  using enum cdc::BackfillMode;
  return resource.mode == automatic || resource.mode == normal || resource.mode == precise;
}

std::vector<std::string> Binding::scan_key() const {
  if (!resource.primary_key.empty()) return resource.primary_key;
  if (fallback) return {};
  std::vector<std::string> columns = key_columns();
  if (columns.size() != collection_key.size() && scans_by_key())
    throw Error(Error::Kind::config,
                "the collection of " + name.text() + " is keyed by " + text::join(collection_key, ", ") +
                    ", which are not all columns of the table",
                "Choose mode \"Without Primary Key\".");
  return columns;
}

Binding parse_binding(std::uint32_t index, const std::string& resource_json,
                      const protocol::CollectionSpec* collection) {
  Binding binding;
  binding.index = index;
  try {
    binding.resource = config::parse<cdc::Resource>(resource_json, config::Role::resource);
  } catch (Error& e) {
    e.add("binding " + std::to_string(index));
    throw;
  }
  binding.name = binding.resource.name();
  binding.state_key = text::percent_encode(binding.name.schema + "/" + binding.name.table, "-_.~$&+:=@");
  if (collection == nullptr) return binding;
  binding.collection_key = collection->key;
  binding.fallback = collection->key == fallback_key();
  binding.with_txid = std::any_of(collection->projections.begin(), collection->projections.end(),
                                  [](const auto& p) { return p.ptr == "/_meta/source/txid"; });
  return binding;
}

Binding parse_binding(std::uint32_t index, const protocol::CaptureBinding& spec) {
  Binding binding =
      parse_binding(index, spec.resource_config_json, spec.collection ? &*spec.collection : nullptr);
  if (!spec.state_key.empty())
    binding.state_key = spec.state_key;
  else if (spec.backfill > 0)
    binding.state_key += ".v" + std::to_string(spec.backfill);
  return binding;
}

}  // namespace sluice::source_postgres
