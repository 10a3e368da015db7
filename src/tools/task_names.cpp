#include "task_names.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::tools {

std::vector<std::string> task_names(const runtime::Catalog& catalog) {
  std::vector<std::string> names;
  for (const auto& [name, def] : catalog.captures) names.push_back(name);
  for (const auto& [name, def] : catalog.materializations) names.push_back(name);
  return names;
}

void require_task(std::string_view where, const std::vector<std::string>& tasks, const std::string& name) {
  if (std::find(tasks.begin(), tasks.end(), name) != tasks.end()) return;
  throw Error(Error::Kind::config, fmt::format("{} has no task '{}'", where, name),
              tasks.empty() ? "It has no tasks." : fmt::format("It has {}.", text::join(tasks, ", ")));
}

}  // namespace sluice::tools
