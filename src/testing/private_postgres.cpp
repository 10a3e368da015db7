#include "sluice/testing/private_postgres.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>
#include <thread>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

extern char** environ;

namespace sluice::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr const char* settings_file = "private.conf";

[[noreturn]] void fail_with_errno(const std::string& what) {
  throw Error(Error::Kind::config, what + ": " + std::strerror(errno));
}

bool has_server(const fs::path& folder) {
  return ::access((folder / "initdb").c_str(), X_OK) == 0 &&
         ::access((folder / "postgres").c_str(), X_OK) == 0;
}

std::string first_line_of(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
  if (!pipe) return {};
  char buffer[512] = {};
  std::string line = std::fgets(buffer, sizeof buffer, pipe) ? buffer : "";
  ::pclose(pipe);
  return std::string(text::trim(line));
}

int number_at_start(const std::string& text) { return std::atoi(text.c_str()); }

// Debian keeps every version in a folder of its own.
fs::path newest_debian_server() {
  fs::path newest;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", none)) {
    fs::path bin = entry.path() / "bin";
    if (!has_server(bin)) continue;
    if (newest.empty() ||
        number_at_start(entry.path().filename()) > number_at_start(newest.parent_path().filename()))
      newest = bin;
  }
  return newest;
}

fs::path server_on_path() {
  const char* path = std::getenv("PATH");
  for (const std::string& folder : text::split(path ? path : "", ':'))
    if (!folder.empty() && has_server(folder)) return folder;
  return {};
}

fs::path find_binaries() {
  if (const char* chosen = std::getenv("SLUICE_POSTGRES_BIN"); chosen && *chosen) {
    if (has_server(chosen)) return chosen;
    throw Error(Error::Kind::config,
                std::string("SLUICE_POSTGRES_BIN is '") + chosen + "', a folder without initdb and postgres");
  }
  if (fs::path found = newest_debian_server(); !found.empty()) return found;
  if (fs::path found = first_line_of("pg_config --bindir"); !found.empty() && has_server(found)) return found;
  if (fs::path found = server_on_path(); !found.empty()) return found;
  throw Error(
      Error::Kind::config, "no PostgreSQL server is installed",
      "Install one (apt-get install postgresql), or set SLUICE_POSTGRES_BIN to the folder of initdb.");
}

int free_port() {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail_with_errno("cannot open a socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
               ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  ::close(fd);
  if (!bound) fail_with_errno("no free TCP port on 127.0.0.1");
  return ntohs(address.sin_port);
}

std::string random_password() {
  unsigned char bytes[16];
  std::ifstream random("/dev/urandom", std::ios::binary);
  if (!random.read(reinterpret_cast<char*>(bytes), sizeof bytes))
    throw Error(Error::Kind::config, "cannot read /dev/urandom");
  return text::hex({reinterpret_cast<char*>(bytes), sizeof bytes});
}

// PG* variables of the caller must not reach the server's tools.
std::vector<std::string> clean_environment() {
  std::vector<std::string> kept;
  for (char** variable = environ; *variable; ++variable) {
    std::string_view entry = *variable;
    if (entry.starts_with("PG") || entry.starts_with("LC_") || entry.starts_with("LANG")) continue;
    kept.emplace_back(entry);
  }
  kept.emplace_back("LC_ALL=C.UTF-8");
  return kept;
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (const std::string& s : strings) result.push_back(const_cast<char*>(s.c_str()));
  result.push_back(nullptr);
  return result;
}

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void spew(const fs::path& path, const std::string& content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << content;
  if (!out.flush()) fail_with_errno("cannot write " + path.string());
}

std::string quoted(const std::string& value) {
  std::string result = "'";
  for (char c : value) result += c == '\'' ? std::string("''") : std::string(1, c);
  return result + "'";
}

}  // namespace

PrivatePostgres::PrivatePostgres() : PrivatePostgres(Options()) {}

PrivatePostgres::PrivatePostgres(Options options) : options_(std::move(options)) {
  if (options_.binaries.empty()) options_.binaries = find_binaries();
  std::string version = first_line_of("'" + (options_.binaries / "postgres").string() + "' --version");
  if (std::size_t digits = version.find_first_of("0123456789"); digits != version.npos)
    major_version_ = number_at_start(version.substr(digits));
  password_ = random_password();
  try {
    create_folder();
    // If this process is killed, the server ends by its own signal, and somebody has to remove the folder.
    janitor_ = std::make_unique<Janitor>(folder_);
    create_cluster();
    start();
  } catch (...) {
    // The destructor does not run for a half-made server.
    if (postmaster_ > 0) {
      ::kill(postmaster_, SIGQUIT);
      reap(true);
    }
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
    throw;
  }
}

PrivatePostgres::~PrivatePostgres() {
  if (postmaster_ > 0) {
    ::kill(postmaster_, SIGQUIT);
    reap(true);
  }
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void PrivatePostgres::create_folder() {
  // Short: the path of a Unix socket has at most 107 bytes.
  std::error_code none;
  fs::path base = fs::temp_directory_path(none);
  if (none || base.string().size() > 60) base = "/tmp";
  folder_ = (base / "sluice-pg-XXXXXX").string();
  if (!::mkdtemp(folder_.data())) fail_with_errno("cannot create a folder in " + base.string());
  if (::geteuid() != 0) return;
  // A server refuses to run as root.
  for (const char* name : {"postgres", "nobody"}) {
    const passwd* entry = ::getpwnam(name);
    if (!entry) continue;
    account_ = {entry->pw_uid, entry->pw_gid, name};
    break;
  }
  if (account_.name.empty())
    throw Error(Error::Kind::config,
                "PostgreSQL does not run as root, and there is no user postgres or nobody",
                "Run as another user, or create a user named postgres.");
  if (::chown(folder_.c_str(), account_.uid, account_.gid) != 0) fail_with_errno("cannot chown " + folder_);
}

// Runs a command as the server's user. Everything that allocates happens before the fork.
pid_t PrivatePostgres::spawn(const std::vector<std::string>& command, const std::string& output,
                             bool die_with_us) const {
  std::vector<std::string> environment = clean_environment();
  std::vector<char*> arguments = pointers(command), variables = pointers(environment);
  pid_t parent = ::getpid();
  pid_t child = ::fork();
  if (child < 0) fail_with_errno("cannot fork");
  if (child > 0) return child;
  ::setsid();
  int null = ::open("/dev/null", O_RDONLY);
  int log = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (null < 0 || log < 0 || ::dup2(null, 0) < 0 || ::dup2(log, 1) < 0 || ::dup2(log, 2) < 0) ::_exit(126);
  if (account_.uid != 0 &&
      (::setgroups(0, nullptr) != 0 || ::setgid(account_.gid) != 0 || ::setuid(account_.uid) != 0))
    ::_exit(126);
  // After setuid, which would clear it.
  if (die_with_us && (::prctl(PR_SET_PDEATHSIG, SIGQUIT) != 0 || ::getppid() != parent)) ::_exit(126);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::chdir("/") != 0) ::_exit(126);
  ::execve(arguments[0], arguments.data(), variables.data());
  ::_exit(127);
}

void PrivatePostgres::create_cluster() {
  std::string password_file = folder_ + "/password";
  spew(password_file, password_ + "\n");
  fs::permissions(password_file, fs::perms::owner_read | fs::perms::owner_write);
  if (account_.uid != 0 && ::chown(password_file.c_str(), account_.uid, account_.gid) != 0)
    fail_with_errno("cannot chown " + password_file);
  std::vector<std::string> command = {(options_.binaries / "initdb").string(),
                                      "--pgdata=" + data_folder().string(),
                                      "--username=" + std::string(user),
                                      "--pwfile=" + password_file,
                                      "--encoding=UTF8",
                                      "--locale=C.UTF-8",
                                      "--auth-local=trust",
                                      "--auth-host=scram-sha-256",
                                      "--no-sync",
                                      "--no-instructions"};
  pid_t child = spawn(command, folder_ + "/log", false);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) fail_with_errno("cannot wait for initdb");
  fs::remove(password_file);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail("initdb failed");
  // ALTER SYSTEM still wins.
  std::ofstream(data_folder() / "postgresql.conf", std::ios::app) << "include '" << settings_file << "'\n";
  port_ = std::to_string(free_port());
}

void PrivatePostgres::write_settings() const {
  std::map<std::string, std::string> settings = {
      {"listen_addresses", options_.tcp ? host : ""},
      {"unix_socket_directories", folder_},
      {"port", port_},
      {"wal_level", "logical"},
      {"max_wal_senders", "100"},
      {"max_replication_slots", "100"},
      {"max_connections", "100"},
      {"max_prepared_transactions", "10"},
      {"password_encryption", "scram-sha-256"},
      {"shared_buffers", "64MB"},
      {"max_wal_size", "2GB"},
      {"logging_collector", "off"},
      {"log_line_prefix", "%m [%p] %q%u@%d "},
  };
  // Commits stay synchronous: others are sent to replication only when the WAL writer comes by, every 200 ms.
  if (!options_.durable)
    for (const char* name : {"fsync", "full_page_writes"}) settings[name] = "off";
  for (const auto& [name, value] : options_.settings) settings[name] = value;
  std::string file;
  for (const auto& [name, value] : settings) file += name + " = " + quoted(value) + "\n";
  fs::path path = data_folder() / settings_file;
  spew(path, file);
  if (account_.uid != 0 && ::chown(path.c_str(), account_.uid, account_.gid) != 0)
    fail_with_errno("cannot chown " + path.string());
}

void PrivatePostgres::start() {
  if (running()) return;
  for (int tries = 3;; --tries) {
    write_settings();
    std::vector<std::string> command = {(options_.binaries / "postgres").string(), "-D",
                                        data_folder().string()};
    postmaster_ = spawn(command, folder_ + "/log", true);
    try {
      return wait_until_ready();
    } catch (const Error&) {
      // Somebody else may have taken the port meanwhile.
      if (tries == 1 || log_tail().find("could not bind") == std::string::npos) throw;
      port_ = std::to_string(free_port());
    }
  }
}

// The server tells on the eighth line of postmaster.pid when it takes connections.
void PrivatePostgres::wait_until_ready() {
  fs::path status = data_folder() / "postmaster.pid";
  auto deadline = std::chrono::steady_clock::now() + 60s;
  while (std::chrono::steady_clock::now() < deadline) {
    if (reap(false)) fail("postgres ended while starting");
    std::vector<std::string> lines = text::split(slurp(status), '\n');
    bool ours = lines.size() >= 8 && lines[0] == std::to_string(postmaster_);
    if (ours && text::trim(lines[7]) == "ready") return;
    std::this_thread::sleep_for(5ms);
  }
  fail("postgres does not become ready within 60 s");
}

// Whether the postmaster has ended; forgets it then.
bool PrivatePostgres::reap(bool block) {
  if (postmaster_ <= 0) return true;
  for (;;) {
    pid_t ended = ::waitpid(postmaster_, nullptr, block ? 0 : WNOHANG);
    if (ended == 0) return false;
    if (ended < 0 && errno == EINTR) continue;
    postmaster_ = -1;
    return true;
  }
}

bool PrivatePostgres::running() { return !reap(false); }

void PrivatePostgres::stop(Stop how) {
  if (!running()) return;
  if (::kill(postmaster_, how == Stop::fast ? SIGINT : SIGQUIT) != 0)
    fail_with_errno("cannot stop the postmaster");
  auto deadline = std::chrono::steady_clock::now() + 60s;
  while (!reap(false)) {
    if (std::chrono::steady_clock::now() > deadline) fail("postgres does not stop within 60 s");
    std::this_thread::sleep_for(2ms);
  }
}

void PrivatePostgres::restart(Stop how) {
  stop(how);
  start();
}

std::string PrivatePostgres::log_tail(std::size_t lines) const {
  std::vector<std::string> all = text::split(slurp(folder_ + "/log"), '\n');
  while (!all.empty() && all.back().empty()) all.pop_back();
  if (all.size() > lines) all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(lines));
  return text::join(all, "\n");
}

void PrivatePostgres::fail(std::string what) const {
  throw Error(Error::Kind::config, what + " (" + options_.binaries.string() + ")\n" + log_tail());
}

}  // namespace sluice::testing
