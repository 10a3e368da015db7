// X-5, X-7: the process dies, or loses its disk, at each change of a file in turn. What is found afterwards
// is the state after some transaction together with that transaction's checkpoint, and going on from it gives
// what going on without a crash gives.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faulty_vfs.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "support.hpp"

namespace sluice::testing {
namespace {

using Lines = std::vector<std::string>;
using protocol::MaterializationSpec;

constexpr int transactions = 3;

protocol::MaterializationSpec task(const std::string& file, bool second_runtime) {
  BindingOptions log("log", {"name"});
  log.delta = true;
  auto s = spec(config_of(file, R"(,"hardDelete":true)"),
                {binding(shop(), BindingOptions("shop")), binding(shop(), log)});
  if (second_runtime) {
    s.shard_template.emplace().labels.emplace();
    s.shard_template->labels->labels.push_back({"estuary.dev/flag/enable-runtime-v2", "true"});
  }
  return s;
}

Stored shop_row(int id, int version) {
  return Stored(fmt::format("[{}]", id), fmt::format(R"(["c",{},"v{}"])", version, version),
                fmt::format(R"({{"id":{},"v":{},"pad":"{:x<300}"}})", id, version, ""));
}
Stored log_row(int id, int version) {
  return Stored(fmt::format("[{}]", id), fmt::format(R"(["v{}"])", version),
                fmt::format(R"({{"id":{}}})", id))
      .of(1);
}

// What the n-th transaction stores: new rows, updates, a removal, and appended rows.
std::vector<Stored> documents(int n) {
  std::vector<Stored> out;
  for (int id = 0; id < 10 * (n - 1); id += 3) out.push_back(shop_row(id, n).exist());
  if (n > 1) out.push_back(shop_row(10 * (n - 2) + 1, n).exist().removed());
  for (int id = 10 * (n - 1); id < 10 * n; ++id) out.push_back(shop_row(id, n));
  out.push_back(log_row(1, n));
  out.push_back(log_row(1, n + 100));
  return out;
}

// Plays from the recovered checkpoint to the last transaction; tells each commit through `told`.
Task<> play(Peer peer, int told) {
  auto opened = co_await peer.opened();
  for (auto n = static_cast<int>(read_through(opened.runtime_checkpoint)) + 1; n <= transactions; ++n) {
    std::vector<std::pair<std::uint32_t, std::string>> keys{{0, "[1]"}};
    std::vector<Stored> stores = documents(n);
    co_await peer.transaction(std::move(keys), std::move(stores), checkpoint(n));
    char byte = static_cast<char>(n);
    if (told >= 0) SLUICE_CHECK(::write(told, &byte, 1) == 1);
  }
  co_await peer.acknowledge();
  co_await peer.drain();
}

void run(const std::string& file, bool second_runtime, int told = -1) {
  MaterializationSpec s = task(file, second_runtime);
  Bench bench(64 << 10);  // so small that pages go to the log before their commit
  bench.apply(s);
  bench.session(s, [told](Peer peer) { return play(std::move(peer), told); });
}

bool has_tables(const std::string& file) {
  return ::access(file.c_str(), F_OK) == 0 &&
         rows(file,
              "SELECT count(*) FROM sqlite_schema WHERE name IN ('shop', 'log', 'flow_checkpoints_v1')") ==
             Lines{"3"};
}

Lines dump(const std::string& file) {
  if (!has_tables(file)) return {};
  return rows(file,
              "SELECT 'shop', id, n, name, flow_document FROM shop UNION ALL "
              "SELECT 'log', id, NULL, name, flow_document FROM log ORDER BY 1, 2, 4");
}

Task<> play_one(Peer peer, int n) {
  co_await peer.opened();
  std::vector<std::pair<std::uint32_t, std::string>> none;
  std::vector<Stored> stores = documents(n);
  co_await peer.transaction(std::move(none), std::move(stores), checkpoint(n));
  co_await peer.drain();
}

// The content after each transaction.
std::vector<Lines> model() {
  std::vector<Lines> out{{}};
  TempFolder folder;
  std::string file = folder.file("model.db");
  MaterializationSpec s = task(file, false);
  Bench bench;
  bench.apply(s);
  for (int n = 1; n <= transactions; ++n) {
    bench.session(s, [n](Peer peer) { return play_one(std::move(peer), n); });
    out.push_back(dump(file));
  }
  return out;
}

std::int64_t stored_checkpoint(const std::string& file) {
  if (!has_tables(file)) return 0;
  Lines texts = rows(file, "SELECT checkpoint FROM flow_checkpoints_v1");
  if (texts.empty()) return 0;
  std::optional<std::string> bytes = text::unbase64(texts.at(0));
  SLUICE_CHECK(texts.size() == 1 && bytes);
  return read_through(protocol::decode_checkpoint(*bytes));
}

struct Outcome {
  bool complete = false;  // no fault came
  std::int64_t told = 0;  // the last transaction whose StartedCommit was seen
};

// Runs a child on `file` that suffers `fault` at change `at`.
Outcome suffer(const std::string& file, bool second_runtime, Fault fault, long at) {
  int ends[2];
  SLUICE_CHECK(::pipe(ends) == 0);
  pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    install_faulty_vfs(fault, at);
    int status = 3;
    try {
      run(file, second_runtime, ends[1]);
      status = changes_seen() >= at ? 2 : 0;
    } catch (const Error& e) {
      // It must say which file.
      status = e.message().find(file) != std::string::npos ? 1 : 4;
    } catch (...) {
      status = 5;
    }
    ::_exit(status);
  }
  ::close(ends[1]);
  Outcome outcome;
  char byte;
  while (::read(ends[0], &byte, 1) == 1) outcome.told = byte;
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  outcome.complete = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  bool expected = outcome.complete;
  if (fault == Fault::kill || fault == Fault::power_loss)
    expected = expected || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  else  // 2: it failed where nothing depends on it, such as removing the log at the end
    expected = expected || (WIFEXITED(status) && (WEXITSTATUS(status) == 1 || WEXITSTATUS(status) == 2));
  EXPECT_TRUE(expected) << "change " << at << " status " << status;
  return outcome;
}

struct Param {
  Fault fault;
  bool second_runtime;
  const char* name;
};
class Crash : public ::testing::TestWithParam<Param> {};

TEST_P(Crash, AtEachChangeOfAFile) {
  const Param& p = GetParam();
  std::vector<Lines> states = model();
  long at = 1, went_back = 0;
  for (bool complete = false; !complete; ++at) {
    ASSERT_LT(at, 2000);
    TempFolder folder;
    std::string file = folder.file("out.db");
    Outcome outcome = suffer(file, p.second_runtime, p.fault, at);
    complete = outcome.complete;
    std::int64_t found = stored_checkpoint(file);
    ASSERT_EQ(dump(file), states[static_cast<std::size_t>(found)])
        << "change " << at << ", checkpoint " << found;
    // A lost commit is legal only where power was lost and the first runtime is content with going back.
    if (p.fault != Fault::power_loss || p.second_runtime) {
      ASSERT_GE(found, outcome.told) << "change " << at;
    }
    went_back += found < outcome.told;
    run(file, p.second_runtime);
    ASSERT_EQ(dump(file), states.back()) << "change " << at;
    ASSERT_EQ(rows(file, "PRAGMA integrity_check"), Lines{"ok"}) << "change " << at;
  }
  EXPECT_GT(at, 20);
  // The loss of power is real: some commits of the first runtime did not outlast it.
  EXPECT_EQ(went_back > 0, p.fault == Fault::power_loss && !p.second_runtime);
}

INSTANTIATE_TEST_SUITE_P(, Crash,
                         ::testing::Values(Param{Fault::kill, false, "Kill"},
                                           Param{Fault::full, false, "DiskFull"},
                                           Param{Fault::io_error, false, "IoError"},
                                           Param{Fault::power_loss, false, "PowerLoss"},
                                           Param{Fault::power_loss, true, "PowerLossSecondRuntime"}),
                         [](const auto& of) { return of.param.name; });

}  // namespace
}  // namespace sluice::testing
