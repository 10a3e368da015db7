// Plays the runtime of a capture that speaks protobuf on its standard streams: opens it, acknowledges each
// checkpoint, drops the documents. usage: bench_capture REQUEST_FILE COMMAND…
// Prints {"wall_s":…,"cpu_s":…,"rss_mib":…,"documents":…,"checkpoints":…} of the command.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace {

// Tags of capture.Response, and the frame of Request{acknowledge{checkpoints: 1}} with its length before it.
constexpr char captured = 6 << 3 | 2, checkpoint = 7 << 3 | 2;
constexpr char acknowledge[] = {4, 0, 0, 0, 6 << 3 | 2, 2, 1 << 3, 1};

struct Totals {
  std::uint64_t documents = 0, checkpoints = 0;
};

bool write_all(int fd, const char* bytes, std::size_t size) {
  while (size > 0) {
    ssize_t n = ::write(fd, bytes, size);
    if (n < 0) return false;
    bytes += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

// Reads frames to the end of the output.
Totals converse(int in, int out) {
  Totals totals;
  std::vector<char> buffer(1 << 20);
  std::size_t held = 0;
  for (ssize_t n; (n = ::read(out, buffer.data() + held, buffer.size() - held)) > 0;) {
    held += static_cast<std::size_t>(n);
    std::size_t at = 0;
    for (std::uint32_t size = 0; held - at > sizeof size; at += sizeof size + size) {
      std::memcpy(&size, buffer.data() + at, sizeof size);
      if (held - at - sizeof size < size) {
        if (buffer.size() < size + sizeof size) buffer.resize(size + sizeof size);
        break;
      }
      char tag = size > 0 ? buffer[at + sizeof size] : 0;
      if (tag == captured) ++totals.documents;
      if (tag != checkpoint) continue;
      ++totals.checkpoints;
      write_all(in, acknowledge, sizeof acknowledge);  // one that has ended needs none
    }
    std::memmove(buffer.data(), buffer.data() + at, held - at);
    held -= at;
  }
  return totals;
}

double seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: bench_capture REQUEST_FILE COMMAND...\n"), 2;
  ::signal(SIGPIPE, SIG_IGN);
  std::ifstream file(argv[1], std::ios::binary);
  std::string request((std::istreambuf_iterator<char>(file)), {});
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) return std::perror("pipe"), 1;
  ::fcntl(out[1], F_SETPIPE_SZ, 1 << 20);
  auto start = std::chrono::steady_clock::now();
  pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::signal(SIGPIPE, SIG_DFL);
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::execvp(argv[2], argv + 2);
    std::perror(argv[2]);
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  if (!write_all(in[1], request.data(), request.size())) return std::perror("write"), 1;
  Totals totals = converse(in[1], out[0]);
  ::close(in[1]);
  int status = 0;
  rusage usage{};
  ::wait4(child, &status, 0, &usage);
  std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  std::printf("{\"wall_s\":%.6f,\"cpu_s\":%.6f,\"rss_mib\":%.2f,\"documents\":%llu,\"checkpoints\":%llu}\n",
              wall.count(), seconds(usage.ru_utime) + seconds(usage.ru_stime),
              static_cast<double>(usage.ru_maxrss) / 1024, static_cast<unsigned long long>(totals.documents),
              static_cast<unsigned long long>(totals.checkpoints));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
