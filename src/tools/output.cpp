#include "output.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "sluice/base/error.hpp"
#include "sluice/base/write.hpp"

namespace sluice::tools {
namespace {

[[noreturn]] void fail_output() {
  if (errno == EPIPE) throw OutputClosed();
  throw Error(Error::Kind::config, fmt::format("cannot write to standard output: {}", std::strerror(errno)));
}

[[noreturn]] void fail_file(const std::filesystem::path& path, int code) {
  throw Error(Error::Kind::config, fmt::format("cannot write '{}': {}", path.string(), std::strerror(code)),
              "Check the folder and its space.");
}

// Writes all, syncs and closes; 0 or the error.
int write_and_close(int fd, std::string_view text, bool durable) {
  int code = write_all(fd, text);
  if (code == 0 && durable && ::fsync(fd) != 0) code = errno;
  if (::close(fd) != 0 && code == 0) code = errno;
  return code;
}

void sync_folder(const std::filesystem::path& folder) {
  int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail_file(folder, errno);
  int code = ::fsync(fd) == 0 || errno == EINVAL ? 0 : errno;  // EINVAL: not a thing of this file system
  ::close(fd);
  if (code != 0) fail_file(folder, code);
}

}  // namespace

void write_output(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail_output();
}

void print(std::string_view line) {
  write_output(line);
  write_output("\n");
}

void finish_output() {
  if (std::fflush(stdout) != 0) fail_output();
}

void write_private_file(const std::filesystem::path& path, std::string_view text) {
  std::error_code ignored;
  std::filesystem::file_status status = std::filesystem::status(path, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) fail_file(path, errno);
    if (int code = write_and_close(fd, text, false)) fail_file(path, code);
    return;
  }
  // A link stays one, and what it leads to is replaced.
  std::filesystem::path target = std::filesystem::weakly_canonical(std::filesystem::absolute(path), ignored);
  if (ignored) target = path;
  std::string temporary = target.string() + ".XXXXXX";
  int fd = ::mkostemp(temporary.data(), O_CLOEXEC);  // 0600
  if (fd < 0) fail_file(path, errno);
  int code = write_and_close(fd, text, true);
  if (code == 0 && ::rename(temporary.c_str(), target.c_str()) != 0) code = errno;
  if (code != 0) {
    ::unlink(temporary.c_str());
    fail_file(path, code);
  }
  sync_folder(target.parent_path());
}

}  // namespace sluice::tools
