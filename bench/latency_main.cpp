// Commits one row at a time at a steady rate and watches the output of a command for each row's mark: the
// time from the commit's return to the byte on the pipe. usage: bench_latency DSN RATE SECONDS REQUEST_FILE
// COMMAND…   (prints {"p50_ms":…,"p99_ms":…,"samples":…})
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr char mark[] = "mark-";
constexpr std::size_t mark_length = 5, digits = 9;

struct Child {
  pid_t pid = -1;
  int in = -1, out = -1;
};

Child start(char** command) {
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) std::abort();
  Child child;
  child.pid = ::fork();
  if (child.pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::execvp(command[0], command);
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  child.in = in[1];
  child.out = out[0];
  return child;
}

// Notes when each mark was first seen.
class Watch {
 public:
  Watch(int fd, std::size_t most) : fd_(fd), seen_(most), thread_([this] { run(); }) {}
  ~Watch() { thread_.join(); }
  bool has(std::size_t n) const { return seen_[n].load() != 0; }
  Clock::time_point at(std::size_t n) const { return Clock::time_point(Clock::duration(seen_[n].load())); }

 private:
  void run() {
    std::string text;
    char block[65536];
    for (ssize_t n; (n = ::read(fd_, block, sizeof block)) > 0;) {
      auto now = Clock::now().time_since_epoch().count();
      text.append(block, static_cast<std::size_t>(n));
      std::size_t from = 0;
      for (std::size_t at;
           (at = text.find(mark, from)) != text.npos && at + mark_length + digits <= text.size();) {
        std::size_t number = std::strtoul(text.substr(at + mark_length, digits).c_str(), nullptr, 10);
        if (number < seen_.size() && seen_[number].load() == 0) seen_[number].store(now);
        from = at + mark_length + digits;
      }
      text.erase(0, std::max(from, text.size() > 64 ? text.size() - 64 : 0));
    }
  }
  int fd_;
  std::vector<std::atomic<Clock::rep>> seen_;
  std::thread thread_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6)
    return std::fprintf(stderr, "usage: bench_latency DSN RATE SECONDS REQUEST_FILE COMMAND...\n"), 2;
  int rate = std::atoi(argv[2]);
  auto rows = static_cast<std::size_t>(rate * std::atoi(argv[3]));
  PGconn* connection = PQconnectdb(argv[1]);
  if (PQstatus(connection) != CONNECTION_OK) return std::fprintf(stderr, "%s", PQerrorMessage(connection)), 1;
  ::signal(SIGPIPE, SIG_IGN);
  Child child = start(argv + 5);
  std::ifstream file(argv[4], std::ios::binary);
  std::string request((std::istreambuf_iterator<char>(file)), {});
  if (::write(child.in, request.data(), request.size()) != static_cast<ssize_t>(request.size())) return 1;

  std::size_t warmups = 1000, next = 0;
  std::vector<Clock::time_point> committed(rows + warmups);
  int status = 0;
  {
    Watch watch(child.out, committed.size());
    auto insert = [&] {
      char sql[128];
      std::snprintf(sql, sizeof sql, "INSERT INTO bench.latency (note) VALUES ('%s%09zu')", mark, next);
      PGresult* result = PQexec(connection, sql);
      if (PQresultStatus(result) != PGRES_COMMAND_OK)
        std::fprintf(stderr, "%s", PQerrorMessage(connection)), std::exit(1);
      PQclear(result);
      committed[next++] = Clock::now();
    };
    while (next < warmups && (next == 0 || !watch.has(next - 1))) {
      insert();
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    std::size_t first = next;
    auto due = Clock::now();
    for (std::size_t i = 0; i < rows; ++i) {
      std::this_thread::sleep_until(due += std::chrono::microseconds(1'000'000 / rate));
      insert();
    }
    for (int patience = 0; patience < 100 && !watch.has(next - 1); ++patience)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::vector<double> lags;
    for (std::size_t i = first; i < next; ++i)
      if (watch.has(i))
        lags.push_back(std::chrono::duration<double, std::milli>(watch.at(i) - committed[i]).count());
    std::sort(lags.begin(), lags.end());
    auto at = [&](double share) {
      return lags[std::min(lags.size() - 1,
                           static_cast<std::size_t>(share * static_cast<double>(lags.size())))];
    };
    if (lags.size() < rows * 99 / 100) {
      std::fprintf(stderr, "only %zu of %zu rows were seen\n", lags.size(), rows);
      status = 1;
    } else {
      std::printf("{\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"samples\":%zu}\n", at(0.5), at(0.99), lags.size());
    }
    ::kill(child.pid, SIGTERM);
    ::close(child.in);
    ::waitpid(child.pid, nullptr, 0);
  }
  PQfinish(connection);
  return status;
}
