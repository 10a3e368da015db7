#include "sluice/testing/janitor.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "sluice/base/error.hpp"

extern char** environ;

namespace sluice::testing {
namespace {

// Programs that die at the same moment may still write a file while the folder is being removed.
constexpr char script[] =
    "while read -r line; do :; done\n"
    "if pid=$(head -n 1 \"$0/data/postmaster.pid\"); then\n"
    "  while kill -0 \"$pid\"; do kill -QUIT \"$pid\"; sleep 0.1; done\n"
    "fi\n"
    "for attempt in 1 2 3 4 5 6 7 8 9 10; do\n"
    "  rm -rf -- \"$0\" && exit\n"
    "  sleep 0.1\n"
    "done\n";

[[noreturn]] void fail(const std::string& what, int number) {
  throw Error(Error::Kind::config, what + ": " + std::strerror(number));
}

}  // namespace

Janitor::Janitor(const std::string& folder) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("cannot make a pipe", errno);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, ends[0], 0);
  posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);  // away from the terminal's ^C
  std::string shell = "/bin/sh", option = "-c", text = script, argument = folder;
  char* command[] = {shell.data(), option.data(), text.data(), argument.data(), nullptr};
  int failed = ::posix_spawn(&pid_, "/bin/sh", &files, &attributes, command, environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  ::close(ends[0]);
  if (failed) {
    ::close(ends[1]);
    fail("cannot start /bin/sh", failed);
  }
  lifeline_ = ends[1];
}

Janitor::~Janitor() {
  ::close(lifeline_);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

void Janitor::disarm() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace sluice::testing
