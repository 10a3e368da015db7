// What is said when a file cannot be used: which file, and the way out.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "database.hpp"
#include "sluice/base/error.hpp"
#include "support.hpp"

namespace sluice::testing {
namespace {

using Lines = std::vector<std::string>;
using protocol::MaterializationSpec;

struct Errors : ::testing::Test {
  TempFolder folder;
  std::string file = folder.file("out.db");

  static MaterializationSpec task(const std::string& path) {
    return spec(config_of(path), {binding(shop(), BindingOptions("shop"))});
  }
  template <class Work>
  static std::string failure(Work work) {
    try {
      work();
    } catch (const Error& e) {
      return e.what();
    }
    return {};
  }
  // Of Validate, Apply and a session on `path`; each must fail alike.
  static std::string every_failure(const std::string& path) {
    MaterializationSpec s = task(path);
    protocol::materialize::Validate request;
    request.config_json = s.config_json;
    request.bindings.emplace_back();
    request.bindings[0].resource_config_json = R"({"table":"shop"})";
    request.bindings[0].collection = shop();
    Bench bench;
    std::string validate = failure([&] { bench.validate(request); });
    std::string apply = failure([&] { bench.apply(s); });
    std::string open = failure([&] { bench.transact(s, {}); });
    EXPECT_NE(validate, "");
    EXPECT_EQ(apply, open);
    return validate == apply ? validate : validate + "\n" + apply;
  }
  // What `work` dies of in a process of its own.
  template <class Work>
  static std::string in_child(Work work) {
    int ends[2];
    SLUICE_CHECK(::pipe(ends) == 0);
    pid_t child = ::fork();
    if (child == 0) {
      std::string what = failure(work);
      bool written = ::write(ends[1], what.data(), what.size()) == static_cast<ssize_t>(what.size());
      ::_exit(written ? 0 : 1);
    }
    ::close(ends[1]);
    std::string what;
    char buffer[4096];
    for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;)
      what.append(buffer, static_cast<std::size_t>(n));
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    return what;
  }
};

Stored row(int id, std::size_t size) {
  return Stored(fmt::format("[{}]", id), R"(["c",1,"x"])",
                fmt::format("{{\"pad\":\"{}\"}}", std::string(size, 'x')));
}

TEST_F(Errors, AFolder) {
  EXPECT_EQ(every_failure(folder.path()),
            fmt::format("database path '{}' is a folder. Name a file in it: `path` in the configuration.",
                        folder.path()));
}

TEST_F(Errors, AMissingFolder) {
  std::string what = every_failure(folder.file("no/such.db"));
  EXPECT_NE(what.find(folder.file("no")), std::string::npos);
  EXPECT_NE(what.find("does not exist. Create it, or change `path`."), std::string::npos) << what;
}

TEST_F(Errors, AFileAsFolder) {
  std::ofstream(file) << "x";
  EXPECT_NE(every_failure(file + "/out.db").find(fmt::format("folder '{}'", file)), std::string::npos);
}

TEST_F(Errors, AnotherKindOfFile) {
  std::ofstream(file) << std::string(5000, 'x');
  std::string what = every_failure(file);
  EXPECT_NE(
      what.find(fmt::format("database '{}': file is not a database. Another kind of file is there", file)),
      std::string::npos)
      << what;
}

TEST_F(Errors, ADamagedFile) {
  Bench bench;
  MaterializationSpec s = task(file);
  bench.apply(s);
  std::vector<Stored> documents;
  for (int i = 0; i < 2000; ++i) documents.push_back(row(i, 200));
  bench.transact(s, std::move(documents));
  {
    std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
    for (int page = 3; page < 40; ++page) {
      out.seekp(page * 8192);
      out << std::string(8192, '\x5a');
    }
  }
  std::string what = failure([&] {
    std::vector<Stored> more;
    for (int i = 0; i < 2000; ++i) more.push_back(row(i, 300).exist());
    bench.transact(s, std::move(more));
  });
  EXPECT_NE(what.find(fmt::format("database '{}': database disk image is malformed. Restore the file", file)),
            std::string::npos)
      << what;
}

TEST_F(Errors, AFileThatMayNotGrow) {
  Bench().apply(task(file));
  std::string what = in_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{1 << 20, 1 << 20};
    SLUICE_CHECK(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    std::vector<Stored> documents;
    for (int i = 0; i < 100; ++i) documents.push_back(row(i, 50'000));
    Bench bench;
    bench.transact(task(file), std::move(documents));
  });
  EXPECT_NE(what.find(fmt::format("database '{}': ", file)), std::string::npos) << what;
  EXPECT_NE(what.find("Nothing is lost"), std::string::npos) << what;
  EXPECT_EQ(rows(file, "SELECT count(*) FROM shop"), Lines{"0"});
  Bench bench;
  bench.transact(task(file), {row(1, 10)});
  EXPECT_EQ(rows(file, "SELECT count(*) FROM shop"), Lines{"1"});
}

// Root may write everywhere.
void become_nobody() {
  if (::geteuid() == 0) SLUICE_CHECK(::setgid(65534) == 0 && ::setuid(65534) == 0);
}

TEST_F(Errors, AFolderWithoutPermission) {
  namespace fs = std::filesystem;
  fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_read |
                                     fs::perms::others_exec);
  auto what = in_child([&] {
    become_nobody();
    throw Error(Error::Kind::config, every_failure(file));
  });
  EXPECT_EQ(
      what,
      fmt::format("folder '{}' of database path '{}' is not writable, and SQLite keeps its log beside the "
                  "file. Make it writable for this user, or change `path`.",
                  folder.path(), file));
  fs::permissions(folder.path(), fs::perms::owner_all);
}

TEST_F(Errors, AFileWithoutPermission) {
  namespace fs = std::filesystem;
  Bench().apply(task(file));
  fs::permissions(file, fs::perms::owner_read | fs::perms::others_read);
  fs::permissions(folder.path(), fs::perms::all);
  std::string what = in_child([&] {
    become_nobody();
    throw Error(Error::Kind::config, every_failure(file));
  });
  EXPECT_EQ(what, fmt::format(
                      "database file '{}' is not writable. Make it writable for this user, or change `path`.",
                      file));
}

TEST_F(Errors, AValueBeyondWhatSqliteTakes) {
  sqlite::Database database(file, sqlite::Database::Access::create);
  std::string what = failure([&] { database.execute("SELECT zeroblob(3000000000)"); });
  EXPECT_NE(what.find("string or blob too big. SQLite takes values and rows of up to 1,000,000,000 bytes"),
            std::string::npos)
      << what;
}

TEST_F(Errors, TooManyPages) {
  sqlite::Database database(file, sqlite::Database::Access::create);
  database.execute("CREATE TABLE t (x)");
  database.query_integer("PRAGMA max_page_count=4");
  try {
    database.execute("INSERT INTO t VALUES (zeroblob(1000000))");
    FAIL() << "stored";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::transient);
    EXPECT_EQ(std::string(e.what()),
              fmt::format(
                  "database '{0}': database or disk is full. Free space on the file system of '{0}', or move "
                  "the file and change `path`. Nothing is lost: the transaction was rolled back and will be "
                  "repeated.",
                  file));
  }
}

}  // namespace
}  // namespace sluice::testing
