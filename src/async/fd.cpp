#include "sluice/async/fd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/error.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <asio/system_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"

namespace sluice {
namespace {

using namespace std::chrono_literals;

constexpr auto await_tuple = asio::experimental::as_tuple(asio::use_awaitable);

std::string describe(std::string_view what, const std::string& name, int error) {
  return fmt::format("{} {}: {}", what, name, std::system_category().message(error));
}

[[noreturn]] void fail(std::string_view what, const std::string& name, int error) {
  throw Error(Error::Kind::transient, describe(what, name, error));
}

// Watches a descriptor that it makes non-blocking for its lifetime.
class Watched {
 public:
  Watched(const Executor& executor, Fd fd) : fd_(std::move(fd)), watch_(executor) {
    flags_ = ::fcntl(fd_.get(), F_GETFL);
    if (flags_ >= 0 && !(flags_ & O_NONBLOCK)) ::fcntl(fd_.get(), F_SETFL, flags_ | O_NONBLOCK);
    // Fewer switches between the two sides; the limit of the system may refuse, which costs only speed.
    ::fcntl(fd_.get(), F_SETPIPE_SZ, static_cast<int>(1_MiB));
    watch_.assign(fd_.get());
  }
  ~Watched() {
    watch_.release();
    if (flags_ >= 0 && !(flags_ & O_NONBLOCK)) ::fcntl(fd_.get(), F_SETFL, flags_);
  }
  int get() const { return fd_.get(); }
  void cancel() { watch_.cancel(); }
  // False if cancelled, which stays pending.
  Task<bool> writable() {
    auto type = asio::posix::stream_descriptor::wait_write;
    auto [error] = co_await watch_.async_wait(type, await_tuple);
    co_return error != asio::error::operation_aborted;
  }
  Task<> ready(asio::posix::stream_descriptor::wait_type type) {
    co_await watch_.async_wait(type, asio::use_awaitable);
  }

 private:
  Fd fd_;
  asio::posix::stream_descriptor watch_;
  int flags_ = -1;
};

// A moment that a pending cancellation does not cut short.
Task<> pause() {
  asio::steady_timer timer(co_await asio::this_coro::executor, 5ms);
  co_await timer.async_wait(asio::bind_cancellation_slot(asio::cancellation_slot(), await_tuple));
}

using Parts = std::array<std::string_view, 3>;

std::size_t size(const Parts& parts) { return parts[0].size() + parts[1].size() + parts[2].size(); }

// As writev(), and takes off what was written.
ssize_t write_some(int fd, Parts& parts) {
  iovec vectors[3];
  int count = 0;
  for (std::string_view part : parts)
    if (!part.empty()) vectors[count++] = {const_cast<char*>(part.data()), part.size()};
  ssize_t written = ::writev(fd, vectors, count);
  auto left = static_cast<std::size_t>(std::max<ssize_t>(written, 0));
  for (std::string_view& part : parts) {
    std::size_t n = std::min(left, part.size());
    part.remove_prefix(n);
    left -= n;
  }
  return written;
}

bool is_regular(int fd) {
  struct stat info{};
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

struct Chunk {
  std::string bytes;
  int error = 0;
};

// Owns what it reads into: the loop may be destroyed meanwhile.
Chunk read_chunk(int fd, std::size_t size) {
  Chunk chunk;
  chunk.bytes.resize(size);
  ssize_t n = 0;
  do n = ::read(fd, chunk.bytes.data(), size);
  while (n < 0 && errno == EINTR);
  if (n < 0) chunk.error = errno;
  chunk.bytes.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
  return chunk;
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("opening", "a pipe", errno);
  Pipe pipe{Fd(ends[0]), Fd(ends[1])};
  for (Fd* end : {&pipe.read, &pipe.write}) {
    if (end->get() > STDERR_FILENO) continue;
    Fd above(::fcntl(end->get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!above) fail("opening", "a pipe", errno);
    *end = std::move(above);
  }
  return pipe;
}

struct ByteReader::Impl {
  Impl(Executor executor, CpuPool& cpu, Fd fd, std::string n)
      : pool(cpu), name(std::move(n)), regular(is_regular(fd.get())), watched(executor, std::move(fd)) {}
  CpuPool& pool;
  std::string name;
  bool regular;
  bool stopped = false;
  Watched watched;
};

ByteReader::ByteReader(Executor executor, CpuPool& pool, Fd fd, std::string name)
    : impl_(std::make_unique<Impl>(std::move(executor), pool, std::move(fd), std::move(name))) {}
ByteReader::ByteReader(ByteReader&&) noexcept = default;
ByteReader::~ByteReader() = default;

Task<std::size_t> ByteReader::read_some(char* into, std::size_t size) {
  Impl& impl = *impl_;
  co_await check_cancelled();
  if (impl.regular) {
    Chunk chunk = co_await on_cpu(impl.pool, read_chunk, impl.watched.get(), std::min(size, 256_KiB));
    if (chunk.error != 0) fail("reading", impl.name, chunk.error);
    std::memcpy(into, chunk.bytes.data(), chunk.bytes.size());
    co_return chunk.bytes.size();
  }
  for (;;) {
    ssize_t n = ::read(impl.watched.get(), into, size);
    if (n >= 0) co_return static_cast<std::size_t>(n);
    if (errno == EINTR) continue;
    if (errno != EAGAIN) fail("reading", impl.name, errno);
    if (impl.stopped) co_return 0;
    try {
      co_await impl.watched.ready(asio::posix::stream_descriptor::wait_read);
    } catch (const asio::system_error&) {
      if (!impl.stopped) throw;
    }
    co_await check_cancelled();
  }
}

void ByteReader::stop() {
  impl_->stopped = true;
  impl_->watched.cancel();
}

struct ByteWriter::Impl {
  Impl(Executor executor, Fd fd, std::string n)
      : name(std::move(n)), watched(std::make_unique<Watched>(executor, std::move(fd))) {}

  // Writes what can be written at once; whether that is all.
  bool write(Parts& parts) const {
    while (size(parts) > 0) {
      SLUICE_CHECK(watched);
      if (write_some(watched->get(), parts) >= 0 || errno == EINTR) continue;
      if (errno == EAGAIN) return false;
      throw WriteFailed(describe("writing to", name, errno));
    }
    return true;
  }
  // Of who was cancelled. Its failure would say less than that.
  Task<> finish(Parts parts) const {
    auto deadline = std::chrono::steady_clock::now() + patience;
    try {
      while (!write(parts) && std::chrono::steady_clock::now() < deadline) co_await pause();
    } catch (const WriteFailed&) {
    }
  }

  std::string name;
  std::chrono::milliseconds patience{0};  // after a cancellation
  std::unique_ptr<Watched> watched;       // null once closed
};

ByteWriter::ByteWriter(Executor executor, Fd fd, std::string name)
    : impl_(std::make_unique<Impl>(std::move(executor), std::move(fd), std::move(name))) {}
ByteWriter::ByteWriter(ByteWriter&&) noexcept = default;
ByteWriter::~ByteWriter() = default;

Task<> ByteWriter::write(std::string_view first, std::string_view second, std::string_view third) {
  Impl& impl = *impl_;
  Parts parts{first, second, third};
  std::size_t total = size(parts);
  while (!impl.write(parts)) {
    bool cancelled = !co_await impl.watched->writable();
    if (!cancelled) continue;
    if (size(parts) < total && impl.patience > 0ms) {
      co_await asio::this_coro::throw_if_cancelled(false);
      co_await impl.finish(parts);
      co_await asio::this_coro::throw_if_cancelled(true);
    }
    throw asio::system_error(asio::error::operation_aborted);
  }
}

void ByteWriter::linger(std::chrono::milliseconds patience) { impl_->patience = patience; }

void ByteWriter::close() { impl_->watched.reset(); }

}  // namespace sluice
