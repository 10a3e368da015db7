#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <ctime>

#include "source-postgres/source_postgres.hpp"
#include "support.hpp"

// A million rows, read and then changed in one transaction: memory stays flat, and what it costs is printed.
namespace sluice::source_test {
namespace {

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }
double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
std::size_t peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) / 1024;
}

// Takes what comes and keeps nothing but counts.
struct Counter {
  std::size_t documents = 0, bytes = 0, checkpoints = 0, largest = 0;
  std::string state;

  static Task<> read(Counter& c, Reader<protocol::CaptureOutput> out, Writer<protocol::Acknowledged> acks,
                     std::function<std::string(const std::string&, const std::string&)> patch) {
    while (auto output = co_await out.next()) {
      c.documents += output->documents.size();
      c.bytes += output->documents.text_bytes();
      c.largest = std::max(c.largest, output->documents.bytes());
      if (!output->checkpoint) continue;
      ++c.checkpoints;
      c.state = patch(c.state, output->checkpoint->updated_json);
      co_await acks.send(protocol::Acknowledged(1));
    }
    acks.close();
  }
};

class Slow : public Source {
 protected:
  Counter count(const char* what, const Table& table) {
    Counter counter;
    counter.state = state_.empty() ? "{}" : state_;
    double cpu = cpu_seconds(), wall = wall_seconds();
    run([&](Context& context) -> Task<> {
      auto connector = source_postgres::make_source_postgres(context);
      auto [out, in] = channel<protocol::CaptureOutput>(context.executor, 8u << 20);
      auto [ack, acks] = channel<protocol::Acknowledged>(context.executor, 1u << 20);
      protocol::CaptureIo io(std::move(out), std::move(acks), true);
      protocol::capture::Open request = open({table});
      co_await all(connector->run(std::move(request), std::move(io)),
                   Counter::read(counter, std::move(in), std::move(ack), merge));
    });
    cpu = cpu_seconds() - cpu;
    wall = wall_seconds() - wall;
    state_ = counter.state;
    double rows = static_cast<double>(std::max<std::size_t>(counter.documents, 1));
    std::printf(
        "%-12s %8zu rows %6.1f MB %6.2f s %8.0f rows/s %6.2f us CPU/row %4zu checkpoints, peak %zu MiB\n",
        what, counter.documents, static_cast<double>(counter.bytes) / 1e6, wall, rows / wall,
        cpu / rows * 1e6, counter.checkpoints, peak_mib());
    return counter;
  }
};

TEST_F(Slow, AMillionRowsInFlatMemory) {
  sql("CREATE TABLE test.t (id bigint PRIMARY KEY, customer int, amount numeric(12, 2), placed timestamptz, "
      "note text)");
  sql("INSERT INTO test.t SELECT i, i % 5000, i / 100.0, now() - i * interval '1 second', 'an order like any "
      "other ' || i "
      "FROM generate_series(1, 1000000) i");
  std::size_t before = peak_mib();
  Counter backfilled = count("backfill", {.name = "t"});
  EXPECT_EQ(backfilled.documents, 1'000'000u);
  sql("UPDATE test.t SET customer = customer + 1");
  Counter changed = count("one update", {.name = "t"});
  EXPECT_EQ(changed.documents, 1'000'000u);
  EXPECT_LT(changed.largest, 2u << 20);
  EXPECT_LT(peak_mib() - before, 96u);
  Counter keyless = [&] {
    state_.clear();
    return count("keyless", {.name = "t", .key = {}, .resource = R"("mode":"Without Primary Key")"});
  }();
  EXPECT_EQ(keyless.documents, 1'000'000u);
  EXPECT_LT(peak_mib() - before, 96u);
}

}  // namespace
}  // namespace sluice::source_test
