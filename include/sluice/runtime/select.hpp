#pragma once
#include <string>
#include <vector>

#include "sluice/protocol/messages.hpp"
#include "sluice/runtime/catalog.hpp"

namespace sluice::runtime {

// Which fields of a collection a materialization binding stores (runtime.md §6).
struct Selection {
  protocol::FieldSelection fields;
  // `conflict for field "f": <why it must be> but <why it cannot>`, by field. With any, the selection is not
  // valid as it stands.
  std::vector<std::string> conflicts;
  // All conflicts are incompatibilities with what is stored already: after a backfill the selection is valid,
  // and the binding's OnIncompatible says whether there is to be one.
  bool only_incompatible = false;
};

// `validated` is the connector's answer for the binding. `live` is the selection of the last spec, null
// unless that binding has the same backfill counter.
Selection select_fields(const protocol::CollectionSpec& collection,
                        const protocol::materialize::ValidatedBinding& validated, const FieldsDef& fields,
                        const protocol::FieldSelection* live);

}  // namespace sluice::runtime
