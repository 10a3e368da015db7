#include "state_folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sluice/base/error.hpp"

namespace sluice::tools {
namespace {

Error unusable(const std::filesystem::path& path, int code) {
  return Error(Error::Kind::config,
               fmt::format("cannot use the state folder: {}: {}", path.string(), std::strerror(code)),
               "Make it writable for this user, or choose another with --state.");
}

void create_private(const std::filesystem::path& folder) {
  std::error_code failure;
  if (std::filesystem::create_directories(folder, failure)) ::chmod(folder.c_str(), 0700);
  if (failure) throw unusable(folder, failure.value());
}

}  // namespace

StateFolder::StateFolder(const std::filesystem::path& folder) : folder_(std::filesystem::absolute(folder)) {
  create_private(folder_);
  create_private(collections());
  std::filesystem::path lock = folder_ / "lock";
  lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) throw unusable(lock, errno);
  if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) return;
  int code = errno;
  ::close(lock_);
  if (code != EWOULDBLOCK) throw unusable(lock, code);
  throw Error(Error::Kind::config,
              fmt::format("the state folder {} is used by another run", folder_.string()),
              "Stop that one, or choose another folder with --state.");
}

StateFolder::~StateFolder() { ::close(lock_); }

}  // namespace sluice::tools
