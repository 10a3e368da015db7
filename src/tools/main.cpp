// The `sluice` command: architecture.md §3, docs/running.md.
#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <thread>

#include "discover.hpp"
#include "display.hpp"
#include "inspect.hpp"
#include "materialize_sqlite.hpp"
#include "output.hpp"
#include "run.hpp"
#include "sluice/async/loop.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/memory.hpp"
#include "sluice/base/text.hpp"

namespace sluice::tools {
namespace {

struct Settings {
  std::string log_level;
  bool json = false;
  std::string memory = "256MiB";
  int grace_s = 20;
  RunOptions run;
  DiscoverOptions discover;
  InspectOptions inspect;
};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// "256MiB", "1G", "1000000": bytes. Nothing if it is no amount of memory.
std::optional<std::size_t> parse_bytes(std::string_view text) {
  std::size_t number = 0, bytes = 0, factor = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc()) return {};
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit.empty() || unit == "B") factor = 1;
  if (unit == "K" || unit == "KiB") factor = 1_KiB;
  if (unit == "M" || unit == "MiB") factor = 1_MiB;
  if (unit == "G" || unit == "GiB") factor = 1_GiB;
  if (factor == 0 || __builtin_mul_overflow(number, factor, &bytes)) return {};
  return bytes;
}

std::string check_memory(const std::string& text) {
  auto bytes = parse_bytes(text);
  if (!bytes) return fmt::format("'{}' is not an amount of memory; write for example 256MiB or 1G", text);
  return *bytes < 96_MiB ? fmt::format("{} is too little, Sluice needs at least 96MiB", text) : "";
}

std::string check_seconds(const std::string& text) {
  int seconds = -1;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  bool valid = error == std::errc() && end == text.data() + text.size() && seconds >= 0;
  return valid ? "" : fmt::format("'{}' is not a whole number of seconds, 0 or more", text);
}

std::string check_log_level(const std::string& text) {
  try {
    parse_log_level(text);
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

// Builds loop, pool, clock and log, runs the command, prints the final error. The one place that does.
int execute(const Settings& settings, Task<> (*command)(Context&, const Settings&, Display&)) {
  ::signal(SIGPIPE, SIG_IGN);
  bool json = settings.json;
  Display display(!json && ::isatty(STDERR_FILENO));
  Log log;
  try {
    std::string format = json ? "json" : environment("LOG_FORMAT");
    LogFormat parsed = parse_log_format(format);
    if (parsed == LogFormat::color && !display.terminal()) parsed = LogFormat::text;
    std::string level = settings.log_level.empty() ? environment("LOG_LEVEL") : settings.log_level;
    log = Log(parse_log_level(level), parsed, [&display](std::string_view line) { display.log(line); });
    // One thread more than cores: a job may wait for a disk.
    CpuPool pool(std::max(1u, std::thread::hardware_concurrency()) + 1);
    SteadyClock clock;
    Loop loop;
    Context context(loop.executor(), pool, clock, log);
    loop.run(command(context, settings, display));
    finish_output();
    return 0;
  } catch (const OutputClosed&) {
    return 0;
  } catch (const Error& e) {
    if (!log.enabled(LogLevel::error)) log = Log::to_stderr(LogLevel::info, LogFormat::text);
    log.error(e.what());
  } catch (const std::exception& e) {
    log.error(e.what());
  }
  return 1;
}

Task<> run_command(Context& context, const Settings& settings, Display& display) {
  RunOptions options = settings.run;
  options.memory_bytes = *parse_bytes(settings.memory);
  options.grace = std::chrono::seconds(settings.grace_s);
  co_await run(context, std::move(options), display);
}
Task<> discover_command(Context& context, const Settings& settings, Display&) {
  co_await discover(context, settings.discover);
}
Task<> spec_command(Context& context, const Settings& settings, Display&) {
  co_await print_spec(context, settings.inspect);
}
Task<> validate_command(Context& context, const Settings& settings, Display&) {
  co_await print_validated(context, settings.inspect);
}
Task<> read_command(Context& context, const Settings& settings, Display&) {
  co_await print_documents(context, settings.inspect);
}
Task<> state_command(Context& context, const Settings& settings, Display&) {
  co_await print_state(context, settings.inspect);
}

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Moves data as it changes: captures, collections and materializations on one machine.",
               "sluice");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("sluice ") + SLUICE_VERSION);
  auto common = [&](CLI::App* command) {
    command
        ->add_option("--log-level", settings.log_level,
                     "trace, debug, info, warn or error (default: LOG_LEVEL, else info)")
        ->check(check_log_level);
    command->add_flag("--json,--log-json", settings.json, "Log lines as JSON");
  };

  auto decrypt = [&](CLI::App* command, std::string& into) {
    command->add_option(
        "--decrypt", into,
        "Shell command for configurations encrypted with sops: JSON on its standard input and output");
  };

  auto catalog = [](CLI::App* command, std::string& into) {
    command->add_option("catalog,--source", into, "Catalog file, as `sluice discover` writes; either form")
        ->option_text("FILE REQUIRED");
    // Not required(), which would ask for --source only.
    command->callback([&into] {
      if (into.empty())
        throw CLI::ParseError(
            "no catalog is named: give its file, such as flow.yaml, as an argument or with "
            "--source. `sluice discover` writes one",
            CLI::ExitCodes::RequiredError);
    });
  };

  CLI::App* run = app.add_subcommand("run", "Runs the tasks of a catalog until it is stopped");
  catalog(run, settings.run.catalog);
  run->add_option("--state", settings.run.state, "Folder of collections and task state")
      ->capture_default_str();
  run->add_flag("--once", settings.run.once, "End when everything that exists now has arrived");
  run->add_option("--name", settings.run.names, "Only this task; may be repeated");
  run->add_option("--memory", settings.memory, "Memory of the whole process, as 256MiB or 1G")
      ->check(check_memory)
      ->capture_default_str();
  run->add_option("--connector-path", settings.run.connectors, "Folder of connector binaries, by image name");
  run->add_option("--grace", settings.grace_s,
                  "Seconds that a connector process has to end, and the run after a signal")
      ->check(check_seconds)
      ->capture_default_str();
  decrypt(run, settings.run.decrypt);
  common(run);

  CLI::App* discover = app.add_subcommand("discover", "Writes a catalog of what a system holds");
  add_options(*discover, settings.discover);
  decrypt(discover, settings.discover.decrypt);
  common(discover);

  CLI::App* spec = app.add_subcommand("spec", "Prints what a connector says of itself");
  CLI::App* validate =
      app.add_subcommand("validate", "Checks a catalog against its endpoints and what ran before");
  for (CLI::App* command : {spec, validate}) {
    catalog(command, settings.inspect.catalog);
    command->add_option("--name", settings.inspect.name, "Only this task");
    command->add_option("--connector-path", settings.inspect.connectors,
                        "Folder of connector binaries, by image name");
    decrypt(command, settings.inspect.decrypt);
    common(command);
  }
  CLI::App* read = app.add_subcommand("read", "Prints the committed documents of a collection, one a line");
  read->add_option("--collection", settings.inspect.name, "Name of the collection")->required();
  CLI::App* state = app.add_subcommand("state", "Prints what is stored for a task");
  state->add_option("--name", settings.inspect.name, "Name of the task; none lists them");
  for (CLI::App* command : {read, state}) common(command);
  for (CLI::App* command : {validate, read, state})
    command->add_option("--state", settings.inspect.state, "Folder of collections and task state")
        ->capture_default_str();

  try {
    // Of an unknown one CLI11 would say only that a command is required.
    std::vector<std::string> commands;
    for (const CLI::App* command : app.get_subcommands({})) commands.push_back(command->get_name());
    if (argc > 1 && argv[1][0] != '-' && std::ranges::find(commands, argv[1]) == commands.end())
      throw CLI::ParseError(
          fmt::format("unknown command '{}': there are {}", argv[1], text::join(commands, ", ")),
          CLI::ExitCodes::ExtrasError);
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  if (*run) return execute(settings, run_command);
  if (*discover) return execute(settings, discover_command);
  if (*spec) return execute(settings, spec_command);
  if (*validate) return execute(settings, validate_command);
  if (*read) return execute(settings, read_command);
  return execute(settings, state_command);
}

}  // namespace
}  // namespace sluice::tools

int main(int argc, char** argv) {
  sluice::keep_freed_memory();
  sluice::forgo_sqlite_memory_count();
  return sluice::tools::main(argc, argv);
}
