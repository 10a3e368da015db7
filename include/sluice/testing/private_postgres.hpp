#pragma once
#include <sys/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sluice/testing/janitor.hpp"

namespace sluice::testing {

// A PostgreSQL server of this process alone: a fresh cluster in a temporary folder, superuser `postgres`,
// encoding UTF8, locale C.UTF-8. It dies with this process, however that ends, and its folder goes too.
// Needs no test framework, so that the demo and crash harnesses use it as well. Not thread safe.
class PrivatePostgres {
 public:
  struct Options {
    Options() = default;
    // Folder of initdb and postgres. Empty: $SLUICE_POSTGRES_BIN, else the newest that is installed.
    std::filesystem::path binaries;
    bool tcp = true;       // also listens on 127.0.0.1, where the password is asked for (scram-sha-256)
    bool durable = false;  // fsync and full_page_writes on
    // Over the defaults: wal_level=logical, 100 slots, walsenders and connections.
    std::map<std::string, std::string> settings;
  };
  enum class Stop { fast, immediate };  // what pg_ctl's modes do

  // Creates the cluster and starts the server. Throws Error, with the end of the server's own output, if
  // there is no PostgreSQL, or it does not start within a minute.
  PrivatePostgres();
  explicit PrivatePostgres(Options options);
  ~PrivatePostgres();
  PrivatePostgres(const PrivatePostgres&) = delete;
  PrivatePostgres& operator=(const PrivatePostgres&) = delete;

  void start();
  void stop(Stop how = Stop::fast);
  void restart(Stop how = Stop::fast);
  bool running();

  // The folder of the Unix socket, where nobody is asked for a password.
  const std::string& socket_folder() const { return folder_; }
  static constexpr const char* host = "127.0.0.1";
  const std::string& port() const { return port_; }  // of the TCP socket; names the Unix socket too
  static constexpr const char* user = "postgres";
  const std::string& password() const { return password_; }
  pid_t postmaster() const { return postmaster_; }
  std::filesystem::path data_folder() const { return std::filesystem::path(folder_) / "data"; }
  const std::filesystem::path& binaries() const { return options_.binaries; }
  int major_version() const { return major_version_; }
  // The last lines the server has written.
  std::string log_tail(std::size_t lines = 20) const;

 private:
  struct Account {
    uid_t uid = 0;
    gid_t gid = 0;
    std::string name;
  };
  void create_folder();
  void create_cluster();
  void write_settings() const;
  void wait_until_ready();
  bool reap(bool block);
  pid_t spawn(const std::vector<std::string>& command, const std::string& output, bool die_with_us) const;
  [[noreturn]] void fail(std::string what) const;

  Options options_;
  Account account_;
  std::string folder_, port_, password_;
  int major_version_ = 0;
  pid_t postmaster_ = -1;
  std::unique_ptr<Janitor> janitor_;
};

}  // namespace sluice::testing
