#include "harness/program.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace harness {
namespace {

std::int64_t high_water_kib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6));
  return 0;
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  std::ifstream list("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
  for (pid_t child; list >> child;) children.push_back(child);
  return children;
}

}  // namespace

Program::Program(std::vector<std::string> command, std::vector<std::string> environment, std::string log)
    : Program(std::move(command), std::move(environment), std::move(log), Limits()) {}

Program::Program(std::vector<std::string> command, std::vector<std::string> environment, std::string log,
                 Limits limits) {
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ > 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(126);
  if (limits.mortal) ::prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE);
  if (limits.file_bytes) {
    ::signal(SIGXFSZ, SIG_IGN);  // write() is to fail instead
    rlimit most{limits.file_bytes, limits.file_bytes};
    ::setrlimit(RLIMIT_FSIZE, &most);
  }
  for (std::string& variable : environment) ::putenv(variable.data());
  if (!log.empty()) {
    int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    ::dup2(fd, STDOUT_FILENO);
    ::dup2(fd, STDERR_FILENO);
  }
  int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

Program::~Program() {
  if (!running()) return;
  signal(SIGKILL);
  wait(std::chrono::seconds(30));
}

bool Program::running() { return !wait(std::chrono::milliseconds(0)); }

void Program::signal(int number) {
  if (!status_) ::kill(pid_, number);
}

std::optional<int> Program::wait(std::chrono::milliseconds patience) {
  auto deadline = std::chrono::steady_clock::now() + patience;
  while (!status_) {
    peak_rss_kib();
    int raw = 0;
    pid_t ended = ::waitpid(pid_, &raw, WNOHANG);
    if (ended == pid_) status_ = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    if (status_ || std::chrono::steady_clock::now() >= deadline) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return status_;
}

std::int64_t Program::peak_rss_kib() {
  if (!status_) {
    peak_kib_ = std::max(peak_kib_, high_water_kib(pid_));
    for (pid_t child : children_of(pid_)) peak_kib_ = std::max(peak_kib_, high_water_kib(child));
  }
  return peak_kib_;
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "sluice-XXXXXX").string();
  if (!::mkdtemp(pattern.data())) throw std::runtime_error("cannot create a folder like " + pattern);
  path_ = pattern;
  janitor_ = std::make_unique<sluice::testing::Janitor>(path_);
  // The server runs as another user when this one is root.
  std::filesystem::permissions(path_, std::filesystem::perms(0755));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (!keep_) std::filesystem::remove_all(path_, ignored);
}

void TemporaryFolder::keep() {
  keep_ = true;
  janitor_->disarm();
}

}  // namespace harness
