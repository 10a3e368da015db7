#pragma once
#include <vector>

#include "sluice/runtime/catalog.hpp"
#include "sluice/runtime/collection.hpp"
#include "sluice/runtime/state_store.hpp"

// Inferred schemas as the store holds them: by task and collection, under keys::inferred. Calls block.
namespace sluice::runtime {

// What captures of the catalog have to store before anything is built, as the write schemas of collections
// whose schema is inferred are others than those they last ran with: the logs hold documents of both.
std::vector<StateCommit> rediscovered(const Catalog& catalog, StateStore& store);

// What all tasks of the store have inferred, as it will be after `pending`, with what the catalog's write
// schemas say.
InferredSchemas load_inferred(const Catalog& catalog, StateStore& store,
                              const std::vector<StateCommit>& pending = {});

}  // namespace sluice::runtime
