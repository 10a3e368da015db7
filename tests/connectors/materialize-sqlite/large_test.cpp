// A transaction that is many times the memory budget stays within it.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sluice/base/error.hpp"
#include "sluice/data/packed.hpp"
#include "support.hpp"

namespace sluice::testing {
namespace {

using Lines = std::vector<std::string>;

constexpr std::int64_t rows_stored = 1'000'000;
constexpr std::size_t budget = 16 << 20;

// Sends `count` documents in batches of some 100 KB as they are made.
Task<> send_stores(Peer& peer, std::int64_t count, bool exist) {
  protocol::StoreBatch batch;
  std::string key, values, document;
  for (std::int64_t i = 0; i < count; ++i) {
    key.clear();
    data::pack(key, i);
    values = packed(R"(["c",1,"some name"])");
    document = fmt::format(R"({{"id":{},"pad":"{:x<200}"}})", i, exist ? "updated" : "");
    batch.add({0, key, values, document, exist, false});
    if (batch.bytes() < 100'000 && i + 1 < count) continue;
    co_await peer.send(std::move(batch));
    batch = protocol::StoreBatch();
  }
}

Task<> send_loads(Peer& peer, std::int64_t count) {
  Batch batch;
  std::string key;
  for (std::int64_t i = 0; i < count; ++i) {
    key.clear();
    data::pack(key, i * 7919 % count);
    batch.add(key);
    if (batch.bytes() < 100'000 && i + 1 < count) continue;
    co_await peer.send(protocol::Loads(std::move(batch)));
    batch = Batch();
  }
}

Task<> play(Peer peer, std::int64_t& loaded) {
  co_await peer.opened();
  co_await peer.acknowledge();
  Keys none;
  co_await peer.load(std::move(none));
  co_await send_stores(peer, rows_stored, false);
  co_await peer.commit(checkpoint(1));
  co_await peer.acknowledge();
  co_await send_loads(peer, rows_stored);
  loaded = co_await peer.count_loaded();
  co_await send_stores(peer, rows_stored / 4, true);
  co_await peer.commit(checkpoint(2));
  co_await peer.drain();
}

TEST(Large, AMillionRowsInOneTransaction) {
  TempFolder folder;
  std::string file = folder.file("out.db");
  auto s = spec(config_of(file), {binding(shop(), BindingOptions("shop"))});
  pid_t child = ::fork();
  if (child == 0) {
    int status = 1;
    try {
      std::int64_t loaded = 0;
      Bench bench(budget);
      bench.apply(s);
      bench.session(s, [&](Peer peer) { return play(std::move(peer), loaded); });
      status = loaded == rows_stored ? 0 : 2;
    } catch (const std::exception& e) {
      fmt::print(stderr, "{}\n", e.what());
    }
    ::_exit(status);
  }
  int status = 0;
  rusage usage{};
  ASSERT_EQ(::wait4(child, &status, 0, &usage), child);
  EXPECT_EQ(status, 0);
  // The program itself, its threads and a batch in each place on the way.
  EXPECT_LT(usage.ru_maxrss, (64 << 10) + static_cast<long>(budget >> 10));
  EXPECT_EQ(rows(file,
                 "SELECT count(*), count(DISTINCT length(flow_document)) > 1, "
                 "sum(json_extract(flow_document, '$.pad') LIKE 'updated%') FROM shop"),
            Lines{fmt::format("{}|1|{}", rows_stored, rows_stored / 4)});
  EXPECT_FALSE(std::filesystem::exists(file + "-wal"));
  RecordProperty("max_rss_kib", std::to_string(usage.ru_maxrss));
  fmt::print("peak {} KiB\n", usage.ru_maxrss);
}

}  // namespace
}  // namespace sluice::testing
