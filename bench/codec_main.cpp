// How much of what a pipe can carry do the codecs keep? Ours: a process encodes documents and writes them,
// this one reads and decodes them into batches. The limit: the same bytes copied into a buffer, written in
// large pieces, read and copied out. Captured and Store messages of 300 bytes, 1 KiB and 10 KiB.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "codec_documents.hpp"
#include "report.hpp"
#include "sluice/async/loop.hpp"
#include "sluice/base/error.hpp"
#include "stream.hpp"

namespace {

using namespace sluice;
using namespace sluice::protocol;

struct Cost {
  double wall = 0, cpu = 0;
};

// Runs `write` in a child on one end of a pipe and `read` here on the other.
template <class Write, class Read>
Cost through_pipe(Write write, Read read) {
  Pipe pipe = make_pipe();
  double cpu = bench::cpu_seconds();
  auto start = std::chrono::steady_clock::now();
  pid_t child = ::fork();
  if (child == 0) {
    pipe.read = Fd();
    write(std::move(pipe.write));
    ::_exit(0);
  }
  pipe.write = Fd();
  read(std::move(pipe.read));
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0)
    throw Error(Error::Kind::bug, fmt::format("the writing process ended with status {}", status));
  Cost cost;
  cost.wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  cost.cpu = bench::cpu_seconds() - cpu;
  return cost;
}

struct CapturedRun {
  using Message = capture::Response;
  explicit CapturedRun(std::size_t size, std::size_t count) : batch(bench::documents(size, count)) {}
  Task<> put(MessageWriter<Message>& out) const { return out.put(Hot::captured, batch); }
  Batch batch;
};
struct StoreRun {
  using Message = materialize::Request;
  explicit StoreRun(std::size_t size, std::size_t count) : batch(bench::stores(size, count)) {}
  Task<> put(MessageWriter<Message>& out) const { return out.put(batch); }
  StoreBatch batch;
};

template <class Run>
Task<> write_documents(MessageWriter<typename Run::Message> out, const Run& run, int rounds) {
  for (int i = 0; i < rounds; ++i) co_await run.put(out);
  co_await out.flush();
  out.close();
}

template <class Message>
Task<> read_documents(MessageReader<Message> in, std::size_t& documents) {
  while (auto incoming = co_await in.next()) {
    if (auto* batch = std::get_if<Batch>(&incoming->item)) documents += batch->size();
    if (auto* stores = std::get_if<StoreBatch>(&incoming->item)) documents += stores->size();
  }
}

template <class Run>
Cost ours(const Run& run, Codec codec, int rounds) {
  using Message = typename Run::Message;
  std::size_t documents = 0;
  auto write = [&](Fd fd) {
    Loop loop;
    MessageWriter<Message> out(ByteWriter(loop.executor(), std::move(fd), "the pipe"), codec);
    loop.run(write_documents(std::move(out), run, rounds));
  };
  auto read = [&](Fd fd) {
    CpuPool pool(1);
    Loop loop;
    MessageReader<Message> in(ByteReader(loop.executor(), pool, std::move(fd), "the pipe"), codec);
    loop.run(read_documents(std::move(in), documents));
  };
  Cost cost = through_pipe(write, read);
  SLUICE_CHECK(documents == run.batch.size() * static_cast<std::size_t>(rounds));
  return cost;
}

// What run's documents are on the wire, counted by writing them once.
template <class Run>
std::size_t wire_bytes(const Run& run, Codec codec) {
  std::size_t bytes = 0;
  auto write = [&](Fd fd) {
    Loop loop;
    MessageWriter<typename Run::Message> out(ByteWriter(loop.executor(), std::move(fd), "the pipe"), codec);
    loop.run(write_documents(std::move(out), run, 1));
  };
  auto read = [&](Fd fd) {
    std::string buffer(1_MiB, '\0');
    for (ssize_t n = 0; (n = ::read(fd.get(), buffer.data(), buffer.size())) > 0;)
      bytes += static_cast<std::size_t>(n);
  };
  through_pipe(write, read);
  return bytes;
}

Cost limit(std::size_t bytes, int rounds) {
  std::string content(bytes, 'x');
  auto write = [&](Fd fd) {
    ::fcntl(fd.get(), F_SETPIPE_SZ, static_cast<int>(1_MiB));
    std::string buffer(1_MiB, '\0');
    for (int i = 0; i < rounds; ++i) {
      for (std::size_t at = 0; at < content.size(); at += buffer.size()) {
        std::size_t size = std::min(buffer.size(), content.size() - at);
        std::memcpy(buffer.data(), content.data() + at, size);
        for (std::size_t done = 0; done < size;) {
          ssize_t n = ::write(fd.get(), buffer.data() + done, size - done);
          if (n <= 0) ::_exit(1);
          done += static_cast<std::size_t>(n);
        }
      }
    }
  };
  auto read = [&](Fd fd) {
    std::string buffer(1_MiB, '\0'), copy(1_MiB, '\0');
    for (ssize_t n = 0; (n = ::read(fd.get(), buffer.data(), buffer.size())) > 0;)
      std::memcpy(copy.data(), buffer.data(), static_cast<std::size_t>(n));
  };
  return through_pipe(write, read);
}

template <class Run>
void measure(std::string_view name, std::size_t size, Codec codec, const bench::Arguments& arguments) {
  constexpr std::size_t once = 16_MiB;
  int rounds = arguments.quick ? 4 : 32;
  Run run(size, once / size);
  std::size_t bytes = wire_bytes(run, codec);
  double mib = static_cast<double>(bytes) * rounds / static_cast<double>(1_MiB);
  double documents = static_cast<double>(run.batch.size()) * rounds;
  bench::Result result{"codec", fmt::format("{} {} {} B", sluice::protocol::name(codec), name, size), "MiB/s"};
  if (size >= 1024) result.bar = codec == Codec::proto ? 0.8 : 0.5;
  for (int i = 0; i < arguments.repeats; ++i) {
    Cost a = ours(run, codec, rounds), b = limit(bytes, rounds);
    result.ours.push_back(mib / a.wall);
    result.limit.push_back(mib / b.wall);
    result.ratio.push_back(b.wall / a.wall);
    result.cpu_us.push_back(a.cpu / documents * 1e6);
  }
  result.print();
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  ::signal(SIGPIPE, SIG_IGN);
  try {
    for (Codec codec : {Codec::proto, Codec::json}) {
      for (std::size_t size : {300, 1024, 10240}) {
        measure<CapturedRun>("Captured", size, codec, arguments);
        measure<StoreRun>("Store", size, codec, arguments);
      }
    }
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
