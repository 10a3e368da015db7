#include "sluice/async/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asio/posix/stream_descriptor.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <optional>
#include <system_error>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice {
namespace {

[[noreturn]] void cannot_start(const std::string& program, std::string_view reason) {
  throw Error(Error::Kind::config, fmt::format("cannot start '{}': {}", program, reason),
              "Check the command and its permissions.");
}

std::string reason_of(int error) { return std::system_category().message(error); }

std::string find_program(const std::string& name, const std::vector<std::string>& environment) {
  if (name.find('/') != name.npos) return name;
  std::string_view path = "/usr/local/bin:/usr/bin:/bin";
  for (std::string_view variable : environment)
    if (variable.starts_with("PATH=")) path = variable.substr(5);
  for (const std::string& folder : text::split(path, ':')) {
    std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  cannot_start(name, fmt::format("no such program in {}", path));
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

struct Launch {
  const char* program;
  char* const* argv;
  char* const* environment;
  int in, out, err;
  pid_t parent;
  int report = -1;  // where the child tells the error of execve; closed by its success
  int error = 0;
};

// In the child, which shares our memory until it execs: only system calls.
[[noreturn]] void become(Launch& launch) {
  struct sigaction standard{};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &standard, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != launch.parent) ::_exit(127);  // it died before the line above
  bool connected = ::dup2(launch.in, STDIN_FILENO) >= 0 && ::dup2(launch.out, STDOUT_FILENO) >= 0 &&
                   ::dup2(launch.err, STDERR_FILENO) >= 0;
  if (connected) ::execve(launch.program, launch.argv, launch.environment);
  int error = errno;
  while (::write(launch.report, &error, sizeof error) < 0 && errno == EINTR) {
  }
  ::_exit(127);
}

// Where SIGCHLD is ignored, which is inherited, the kernel reaps children and keeps no status.
void keep_statuses() {
  struct sigaction now{};
  ::sigaction(SIGCHLD, nullptr, &now);
  if (now.sa_handler == SIG_IGN || now.sa_flags & SA_NOCLDWAIT) ::signal(SIGCHLD, SIG_DFL);
}

// vfork: no copy of our page tables, and whether exec worked is known when it returns. The error comes through a
// pipe, not the memory shared by then: sanitizers make a fork of vfork.
pid_t start(Launch& launch) {
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) {
    launch.error = errno;
    return -1;
  }
  launch.report = report[1];
  sigset_t every, before;
  sigfillset(&every);
  // A handler of ours must not run in the child.
  ::pthread_sigmask(SIG_SETMASK, &every, &before);
  pid_t pid = ::vfork();
  if (pid == 0) become(launch);
  int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::close(report[1]);
  if (pid < 0) launch.error = error;
  if (pid > 0) {
    while (::read(report[0], &launch.error, sizeof launch.error) < 0 && errno == EINTR) {
    }
    if (launch.error != 0) ::waitpid(pid, nullptr, 0);
  }
  ::close(report[0]);
  return pid;
}

}  // namespace

struct Process::Impl {
  explicit Impl(const Executor& executor) : watch(executor) {}

  // Takes note of the end if it has come.
  bool ended() {
    if (status) return true;
    int raw = 0;
    pid_t got = 0;
    do got = ::waitpid(pid, &raw, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got == 0) return false;
    if (got > 0)
      set(raw);
    else
      status.emplace(ExitStatus{255, 0});  // somebody else took it: nothing to be called a success
    return true;
  }
  void set(int raw) {
    status.emplace();
    if (WIFSIGNALED(raw))
      status->signal = WTERMSIG(raw);
    else
      status->code = WEXITSTATUS(raw);
  }

  pid_t pid = -1;
  Fd in, out, err;
  asio::posix::stream_descriptor watch;  // on a pidfd: readable when the process has ended
  std::optional<ExitStatus> status;
};

Process::Process(Executor executor, const std::vector<std::string>& argv,
                 const std::vector<std::string>& environment)
    : impl_(std::make_unique<Impl>(executor)) {
  if (argv.empty()) throw Error(Error::Kind::config, "the command to start is empty", "Name a program.");
  keep_statuses();
  Pipe in = make_pipe(), out = make_pipe(), err = make_pipe();
  std::string program = find_program(argv[0], environment);
  std::vector<char*> arguments = pointers(argv), variables = pointers(environment);
  Launch launch{program.c_str(), arguments.data(), variables.data(), in.read.get(),
                out.write.get(), err.write.get(),  ::getpid()};
  pid_t pid = start(launch);
  if (launch.error != 0) cannot_start(argv[0], reason_of(launch.error));
  impl_->pid = pid;
  int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) {
    int error = errno;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    cannot_start(argv[0], fmt::format("pidfd_open: {} (Linux 5.3 or later is needed)", reason_of(error)));
  }
  impl_->watch.assign(pidfd);
  impl_->in = std::move(in.write);
  impl_->out = std::move(out.read);
  impl_->err = std::move(err.read);
}

Process::~Process() {
  if (!impl_ || impl_->pid < 0 || impl_->ended()) return;
  ::kill(impl_->pid, SIGKILL);
  int raw = 0;
  // At once, short of a system call that cannot be interrupted; else it would stay as a zombie.
  while (::waitpid(impl_->pid, &raw, 0) < 0 && errno == EINTR) {
  }
}

Fd Process::take_stdin() { return std::move(impl_->in); }
Fd Process::take_stdout() { return std::move(impl_->out); }
Fd Process::take_stderr() { return std::move(impl_->err); }
int Process::pid() const { return impl_->pid; }

bool Process::ended() { return impl_->ended(); }

void Process::signal(int number) {
  if (!impl_->ended()) ::kill(impl_->pid, number);
}

Task<ExitStatus> Process::wait() {
  while (!impl_->ended())
    co_await impl_->watch.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  co_return *impl_->status;
}

std::vector<std::string> current_environment() {
  std::vector<std::string> out;
  for (char** variable = environ; variable && *variable; ++variable) out.emplace_back(*variable);
  return out;
}

}  // namespace sluice
