#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sluice/runtime/catalog.hpp"

namespace sluice::tools {

std::vector<std::string> task_names(const runtime::Catalog& catalog);

// Throws Error{config} that says which tasks there are, if `name` is none of them. `where`: what holds them.
void require_task(std::string_view where, const std::vector<std::string>& tasks, const std::string& name);

}  // namespace sluice::tools
