#pragma once
#include <string>
#include <vector>

#include "sluice/protocol/messages.hpp"
#include "sluice/runtime/combine.hpp"

namespace sluice::runtime {

// How the session of a task combines the documents of its bindings (runtime.md §8.2). Throws Error{config} if
// a collection's schema is not one.
std::vector<CombineBinding> combine_bindings(const protocol::CaptureSpec& spec);
std::vector<CombineBinding> combine_bindings(const protocol::MaterializationSpec& spec);

}  // namespace sluice::runtime
