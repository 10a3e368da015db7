#include "sluice/connector/serve.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <system_error>
#include <thread>

#include "signals.hpp"
#include "sluice/async/loop.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/memory.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/protocol/serve.hpp"
#include "version.hpp"

namespace sluice::connector {
namespace {

namespace capture = protocol::capture;
namespace materialize = protocol::materialize;
using protocol::Capture;
using protocol::Materialize;

struct Options {
  bool spec = false, discover = false;
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
  std::string config_file;
  std::size_t memory_bytes = 0;
};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// What the container may use; nothing if there is no limit.
std::optional<std::size_t> container_memory() {
  std::ifstream file("/sys/fs/cgroup/memory.max");
  std::size_t bytes = 0;
  if (file >> bytes) return bytes;
  return std::nullopt;
}

// Of channels and buffers: 64 MiB, or a quarter of a small container.
std::size_t default_memory() {
  std::size_t bytes = 64_MiB;
  if (auto limit = container_memory()) bytes = std::min(bytes, *limit / 4);
  return std::max(bytes, std::size_t{1_MiB});
}

[[noreturn]] void fail(const std::string& what, int error) {
  throw Error(Error::Kind::config, fmt::format("{}: {}", what, std::system_category().message(error)));
}

std::string read_config(const std::string& path) {
  std::ifstream file(path == "-" ? "/dev/stdin" : path, std::ios::binary);
  if (!file) fail("reading the configuration " + path, errno);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  try {
    json::Tree tree;
    tree.parse(text);
  } catch (Error& e) {
    e.add("reading the configuration " + path);
    throw;
  }
  return text;
}

// The stream moves to a number of its own, so that a stray print cannot corrupt the protocol nor a stray read
// eat from it.
Fd take_over(int fd, int replacement) {
  Fd own(::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!own) fail(fmt::format("taking over descriptor {}", fd), errno);
  if (::dup2(replacement, fd) < 0) fail(fmt::format("replacing descriptor {}", fd), errno);
  return own;
}

void print(const std::string& line) {
  std::fwrite((line + "\n").data(), 1, line.size() + 1, stdout);
  if (std::fflush(stdout) != 0) fail("writing to standard output", errno);
}

// The last line on stderr is what the runtime shows as the cause. If nobody reads it the exit status is left.
void report(const std::exception& e, LogLevel level, LogFormat format) {
  if (format == LogFormat::json) return Log::to_stderr(level, format).write(LogLevel::fatal, e.what(), {});
  std::string line = e.what() + std::string("\n");
  std::fwrite(line.data(), 1, line.size(), stderr);
}

// ---- the loop's part ----

template <class Connector>
Task<> serve_stdio(Context& context, Connector& connector, LogLevel level, LogFormat format) {
  // Destructors would wait for what does not end.
  std::function<void(const Error&)> abandon = [level, format](const Error& e) {
    report(e, level, format);
    ::_exit(1);
  };
  protocol::ServeOptions options;
  options.codec = protocol::parse_codec(environment("FLOW_RUNTIME_CODEC"));
  options.documentation_url = environment("DOCS_URL");
  options.stop_when_caught_up = environment("SHUTDOWN_AFTER_POLLING") == "yes";
  Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null) fail("opening /dev/null", errno);
  ByteReader in(context.executor, context.cpu, take_over(STDIN_FILENO, null.get()), "standard input");
  ByteWriter out(context.executor, take_over(STDOUT_FILENO, STDERR_FILENO), "standard output");
  protocol::Stop stop(context.executor);
  co_await until_signalled(
      protocol::serve(context, connector, std::move(in), std::move(out), std::move(options), stop),
      context.clock, stop, abandon);
}

Task<> print_spec(Capture& connector) {
  capture::SpecRequest request;
  request.connector_type = protocol::CaptureType::local;
  request.config_json = "{}";
  capture::Spec spec = co_await connector.spec(std::move(request));
  print(protocol::to_json(spec));
}
Task<> print_spec(Materialize& connector) {
  materialize::SpecRequest request;
  request.connector_type = protocol::MaterializationType::local;
  request.config_json = "{}";
  materialize::Spec spec = co_await connector.spec(std::move(request));
  print(protocol::to_json(spec));
}

Task<> print_discovered(Capture& connector, std::string name, std::string config_file) {
  capture::Discover request;
  request.connector_type = protocol::CaptureType::local;
  request.name = std::move(name);
  request.config_json = read_config(config_file);
  capture::Discovered discovered = co_await connector.discover(std::move(request));
  print(protocol::to_json(discovered));
}

Task<> dispatch(Context& context, Capture& connector, const std::string& name, const Options& options) {
  if (options.spec) return print_spec(connector);
  if (options.discover) return print_discovered(connector, name, options.config_file);
  return serve_stdio(context, connector, options.level, options.format);
}
Task<> dispatch(Context& context, Materialize& connector, const std::string&, const Options& options) {
  if (options.spec) return print_spec(connector);
  return serve_stdio(context, connector, options.level, options.format);
}

// ---- main ----

template <class Connector>
int run(const std::string& name, const std::function<std::unique_ptr<Connector>(Context&)>& make,
        Options options) {
  try {
    ::signal(SIGPIPE, SIG_IGN);  // writing tells
    options.format = parse_log_format(environment("LOG_FORMAT"));
    options.level = parse_log_level(environment("LOG_LEVEL"));
    CpuPool pool(std::max(1u, std::thread::hardware_concurrency()));
    SteadyClock clock;
    Loop loop;
    Context context(loop.executor(), pool, clock, Log::to_stderr(options.level, options.format),
                    options.memory_bytes);
    std::unique_ptr<Connector> connector = make(context);
    loop.run(dispatch(context, *connector, name, options));
    return 0;
  } catch (const std::exception& e) {
    report(e, options.level, options.format);
    return 1;
  }
}

// Nothing if the arguments are fine, else the exit status.
std::optional<int> parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
}

template <class Connector>
int serve_main(int argc, char** argv, const std::string& name,
               const std::function<std::unique_ptr<Connector>(Context&)>& make) {
  keep_freed_memory();
  Options options;
  options.memory_bytes = default_memory();
  CLI::App app("Without a command, serves the Flow protocol on standard input and output.", name);
  app.set_version_flag("--version", fmt::format("{} {}", name, version));
  app.add_option("--memory", options.memory_bytes, "Bytes of memory for channels and buffers, such as 64MiB")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(std::size_t{1_MiB}, std::size_t{1} << 46));
  CLI::App* spec = app.add_subcommand("spec", "Prints the connector's specification as JSON");
  CLI::App* discover = nullptr;
  if constexpr (std::is_same_v<Connector, Capture>) {
    discover = app.add_subcommand("discover", "Prints what can be captured as JSON");
    discover
        ->add_option("--config", options.config_file,
                     "File with the endpoint configuration as JSON, - is stdin")
        ->required();
  }
  app.require_subcommand(0, 1);
  if (std::optional<int> status = parse(app, argc, argv)) return *status;
  options.spec = spec->parsed();
  options.discover = discover && discover->parsed();
  return run(name, make, std::move(options));
}

}  // namespace

int serve_capture(int argc, char** argv, std::string name, MakeCapture make) {
  return serve_main<Capture>(argc, argv, name, make);
}

int serve_materialize(int argc, char** argv, std::string name, MakeMaterialize make) {
  return serve_main<Materialize>(argc, argv, name, make);
}

}  // namespace sluice::connector
