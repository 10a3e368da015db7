#pragma once
#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "sluice/async/context.hpp"

namespace sluice::tools {

struct DiscoverOptions {
  std::string catalog;            // an existing one with the capture to look at, or empty:
  std::string connector, config;  // a connector's name and its configuration file
  std::string name = "acme/source";
  std::string sqlite;           // also materialize everything into this file
  std::filesystem::path local;  // use connector binaries of this folder as child processes
  std::string codec = "proto";
  std::string output;  // empty: standard output
  std::filesystem::path connectors;
  std::string decrypt;  // a shell command, see load_options()
};

void add_options(CLI::App& command, DiscoverOptions& options);
Task<> discover(Context& context, DiscoverOptions options);

}  // namespace sluice::tools
