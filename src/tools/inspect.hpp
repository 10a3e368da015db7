#pragma once
#include <filesystem>
#include <string>

#include "sluice/async/context.hpp"

namespace sluice::tools {

struct InspectOptions {
  std::string catalog, name;
  std::filesystem::path connectors;
  std::string decrypt;  // a shell command, see load_options()
  std::filesystem::path state = "sluice-state";
};

// Each prints JSON lines on standard output.
Task<> print_spec(Context& context, InspectOptions options);
// Builds every task against its endpoint without changing anything, as the next run would, and prints the
// built specs without what may hold secrets.
Task<> print_validated(Context& context, InspectOptions options);
Task<> print_documents(Context& context, InspectOptions options);
Task<> print_state(Context& context, InspectOptions options);

}  // namespace sluice::tools
