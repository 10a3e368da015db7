#pragma once
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "sluice/async/cpu.hpp"
#include "sluice/async/task.hpp"
#include "sluice/base/error.hpp"

namespace sluice {

// An open file descriptor and the duty to close it.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct Pipe {
  Fd read, write;
};
// Both ends are closed on exec and numbered above standard error.
Pipe make_pipe();

// Bytes as they arrive. What epoll can watch (pipes, sockets, terminals) is waited for on the loop; regular
// files are read on the pool. `name` is for errors. The descriptor gets its blocking mode back in the end,
// since it may be shared with other processes.
class ByteReader {
 public:
  ByteReader(Executor executor, CpuPool& pool, Fd fd, std::string name);
  ByteReader(ByteReader&&) noexcept;
  ~ByteReader();
  // Reads between 1 and `size` bytes; 0 is the end. Throws Error{transient}.
  Task<std::size_t> read_some(char* into, std::size_t size);
  // What is there is still read, then comes the end, whoever else holds the other side open.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What was written reaches nobody.
class WriteFailed : public Error {
 public:
  explicit WriteFailed(std::string what) : Error(Kind::transient, std::move(what)) {}
};

class ByteWriter {
 public:
  ByteWriter(Executor executor, Fd fd, std::string name);
  ByteWriter(ByteWriter&&) noexcept;
  ~ByteWriter();
  // Writes all three, which outlive the call. Throws WriteFailed, also when nobody reads any more (SIGPIPE
  // must be ignored). If cancelled a part may have been written.
  Task<> write(std::string_view first, std::string_view second = {}, std::string_view third = {});
  // From now on a write that is cancelled after it began has this long to come to its end.
  void linger(std::chrono::milliseconds patience);
  // The reader sees the end. Nothing may be written any more.
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
