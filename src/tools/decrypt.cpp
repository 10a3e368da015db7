#include "decrypt.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "sluice/base/error.hpp"
#include "sluice/base/write.hpp"

namespace sluice::tools {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {
    if (fd_ < 0)
      throw Error(Error::Kind::transient, fmt::format("cannot run a command: {}", std::strerror(errno)));
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int operator*() const { return fd_; }

 private:
  int fd_;
};

std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  for (;;) {
    ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

// What the shell command makes of `input`; nothing if it fails.
std::optional<std::string> filter(const std::string& command, std::string_view input) {
  Descriptor in(::memfd_create("config", MFD_CLOEXEC));
  if (write_all(*in, input) != 0) return std::nullopt;
  ::lseek(*in, 0, SEEK_SET);
  int ends[2] = {-1, -1};
  int failed = ::pipe2(ends, O_CLOEXEC);
  Descriptor out(failed ? -1 : ends[0]);
  pid_t child = -1;
  {
    Descriptor to(ends[1]);
    posix_spawn_file_actions_t streams;
    ::posix_spawn_file_actions_init(&streams);
    ::posix_spawn_file_actions_adddup2(&streams, *in, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&streams, *to, STDOUT_FILENO);
    std::string text = command;
    char shell[] = "sh", option[] = "-c";
    char* arguments[] = {shell, option, text.data(), nullptr};
    failed = ::posix_spawn(&child, "/bin/sh", &streams, nullptr, arguments, environ);
    ::posix_spawn_file_actions_destroy(&streams);
  }
  if (failed) return std::nullopt;
  std::string plain = read_all(*out);
  int status = 0;
  pid_t ended = 0;
  do ended = ::waitpid(child, &status, 0);
  while (ended < 0 && errno == EINTR);
  if (ended != child) return std::nullopt;  // somebody else reaped it: how it ended is not known
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return std::nullopt;
  return plain;
}

}  // namespace

runtime::LoadOptions load_options(const std::string& decrypt_command) {
  runtime::LoadOptions options;
  if (decrypt_command.empty()) return options;
  options.decrypt = [decrypt_command](std::string_view text, const std::string& path) {
    auto plain = filter(decrypt_command, text);
    if (!plain)
      throw Error(Error::Kind::config, fmt::format("cannot decrypt {}: '{}' failed", path, decrypt_command),
                  "It gets the configuration as JSON on standard input; what it says of that stands above.");
    return *plain;
  };
  return options;
}

}  // namespace sluice::tools
