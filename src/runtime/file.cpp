#include "file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "sluice/base/error.hpp"

namespace sluice::runtime {
namespace {

[[noreturn]] void fail_with(int code, std::string_view doing, const std::filesystem::path& path) {
  std::string message = fmt::format("{} {}: {}", doing, path.native(), std::strerror(code));
  switch (code) {
    case ENOSPC:
    case EDQUOT:
      throw Error(Error::Kind::transient, std::move(message),
                  "Free space there, or choose another state folder; nothing that was committed is lost.");
    case EFBIG:
      throw Error(Error::Kind::config, std::move(message), "Raise the limit on file sizes (ulimit -f).");
    case EROFS:
    case EACCES:
    case EPERM:
      throw Error(Error::Kind::config, std::move(message),
                  "The state folder must be writable for this user; choose another with --state.");
    default:
      throw Error(Error::Kind::transient, std::move(message));
  }
}

}  // namespace

File::File(std::filesystem::path path, Mode mode) : path_(std::move(path)) {
  int flags = mode == Mode::create ? O_RDWR | O_CREAT : O_RDONLY;
  fd_ = ::open(path_.c_str(), flags | O_CLOEXEC, 0600);
  if (fd_ < 0) fail("cannot open");
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

void File::fail(std::string_view doing) const { fail_with(errno, doing, path_); }

std::uint64_t File::size() const {
  struct stat status{};
  if (::fstat(fd_, &status) != 0) fail("cannot examine");
  return static_cast<std::uint64_t>(status.st_size);
}

void File::write_at(std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      fail("cannot write to");
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

std::size_t File::read_at(std::uint64_t offset, char* into, std::size_t size) const {
  std::size_t done = 0;
  while (done < size) {
    ssize_t n = ::pread(fd_, into + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0) {
      if (errno == EINTR) continue;
      fail("cannot read");
    }
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

void File::forget(std::uint64_t offset, std::uint64_t size) const {
  // Advice: that it cannot be followed is no failure.
  ::posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(size), POSIX_FADV_DONTNEED);
}

void File::truncate(std::uint64_t size) {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) fail("cannot shorten");
}

void File::sync() {
  if (::fdatasync(fd_) != 0) fail("cannot sync");
}

bool File::try_lock() {
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  fail("cannot lock");
}

void sync_folder(const std::filesystem::path& folder) {
  int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail_with(errno, "cannot open", folder);
  int status = ::fsync(fd), code = errno;
  ::close(fd);
  if (status != 0 && code != EINVAL) fail_with(code, "cannot sync", folder);
}

}  // namespace sluice::runtime
