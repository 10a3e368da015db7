#pragma once
#include <string_view>

#include "sluice/async/context.hpp"
#include "sluice/protocol/session.hpp"
#include "sluice/runtime/build.hpp"
#include "sluice/runtime/state_store.hpp"

// From a task of the catalog, what its connector answers and what the store says was applied before to the
// spec that the task runs.
namespace sluice::tools {

// Of the keys that say by how much a counter was raised; the rest is that of the resource without one.
inline constexpr std::string_view backfill_raised_prefix = "backfill-raised:";

enum class Purpose {
  run,    // what is decided on the way is recorded in the store
  check,  // nothing is written anywhere
};

// Spec and Validate of a capture. `store` may be null if nothing was ever applied. To be run a capture needs
// a salt (runtime.md §2.1): one that the catalog does not give is made up the first time and kept with the
// spec.
Task<runtime::BuiltCapture> prepare(const runtime::Catalog& catalog, runtime::CaptureDef def,
                                    protocol::Capture& connector, runtime::StateStore* store,
                                    Purpose purpose);

// Spec and Validate of a materialization, the latter again until no binding is to be backfilled or disabled
// any more (runtime.md §6.4). A binding disabled here is tried again the next time. A backfill counts for
// good: the counters in effect are those of the catalog plus what the store says they were raised by.
Task<runtime::BuiltMaterialization> prepare(Context& context, const runtime::Catalog& catalog,
                                            runtime::MaterializationDef def, protocol::Materialize& connector,
                                            runtime::StateStore* store, Purpose purpose);

}  // namespace sluice::tools
