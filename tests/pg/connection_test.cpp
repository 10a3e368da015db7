#include "sluice/pg/connection.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>

#include "sluice/async/scope.hpp"
#include "sluice/testing/fake_clock.hpp"
#include "sluice/testing/postgres.hpp"
#include "sluice/testing/run.hpp"

namespace sluice::pg {
namespace {

using namespace std::chrono_literals;
using testing::Database;
using testing::PostgresServer;
using testing::require;

struct Lines {
  std::mutex mutex;
  std::string text;
  Log log() {
    return Log(LogLevel::debug, LogFormat::json, [this](std::string_view line) {
      std::lock_guard lock(mutex);
      text += line;
    });
  }
};

class Pg : public ::testing::Test {
 protected:
  // Runs body(context) on a loop with a pool and the real clock.
  template <class Body>
  void run(Body body) {
    CpuPool pool(2);
    SteadyClock clock;
    testing::run([&](Loop& loop) -> Task<> {
      Context context(loop.executor(), pool, clock, lines_.log());
      co_await body(context);
    });
  }
  // What connecting with `options` fails with.
  std::optional<Error> failure(ConnectOptions options) {
    std::optional<Error> error;
    run([&](Context& context) -> Task<> {
      try {
        co_await Connection::connect(context, options);
      } catch (const Error& e) {
        error = e;
      }
    });
    return error;
  }
  Database& database() { return database_; }
  Database database_ = PostgresServer::shared().fresh_database();
  Lines lines_;
};

TEST_F(Pg, QueriesWithParametersAndNulls) {
  run([&](Context& context) -> Task<> {
    auto db = co_await Connection::connect(context, database().options());
    std::vector<std::optional<std::string>> parameters = {"7", std::nullopt, "it's"};
    Rows rows = co_await db->query("SELECT $1::int + 1 AS n, $2::text, $3 AS word", parameters);
    EXPECT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows.columns(), 3u);
    EXPECT_EQ(rows.name(0), "n");
    EXPECT_EQ(rows.text(0, 0), "8");
    EXPECT_FALSE(rows.at(0, 1));
    EXPECT_EQ(rows.text(0, 2), "it's");
    EXPECT_GE(db->server_version(), 100000);
    Rows pid = co_await db->query("SELECT pg_backend_pid()");
    EXPECT_EQ(pid.text(0, 0), std::to_string(db->backend_pid()));
    Rows last = co_await db->run("CREATE TABLE t (i int); INSERT INTO t SELECT generate_series(1, 5)");
    EXPECT_EQ(last.affected(), 5);
    EXPECT_EQ(last.size(), 0u);
  });
}

TEST_F(Pg, PinsTheSessionWhateverServerAndEnvironmentSay) {
  ::setenv("PGTZ", "Asia/Tokyo", 1);
  ::setenv("PGDATESTYLE", "German", 1);
  run([&](Context& context) -> Task<> {
    ConnectOptions options = database().options();
    options.settings = pinned_settings();
    options.settings["search_path"] = "\"a b\", \"c\\d\"";
    auto db = co_await Connection::connect(context, options);
    for (auto [name, value] : options.settings) {
      Rows rows = co_await db->query("SHOW " + name);
      EXPECT_TRUE(rows.text(0, 0).starts_with(value)) << name << ": " << rows.text(0, 0);
    }
    ConnectOptions plain = database().options();
    ::unsetenv("PGTZ");
    auto other = co_await Connection::connect(context, plain);
    Rows zone = co_await other->query("SHOW TimeZone");
    EXPECT_EQ(zone.text(0, 0), "PST8PDT");
  });
  ::unsetenv("PGDATESTYLE");
}

TEST_F(Pg, FailuresCarryStateDetailAndHintAndLeaveTheSessionUsable) {
  run([&](Context& context) -> Task<> {
    auto db = co_await Connection::connect(context, database().options());
    std::optional<Error> error;
    try {
      co_await db->query("SELECT colour FROM pg_class");
    } catch (const Error& e) {
      error = e;
    }
    require(error.has_value());
    EXPECT_EQ(error->sqlstate(), "42703");
    EXPECT_EQ(error->kind(), Error::Kind::config);
    EXPECT_EQ(error->message(), "column \"colour\" does not exist");
    co_await db->run("CREATE TABLE u (i int PRIMARY KEY)");
    try {
      co_await db->run("INSERT INTO u VALUES (1); INSERT INTO u VALUES (1)");
    } catch (const Error& e) {
      error = e;
    }
    EXPECT_EQ(error->sqlstate(), "23505");
    EXPECT_NE(error->message().find("; key (i)=(1) already exists"), std::string::npos) << error->message();
    Rows rows = co_await db->query("SELECT count(*) FROM u");
    EXPECT_EQ(rows.text(0, 0), "0");
    EXPECT_FALSE(db->broken());
  });
}

TEST_F(Pg, NoticesGoToTheLog) {
  run([&](Context& context) -> Task<> {
    auto db = co_await Connection::connect(context, database().options());
    co_await db->run("DO $$ BEGIN RAISE WARNING 'disk is %', 'full'; END $$");
  });
  EXPECT_NE(lines_.text.find("disk is full"), std::string::npos) << lines_.text;
}

// Connecting.

TEST_F(Pg, ConnectsThroughTcpWithThePassword) {
  run([&](Context& context) -> Task<> {
    auto db = co_await Connection::connect(context, database().tcp_options());
    Rows rows = co_await db->query("SELECT current_user");
    EXPECT_EQ(rows.text(0, 0), "postgres");
  });
}

TEST_F(Pg, TriesTheNextHostWhenOneRefuses) {
  run([&](Context& context) -> Task<> {
    ConnectOptions options = database().tcp_options();
    options.host = "127.0.0.1,127.0.0.1";
    options.port = "1," + options.port;
    auto db = co_await Connection::connect(context, options);
    Rows rows = co_await db->query("SELECT 1");
    EXPECT_EQ(rows.text(0, 0), "1");
  });
}

TEST_F(Pg, AWrongPasswordIsNamedAndNotShown) {
  ConnectOptions options = database().tcp_options();
  options.password = Secret("hunter2");
  std::optional<Error> error = failure(options);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->sqlstate(), "28P01");
  EXPECT_EQ(error->kind(), Error::Kind::config);
  EXPECT_EQ(error->message(), "user 'postgres' cannot connect to database '" + database().name() +
                                  "' at 127.0.0.1:" + options.port +
                                  ": password authentication failed for user \"postgres\"");
  EXPECT_EQ(error->hint(), "Check user and password.");
  EXPECT_EQ(std::string(error->what()).find("hunter2"), std::string::npos);
}

TEST_F(Pg, AMissingPasswordIsNamed) {
  ConnectOptions options = database().tcp_options();
  options.password = Secret();
  std::optional<Error> error = failure(options);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), Error::Kind::config);
  EXPECT_EQ(error->message(),
            "127.0.0.1:" + options.port + " asks for a password of user 'postgres' and none is set");
}

TEST_F(Pg, AMissingDatabaseIsNamed) {
  ConnectOptions options = database().options();
  options.database = "nowhere";
  std::optional<Error> error = failure(options);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->sqlstate(), "3D000");
  EXPECT_NE(error->message().find("database \"nowhere\" does not exist"), std::string::npos) << error->what();
}

TEST_F(Pg, MissingPrivilegesNameTheGrant) {
  database().execute("REVOKE CONNECT ON DATABASE " + database().name() +
                     " FROM PUBLIC; DROP ROLE IF EXISTS guest; "
                     "CREATE ROLE guest LOGIN");
  ConnectOptions options = database().options();
  options.user = "guest";
  std::optional<Error> error = failure(options);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->sqlstate(), "42501");
  EXPECT_EQ(error->hint(),
            "Let the role connect: GRANT CONNECT ON DATABASE \"" + database().name() + "\" TO \"guest\".");
  EXPECT_NE(error->message().find("user does not have CONNECT privilege"), std::string::npos)
      << error->what();
  database().execute("GRANT CONNECT ON DATABASE " + database().name() + " TO guest");
  options.replication = true;
  error = failure(options);
  ASSERT_TRUE(error);
  EXPECT_NE(error->hint().find("ALTER ROLE \"guest\" REPLICATION"), std::string::npos) << error->what();
}

TEST_F(Pg, AnUnknownRoleOfATrustedSocketIsNamed) {
  ConnectOptions options = database().options();
  options.user = "nobody here";
  std::optional<Error> error = failure(options);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->sqlstate(), "28000");
  EXPECT_NE(error->message().find("role \"nobody here\" does not exist"), std::string::npos) << error->what();
}

TEST_F(Pg, TooManyConnectionsAreTransientAndTellTheWayOut) {
  database().execute("DROP ROLE IF EXISTS single; CREATE ROLE single LOGIN CONNECTION LIMIT 1");
  run([&](Context& context) -> Task<> {
    ConnectOptions options = database().options();
    options.user = "single";
    auto first = co_await Connection::connect(context, options);
    std::optional<Error> error;
    try {
      co_await Connection::connect(context, options);
    } catch (const Error& e) {
      error = e;
    }
    require(error.has_value());
    EXPECT_EQ(error->sqlstate(), "53300");
    EXPECT_EQ(error->kind(), Error::Kind::transient);
    EXPECT_NE(error->hint().find("max_connections"), std::string::npos);
  });
}

TEST_F(Pg, ARefusedConnectionNamesTheAddress) {
  ConnectOptions options = database().tcp_options();
  options.port = "1";
  std::optional<Error> error = failure(options);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), Error::Kind::transient);
  EXPECT_EQ(error->message(), "cannot connect to 127.0.0.1:1: connection refused");
  EXPECT_NE(error->hint().find("listen_addresses"), std::string::npos);
}

TEST_F(Pg, AMissingSocketNamesThePath) {
  ConnectOptions options = database().options();
  options.host = "/nonexistent";
  std::optional<Error> error = failure(options);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->message(),
            "cannot connect to /nonexistent/.s.PGSQL." + options.port + ": no such file or directory");
}

TEST_F(Pg, AHostThatDoesNotResolveIsNamed) {
  ConnectOptions options = database().tcp_options();
  options.host = "no.such.host.invalid";
  std::optional<Error> error = failure(options);
  ASSERT_TRUE(error);
  EXPECT_NE(error->message().find("host 'no.such.host.invalid' does not resolve"), std::string::npos)
      << error->what();
}

TEST_F(Pg, TlsThatTheServerLacksIsNamed) {
  ConnectOptions options = database().tcp_options();
  options.sslmode = "require";
  std::optional<Error> error = failure(options);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), Error::Kind::config);
  EXPECT_NE(error->message().find("(sslmode require)"), std::string::npos) << error->what();
}

// A server with a certificate for 127.0.0.1 that it has signed itself.
class Tls : public Pg {
 protected:
  Tls() {
    certificate_ = server_.data_folder() / "server.crt";
    auto key = server_.data_folder() / "server.key";
    std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test "
        "-addext subjectAltName=IP:127.0.0.1 -keyout " +
        key.string() + " -out " + certificate_.string() + " 2>/dev/null";
    if (std::system(command.c_str()) != 0) throw Error(Error::Kind::bug, "openssl cannot make a certificate");
    std::filesystem::permissions(key,
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    struct stat folder{};
    if (::stat(server_.data_folder().c_str(), &folder) != 0 ||
        ::chown(key.c_str(), folder.st_uid, folder.st_gid) != 0)
      throw Error(Error::Kind::bug, "cannot give the key to the server's user");
    Database(server_, "postgres").execute("ALTER SYSTEM SET ssl = on");
    server_.restart();
  }
  ConnectOptions options(std::string sslmode) {
    ConnectOptions result = Database(server_, "postgres").tcp_options();
    result.sslmode = std::move(sslmode);
    return result;
  }
  testing::PrivatePostgres server_;
  std::filesystem::path certificate_;
};

TEST_F(Tls, VerifiesCopiesAndCancels) {
  run([&](Context& context) -> Task<> {
    ConnectOptions verified = options("verify-full");
    verified.ssl_root_cert = certificate_.string();
    auto db = co_await Connection::connect(context, verified);
    Rows ssl = co_await db->query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    EXPECT_EQ(ssl.text(0, 0), "t");
    co_await db->start_copy_out(
        "COPY (SELECT i, repeat(chr(65 + i % 26), i % 40000) FROM generate_series(1, 3000) i) TO STDOUT");
    std::size_t rows = 0, bytes = 0;
    while (auto row = co_await db->next_copy()) {
      ++rows;
      bytes += row->size();
    }
    EXPECT_EQ(rows, 3000u);
    EXPECT_GT(bytes, 3000u * 3000u / 2);
    co_await db->start_copy_out("COPY (SELECT generate_series(1, 1000000000)) TO STDOUT");
    co_await db->next_copy();
    co_await db->cancel_copy();
    co_await db->run("CREATE TABLE t (v text)");
    co_await db->start_copy_in("COPY t FROM STDIN");
    std::string block;
    for (int i = 0; i < 100000; ++i) block += "some value to be stored\n";
    co_await db->send_copy(block);
    std::int64_t stored = co_await db->finish_copy_in();
    EXPECT_EQ(stored, 100000);
  });
}

TEST_F(Tls, CertificatesThatDoNotFitAreNamed) {
  std::optional<Error> unknown = failure(options("verify-ca"));
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->kind(), Error::Kind::config);
  EXPECT_NE(unknown->message().find("certificate"), std::string::npos) << unknown->what();
  EXPECT_NE(unknown->message().find("(sslmode verify-ca)"), std::string::npos) << unknown->what();
  ConnectOptions other_name = options("verify-full");
  other_name.ssl_root_cert = certificate_.string();
  other_name.host = "localhost";
  std::optional<Error> error = failure(other_name);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), Error::Kind::config);
  EXPECT_NE(error->message().find("does not match host name \"localhost\""), std::string::npos)
      << error->what();
}

TEST_F(Pg, AWrongSettingIsNamed) {
  ConnectOptions options = database().options();
  options.settings["TimeZone"] = "Nowhere";
  std::optional<Error> error = failure(options);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->sqlstate(), "22023");
  EXPECT_NE(error->message().find("Nowhere"), std::string::npos);
}

// A TCP port that takes connections and never answers.
class SilentPort {
 public:
  SilentPort() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address_;
    auto* address = reinterpret_cast<sockaddr*>(&address_);
    if (::bind(fd_, address, length) || ::listen(fd_, 1) || ::getsockname(fd_, address, &length))
      throw Error(Error::Kind::bug, "cannot listen");
  }
  ~SilentPort() { ::close(fd_); }
  std::string port() const { return std::to_string(ntohs(address_.sin_port)); }

 private:
  int fd_;
  sockaddr_in address_{};
};

Task<> advance_when_awaited(testing::FakeClock& clock, bool& done) {
  SteadyClock real;
  while (!done) {
    clock.advance(5s);
    co_await real.sleep(1ms);  // lets the other coroutine get to its wait, whose start nothing tells
  }
}

TEST_F(Pg, AServerThatDoesNotAnswerTimesOut) {
  SilentPort silent;
  CpuPool pool(1);
  std::optional<Error> error;
  testing::run([&](Loop& loop) -> Task<> {
    testing::FakeClock clock(loop.executor());
    Context context(loop.executor(), pool, clock, Log());
    ConnectOptions options = database().tcp_options();
    options.port = silent.port();
    bool done = false;
    co_await scoped([&](Scope& scope) -> Task<> {
      scope.spawn(advance_when_awaited(clock, done));
      try {
        co_await Connection::connect(context, options);
      } catch (const Error& e) {
        error = e;
      }
      done = true;
    });
  });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), Error::Kind::transient);
  EXPECT_EQ(error->message(), "cannot connect to 127.0.0.1:" + silent.port() + ": no answer within 20 s");
}

// COPY.

TEST_F(Pg, CopyOutGivesEveryRow) {
  run([&](Context& context) -> Task<> {
    auto db = co_await Connection::connect(context, database().options());
    co_await db->start_copy_out("COPY (SELECT i, 'x' FROM generate_series(1, 100000) i) TO STDOUT");
    std::int64_t sum = 0, rows = 0;
    for (;;) {
      std::optional<std::string_view> row = db->poll_copy();
      if (!row) row = co_await db->next_copy();
      if (!row) break;
      sum += std::atoll(row->data());
      ++rows;
      require(row->ends_with("\tx\n"));
    }
    EXPECT_EQ(rows, 100000);
    EXPECT_EQ(sum, 100000LL * 100001 / 2);
    Rows after = co_await db->query("SELECT 1");
    EXPECT_EQ(after.text(0, 0), "1");
  });
}

TEST_F(Pg, CopyOutInBlocks) {
  run([&](Context& context) -> Task<> {
    auto db = co_await Connection::connect(context, database().options());
    co_await db->start_copy_out("COPY (SELECT i FROM generate_series(1, 50000) i) TO STDOUT");
    std::string all;
    std::size_t blocks = 0;
    while (auto block = co_await db->next_copy_block(32_KiB)) {
      require(block->ends_with('\n'));
      all += *block;
      ++blocks;
    }
    EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 50000);
    EXPECT_TRUE(all.ends_with("\n50000\n"));
    EXPECT_GT(blocks, 5u);
    co_await db->start_copy_out("COPY (SELECT 1 WHERE false) TO STDOUT");
    auto none = co_await db->next_copy_block(32_KiB);
    EXPECT_FALSE(none);
  });
}

TEST_F(Pg, CopyOutThatFailsMidwayTellsWhy) {
  run([&](Context& context) -> Task<> {
    auto db = co_await Connection::connect(context, database().options());
    co_await db->start_copy_out("COPY (SELECT 1 / (5000 - i) FROM generate_series(1, 10000) i) TO STDOUT");
    std::optional<Error> error;
    std::size_t rows = 0;
    try {
      while (auto row = co_await db->next_copy()) ++rows;
    } catch (const Error& e) {
      error = e;
    }
    require(error.has_value());
    EXPECT_EQ(error->sqlstate(), "22012");
    EXPECT_EQ(rows, 4999u);
    Rows after = co_await db->query("SELECT 1");
    EXPECT_EQ(after.text(0, 0), "1");
  });
}

TEST_F(Pg, CopyOutCanBeLeftEarly) {
  run([&](Context& context) -> Task<> {
    auto db = co_await Connection::connect(context, database().options());
    co_await db->start_copy_out("COPY (SELECT generate_series(1, 1000000000)) TO STDOUT");
    auto row = co_await db->next_copy();
    EXPECT_EQ(row, "1\n");
    co_await db->cancel_copy();
    Rows after = co_await db->query("SELECT 1");
    EXPECT_EQ(after.text(0, 0), "1");
  });
}

TEST_F(Pg, CopyInStoresRowsOrGivesUp) {
  run([&](Context& context) -> Task<> {
    auto db = co_await Connection::connect(context, database().options());
    co_await db->run("CREATE TABLE t (i int, v text)");
    co_await db->start_copy_in("COPY t FROM STDIN");
    std::string rows;
    for (int i = 0; i < 100000; ++i) rows += std::to_string(i) + "\tvalue\n";
    co_await db->send_copy(rows);
    std::int64_t stored = co_await db->finish_copy_in();
    EXPECT_EQ(stored, 100000);
    co_await db->start_copy_in("COPY t FROM STDIN");
    co_await db->send_copy("1\tx\n");
    co_await db->fail_copy_in("changed its mind");
    co_await db->start_copy_in("COPY t FROM STDIN");
    co_await db->send_copy("one\tx\n");
    std::optional<Error> error;
    try {
      co_await db->finish_copy_in();
    } catch (const Error& e) {
      error = e;
    }
    require(error.has_value());
    EXPECT_EQ(error->sqlstate(), "22P02");
    Rows count = co_await db->query("SELECT count(*) FROM t");
    EXPECT_EQ(count.text(0, 0), "100000");
  });
}

TEST_F(Pg, CopyAsAnOrdinaryStatementIsABugAndHarmless) {
  run([&](Context& context) -> Task<> {
    auto db = co_await Connection::connect(context, database().options());
    co_await db->run("CREATE TABLE t (i int)");
    for (std::string sql : {"COPY (SELECT generate_series(1, 100000)) TO STDOUT", "COPY t FROM STDIN"}) {
      std::optional<Error> error;
      try {
        co_await db->run(sql);
      } catch (const Error& e) {
        error = e;
      }
      require(error.has_value());
      EXPECT_EQ(error->kind(), Error::Kind::bug);
      Rows after = co_await db->query("SELECT 1");
      EXPECT_EQ(after.text(0, 0), "1");
    }
  });
}

// Cancelling.

Task<> sleep_long(Connection& db, bool& started) {
  started = true;
  co_await db.query("SELECT pg_sleep(600)");
}
Task<> copy_unanswered(Connection& db, bool& started) {
  started = true;
  co_await db.start_copy_out("COPY (SELECT pg_sleep(600)) TO STDOUT");
}
Task<> copy_slowly(Connection& db, bool& started) {
  // Rows longer than the server's buffer leave it at once, but for their ends.
  co_await db.start_copy_out(
      "COPY (SELECT repeat('x', 9000), pg_sleep(CASE WHEN i < 3 THEN 0 ELSE 600 END) FROM generate_series(0, "
      "3) i) TO STDOUT");
  while (auto row = co_await db.next_copy()) started = true;
}
Task<> copy_in_slowly(Connection& db, bool& started) {
  co_await db.run("CREATE TABLE IF NOT EXISTS slow (i int)");
  co_await db.start_copy_in("COPY slow FROM STDIN");
  started = true;
  Event never(co_await asio::this_coro::executor);
  std::exception_ptr failure;
  try {
    co_await never.wait();
  } catch (...) {
    failure = std::current_exception();
  }
  co_await asio::this_coro::reset_cancellation_state();
  co_await db.fail_copy_in("cancelled");
  std::rethrow_exception(failure);
}

// Whether the backend of `db` runs nothing, as another session sees it.
Task<> wait_until_active(Connection& other, std::uint32_t pid, bool active) {
  std::string sql = "SELECT state = 'active' FROM pg_stat_activity WHERE pid = " + std::to_string(pid);
  for (int i = 0; i < 1000; ++i) {
    Rows rows = co_await other.query(sql);
    if ((rows.text(0, 0) == "t") == active) co_return;
    co_await other.query("SELECT pg_sleep(0.005)");
  }
  throw Error(Error::Kind::bug, "the other session does not get there");
}

using Victim = Task<> (*)(Connection&, bool&);
class Cancelling : public Pg, public ::testing::WithParamInterface<Victim> {};

TEST_P(Cancelling, EndsTheStatementInTheServerAndKeepsTheSession) {
  Victim victim = GetParam();
  run([&](Context& context) -> Task<> {
    auto db = co_await Connection::connect(context, database().options());
    auto other = co_await Connection::connect(context, database().options());
    bool started = false;
    auto before = context.clock.now();
    co_await scoped([&](Scope& scope) -> Task<> {
      scope.spawn(victim(*db, started));
      co_await wait_until_active(*other, db->backend_pid(), true);
      while (!started) co_await other->query("SELECT pg_sleep(0.005)");
      scope.cancel();
    });
    EXPECT_LT(context.clock.now() - before, 60s);
    require(!db->broken());
    co_await wait_until_active(*other, db->backend_pid(), false);
    Rows rows = co_await db->query("SELECT 'alive'");
    EXPECT_EQ(rows.text(0, 0), "alive");
  });
}
INSTANTIATE_TEST_SUITE_P(Pg, Cancelling,
                         ::testing::Values(&sleep_long, &copy_unanswered, &copy_slowly, &copy_in_slowly));

TEST_F(Pg, CancelledBeforeItStartsLeavesTheSessionUsable) {
  run([&](Context& context) -> Task<> {
    auto db = co_await Connection::connect(context, database().options());
    bool started = false;
    co_await scoped([&](Scope& scope) -> Task<> {
      scope.cancel();
      scope.spawn(sleep_long(*db, started));
      co_return;
    });
    Rows rows = co_await db->query("SELECT 'alive'");
    EXPECT_EQ(rows.text(0, 0), "alive");
  });
}

// Losing the server.

TEST_F(Pg, AKilledBackendIsATransientFailureWithTheServersWords) {
  run([&](Context& context) -> Task<> {
    auto db = co_await Connection::connect(context, database().options());
    auto other = co_await Connection::connect(context, database().options());
    std::vector<std::optional<std::string>> pid = {std::to_string(db->backend_pid())};
    co_await other->query("SELECT pg_terminate_backend($1::int, 10000)", pid);
    std::optional<Error> error;
    try {
      co_await db->query("SELECT 1");
    } catch (const Error& e) {
      error = e;
    }
    require(error.has_value());
    EXPECT_EQ(error->kind(), Error::Kind::transient);
    EXPECT_EQ(error->sqlstate(), "57P01");
    EXPECT_NE(error->message().find("lost: terminating connection due to administrator command"),
              std::string::npos)
        << error->what();
    EXPECT_TRUE(db->broken());
    error.reset();
    try {
      co_await db->query("SELECT 1");
    } catch (const Error& e) {
      error = e;
    }
    require(error.has_value());
    EXPECT_EQ(error->kind(), Error::Kind::transient);
  });
}

TEST_F(Pg, AServerThatRestartsInTheMiddleOfACopyIsATransientFailure) {
  testing::PrivatePostgres server;
  ConnectOptions options;
  options.host = server.socket_folder();
  options.port = server.port();
  options.user = options.database = "postgres";
  run([&](Context& context) -> Task<> {
    for (auto how : {testing::PrivatePostgres::Stop::fast, testing::PrivatePostgres::Stop::immediate}) {
      auto db = co_await Connection::connect(context, options);
      co_await db->start_copy_out("COPY (SELECT generate_series(1, 1000000000)) TO STDOUT");
      co_await db->next_copy();
      server.restart(how);
      std::optional<Error> error;
      try {
        while (auto row = co_await db->next_copy()) {
        }
      } catch (const Error& e) {
        error = e;
      }
      require(error.has_value());
      EXPECT_EQ(error->kind(), Error::Kind::transient) << error->what();
      EXPECT_TRUE(db->broken());
      auto again = co_await Connection::connect(context, options);
      Rows rows = co_await again->query("SELECT 1");
      EXPECT_EQ(rows.text(0, 0), "1");
    }
  });
}

TEST_F(Pg, AServerThatStartsUpIsATransientFailure) {
  testing::PrivatePostgres server;
  ConnectOptions options;
  options.host = server.socket_folder();
  options.port = server.port();
  options.user = options.database = "postgres";
  std::optional<Error> error;
  run([&](Context& context) -> Task<> {
    auto db = co_await Connection::connect(context, options);
    // A smart shutdown waits for this session and lets no other in.
    ::kill(server.postmaster(), SIGTERM);
    for (int i = 0; i < 1000 && !error; ++i) {
      try {
        co_await Connection::connect(context, options);
      } catch (const Error& e) {
        error = e;
      }
    }
  });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->sqlstate(), "57P03");
  EXPECT_EQ(error->kind(), Error::Kind::transient);
}

// Replication connections.

constexpr char start_stream[] =
    "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (\"proto_version\" '1', \"publication_names\" '\"p\"')";

Task<std::unique_ptr<Connection>> connect_for_replication(Context& context, ConnectOptions options) {
  options.replication = true;
  options.settings = pinned_settings();
  co_return co_await Connection::connect(context, std::move(options));
}

TEST_F(Pg, AReplicationConnectionTakesCommandsAndStreamsBothWays) {
  run([&](Context& context) -> Task<> {
    auto sql = co_await Connection::connect(context, database().options());
    co_await sql->run("CREATE TABLE t (i int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES");
    ConnectOptions options = database().options();
    auto stream = co_await connect_for_replication(context, options);
    Rows system = co_await stream->query("IDENTIFY_SYSTEM");
    EXPECT_EQ(system.name(0), "systemid");
    Rows slot =
        co_await stream->run("CREATE_REPLICATION_SLOT \"s\" TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT");
    EXPECT_TRUE(Lsn::parse(slot.text(0, 1)));
    co_await sql->run("INSERT INTO t VALUES (1)");
    co_await stream->start_replication(start_stream);
    std::string seen;
    while (seen.find('C') == std::string::npos) {
      auto message = co_await stream->next_copy();
      require(message.has_value());
      if ((*message)[0] == 'w') seen += (*message)[25];
    }
    EXPECT_EQ(seen, "BRIC");
  });
}

Task<> insert_slowly(Context& context, Connection& sql, int rows) {
  for (int i = 0; i < rows; ++i) {
    co_await context.clock.sleep(5ms);
    co_await sql.run("INSERT INTO t VALUES (" + std::to_string(i) + ", repeat('x', 9000))");
  }
}

// Until there are `most`, waiting each time for `patience`.
Task<> count_rows(Context& context, Connection& stream, Clock::Duration patience, int most, int& rows,
                  int& timeouts) {
  while (rows < most) {
    bool more = co_await stream.more_until(context.clock.now() + patience);
    if (!more) ++timeouts;
    while (auto message = stream.poll_copy())
      if ((*message)[0] == 'w' && (*message)[25] == 'I') ++rows;
  }
}

struct Ends {
  std::unique_ptr<Connection> sql, stream;
};

// A table t that is published, and the stream of its changes.
Task<Ends> start_streaming(Context& context, ConnectOptions options) {
  Ends ends;
  ends.sql = co_await Connection::connect(context, options);
  co_await ends.sql->run("CREATE TABLE t (i int PRIMARY KEY, t text); CREATE PUBLICATION p FOR ALL TABLES");
  ends.stream = co_await connect_for_replication(context, std::move(options));
  co_await ends.stream->run("CREATE_REPLICATION_SLOT \"s\" TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT");
  co_await ends.stream->start_replication(start_stream);
  co_return ends;
}

TEST_F(Pg, AWaitWithADeadlineLosesNothingOfTheStream) {
  run([&](Context& context) -> Task<> {
    ConnectOptions options = database().options();
    Ends ends = co_await start_streaming(context, options);
    int rows = 0, timeouts = 0;
    co_await all(insert_slowly(context, *ends.sql, 20),
                 count_rows(context, *ends.stream, 1ms, 20, rows, timeouts));
    EXPECT_EQ(rows, 20);
    EXPECT_GT(timeouts, 0);
  });
}

TEST_F(Pg, WhoAsksTooLateStillSeesWhatArrives) {
  run([&](Context& context) -> Task<> {
    ConnectOptions options = database().options();
    Ends ends = co_await start_streaming(context, options);
    int rows = 0, timeouts = 0;
    co_await all(count_rows(context, *ends.stream, -1s, 3, rows, timeouts),
                 insert_slowly(context, *ends.sql, 3));
    EXPECT_EQ(rows, 3);
  });
}

Task<> wait_long(Context& context, Connection& stream) {
  co_await stream.more_until(context.clock.now() + 1h);
}
Task<> rest_long(Context& context, Connection& stream) { return stream.rest_until(context.clock.now() + 1h); }

// Over TCP: its sockets hold back what arrives during a rest.
using Idle = Task<> (*)(Context&, Connection&);
class StreamCancelling : public Pg, public ::testing::WithParamInterface<Idle> {};

TEST_P(StreamCancelling, LeavesTheStreamAsItIs) {
  Idle idle = GetParam();
  run([&](Context& context) -> Task<> {
    ConnectOptions options = database().tcp_options();
    Ends ends = co_await start_streaming(context, options);
    co_await scoped([&](Scope& scope) -> Task<> {
      scope.spawn(idle(context, *ends.stream));
      co_await context.clock.sleep(20ms);
      scope.cancel();
    });
    int rows = 0, timeouts = 0;
    co_await all(insert_slowly(context, *ends.sql, 3),
                 count_rows(context, *ends.stream, 60s, 3, rows, timeouts));
    EXPECT_EQ(rows, 3);
    EXPECT_EQ(timeouts, 0);
  });
}
INSTANTIATE_TEST_SUITE_P(Pg, StreamCancelling, ::testing::Values(&wait_long, &rest_long));

// Whether it is little or more than a socket holds back.
TEST_F(Pg, WhatArrivesDuringARestIsThereAfterIt) {
  run([&](Context& context) -> Task<> {
    ConnectOptions options = database().tcp_options();
    Ends ends = co_await start_streaming(context, options);
    Connection& stream = *ends.stream;
    for (int most : {1, 400}) {
      co_await ends.sql->run(
          "TRUNCATE t; INSERT INTO t SELECT n, repeat('x', 9000) FROM generate_series(1, " +
          std::to_string(most) + ") n");
      for (int rows = 0; rows < most;) {
        co_await stream.rest_until(context.clock.now() + 10ms);
        while (auto message = stream.poll_copy())
          if ((*message)[0] == 'w' && (*message)[25] == 'I') ++rows;
      }
    }
  });
}

// The server's own words come first: an administrator ends the walsender.
Task<> expect_end(Context& context, Ends& ends, Idle pause) {
  Connection& stream = *ends.stream;
  co_await ends.sql->run("SELECT pg_terminate_backend(" + std::to_string(stream.backend_pid()) + ")");
  std::optional<Error> error;
  try {
    for (;;) {
      while (stream.poll_copy()) {
      }
      co_await pause(context, stream);
    }
  } catch (const Error& e) {
    error = e;
  }
  require(error.has_value());
  EXPECT_EQ(error->kind(), Error::Kind::transient);
  EXPECT_EQ(error->sqlstate(), "57P01") << error->what();
}

TEST_F(Pg, TheEndOfTheStreamIsSaidOfWhoWaits) {
  run([&](Context& context) -> Task<> {
    ConnectOptions options = database().options();
    Ends ends = co_await start_streaming(context, options);
    co_await expect_end(context, ends, &wait_long);
  });
}

// A rest takes in what has come, and the wait behind it says what is to be said of that.
Task<> rest_and_look(Context& context, Connection& stream) {
  co_await stream.rest_until(context.clock.now() + 5ms);
  while (stream.poll_copy()) {
  }
  co_await stream.more_until(context.clock.now());
}

TEST_F(Pg, TheEndOfTheStreamIsSaidOfWhoRests) {
  run([&](Context& context) -> Task<> {
    ConnectOptions options = database().tcp_options();
    Ends ends = co_await start_streaming(context, options);
    co_await expect_end(context, ends, &rest_and_look);
    require(ends.stream->broken());
    EXPECT_THROW(co_await ends.stream->rest_until(context.clock.now()), Error);
  });
}

// Text.

TEST(PgText, Quotes) {
  EXPECT_EQ(quote_identifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(quote_table("S", "t.u"), "\"S\".\"t.u\"");
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
  EXPECT_EQ(quote_literal("a\\b'"), "E'a\\\\b'''");
}

TEST(PgText, Lsn) {
  EXPECT_EQ(Lsn{0x16B374D848}.text(), "16/B374D848");
  EXPECT_EQ(Lsn::parse("16/B374D848"), Lsn{0x16B374D848});
  EXPECT_EQ(Lsn::parse("ffffffff/ffffffff"), Lsn{~std::uint64_t{0}});
  for (const char* bad : {"", "/", "1", "1/", "/1", "1/2/3", "123456789/0", "g/0", "-1/0", " 1/0", "0x1/0"})
    EXPECT_FALSE(Lsn::parse(bad)) << bad;
}

}  // namespace
}  // namespace sluice::pg
