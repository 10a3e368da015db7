// Whole sessions: what is loaded, stored, deleted and committed.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <thread>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/protocol/messages.hpp"
#include "support.hpp"

namespace sluice::testing {
namespace {

using Lines = std::vector<std::string>;
using protocol::Exists;
using protocol::MaterializationSpec;
using protocol::RangeSpec;

// One file, one table `shop`.
struct Session : ::testing::Test {
  TempFolder folder;
  std::string file = folder.file("out.db");
  Bench bench;

  MaterializationSpec task(BindingOptions options = BindingOptions("shop"), std::string_view more = {}) {
    return spec(config_of(file, more), {binding(shop(), options)});
  }
  MaterializationSpec applied(BindingOptions options = BindingOptions("shop"), std::string_view more = {}) {
    MaterializationSpec s = task(std::move(options), more);
    bench.apply(s);
    return s;
  }
  Lines shop_rows() {
    return rows(file, "SELECT id, \"_meta/op\", n, name, flow_document FROM shop ORDER BY id");
  }
};

Stored row(int id, std::string name, std::string op = "c") {
  return Stored(fmt::format("[{}]", id), fmt::format(R"(["{}",null,"{}"])", op, name),
                fmt::format(R"({{"id":{}}})", id));
}

Task<> first_rows(Peer peer) {
  auto opened = co_await peer.opened();
  EXPECT_TRUE(opened.runtime_checkpoint && protocol::is_zero(*opened.runtime_checkpoint));
  EXPECT_FALSE(opened.disable_load_optimization);
  Keys none;
  std::vector<Stored> documents{Stored("[1]", R"(["c",10,"one"])", R"({"id":1,"name":"one"})"),
                                Stored("[2]", R"(["c",null,"two"])", R"({"id":2,"name":"two"})")};
  auto found = co_await peer.transaction(std::move(none), std::move(documents), checkpoint(7));
  EXPECT_EQ(found, Lines{});
  co_await peer.drain();
}

Task<> second_rows(Peer peer) {
  auto opened = co_await peer.opened();
  EXPECT_EQ(read_through(opened.runtime_checkpoint), 7);
  Keys keys{{0, "[2]"}, {0, "[3]"}, {0, "[1]"}};
  std::vector<Stored> documents{Stored("[2]", R"(["u",5,"deux"])", R"({"id":2,"name":"deux"})").exist(),
                                Stored("[3]", R"(["c",6,"three"])", R"({"id":3})")};
  auto found = co_await peer.transaction(std::move(keys), std::move(documents), checkpoint(8));
  EXPECT_EQ(found, (Lines{R"(0 {"id":1,"name":"one"})", R"(0 {"id":2,"name":"two"})"}));
  co_await peer.drain();
}

TEST_F(Session, InsertsUpdatesAndResumes) {
  MaterializationSpec s = applied();
  bench.session(s, first_rows);
  bench.session(s, second_rows);
  EXPECT_EQ(shop_rows(), (Lines{R"(1|c|10|one|{"id":1,"name":"one"})", R"(2|u|5|deux|{"id":2,"name":"deux"})",
                                R"(3|c|6|three|{"id":3})"}));
  EXPECT_EQ(rows(file, "SELECT materialization, key_begin, key_end, fence FROM flow_checkpoints_v1"),
            Lines{"acme/sink|0|4294967295|1"});
  // The log does not outlive the session.
  EXPECT_FALSE(std::filesystem::exists(file + "-wal"));
}

TEST_F(Session, CommitsWithoutDocuments) {
  MaterializationSpec s = applied();
  bench.transact(s, {}, {}, 5);
  bench.session(s, [](Peer p) -> Task<> {
    auto opened = co_await p.opened();
    EXPECT_EQ(read_through(opened.runtime_checkpoint), 5);
    co_await p.drain();
  });
}

TEST_F(Session, DeletedDocumentsAreStoredUnlessToldOtherwise) {
  MaterializationSpec s = applied();
  bench.transact(s, {row(1, "a"), row(2, "b").removed()});
  bench.transact(s, {row(1, "a", "d").exist().removed()});
  EXPECT_EQ(shop_rows(), (Lines{R"(1|d|NULL|a|{"id":1})", R"(2|c|NULL|b|{"id":2})"}));
}

TEST_F(Session, HardDelete) {
  MaterializationSpec s = applied(BindingOptions("shop"), R"(,"hardDelete":true)");
  // Created and deleted in one transaction: never there. A deletion that met no document: a row.
  bench.transact(s, {row(1, "a"), row(2, "b"), row(3, "c").removed(), row(4, "d", "d")});
  EXPECT_EQ(shop_rows(),
            (Lines{R"(1|c|NULL|a|{"id":1})", R"(2|c|NULL|b|{"id":2})", R"(4|d|NULL|d|{"id":4})"}));
  bench.transact(
      s, {row(1, "a", "d").exist().removed(), row(2, "b2", "u").exist(), row(9, "x").exist().removed()});
  EXPECT_EQ(shop_rows(), (Lines{R"(2|u|NULL|b2|{"id":2})", R"(4|d|NULL|d|{"id":4})"}));
}

TEST_F(Session, RowsThatOthersRemovedOrMadeAreNoObstacle) {
  MaterializationSpec s = applied();
  bench.transact(s, {row(1, "a"), row(2, "b")});
  execute(file, "DELETE FROM shop WHERE id = 1; INSERT INTO shop (id, flow_document) VALUES (3, '{}')");
  bench.transact(s, {row(1, "a2", "u").exist(), row(3, "c")});
  EXPECT_EQ(shop_rows(),
            (Lines{R"(1|u|NULL|a2|{"id":1})", R"(2|c|NULL|b|{"id":2})", R"(3|c|NULL|c|{"id":3})"}));
}

TEST_F(Session, DeltaUpdatesAppend) {
  BindingOptions delta("shop");
  delta.delta = true;
  MaterializationSpec s = applied(delta, R"(,"hardDelete":true)");
  bench.transact(s, {row(1, "a"), row(1, "b", "d"), row(1, "c", "d").removed()});
  bench.transact(s, {row(1, "d")});
  EXPECT_EQ(rows(file, "SELECT id, name FROM shop ORDER BY rowid"), (Lines{"1|a", "1|b", "1|c", "1|d"}));
}

TEST_F(Session, TablesOfKeysAlone) {
  BindingOptions keys("shop", {});
  keys.document.clear();
  MaterializationSpec s = applied(keys);
  Keys load{{0, "[1]"}};
  EXPECT_EQ(bench.transact(s, std::move(load), {Stored("[1]", "[]", "")}), Lines{});
  bench.transact(s, {Stored("[1]", "[]", "").exist(), Stored("[2]", "[]", "")});
  EXPECT_EQ(rows(file, "SELECT * FROM shop"), (Lines{"1", "2"}));
}

// A table by keys (a, b), strings; b may be null where it has a default.
MaterializationSpec two_keys(const std::string& file, bool nullable) {
  protocol::CollectionSpec c;
  c.name = "acme/pairs";
  c.key = {"/a", "/b"};
  c.projections = {
      projection("a", "/a", {"string"}, Exists::must), projection("b", "/b", {"string"}, Exists::must),
      projection("flow_document", "", {"object"}, Exists::must), projection("v", "/v", {"integer"})};
  c.projections[0].is_primary_key = c.projections[1].is_primary_key = true;
  if (nullable) {
    c.projections[1].inference->types = {"null", "string"};
    c.projections[1].inference->default_json = "null";
  }
  BindingOptions options("pairs", {"v"});
  options.keys = {"a", "b"};
  return spec(config_of(file, R"(,"hardDelete":true)"), {binding(c, options)});
}

TEST_F(Session, CompoundKeys) {
  MaterializationSpec s = two_keys(file, false);
  bench.apply(s);
  bench.transact(s, {Stored(R"(["","ab"])", "[1]", "1"), Stored(R"(["a","b"])", "[2]", "2"),
                     Stored(R"(["ab",""])", "[3]", "3"), Stored(R"(["b","a"])", "[4]", "4")});
  Keys keys{{0, R"(["ab",""])"}, {0, R"(["","ab"])"}, {0, R"(["",""])"}};
  EXPECT_EQ(bench.transact(s, std::move(keys), {Stored(R"(["a","b"])", "[5]", "5").exist()}),
            (Lines{"0 1", "0 3"}));
  EXPECT_EQ(rows(file, "SELECT a, b, v FROM pairs ORDER BY a, b"),
            (Lines{"|ab|1", "a|b|5", "ab||3", "b|a|4"}));
}

TEST_F(Session, NullKeysAreOneKey) {
  MaterializationSpec s = two_keys(file, true);
  bench.apply(s);
  bench.transact(s, {Stored(R"(["a",null])", "[1]", "1"), Stored(R"(["a","x"])", "[2]", "2")});
  Keys keys{{0, R"(["a",null])"}, {0, R"(["b",null])"}};
  EXPECT_EQ(bench.transact(s, std::move(keys), {Stored(R"(["a",null])", "[3]", "3").exist()}), Lines{"0 1"});
  EXPECT_EQ(rows(file, "SELECT a, b, v FROM pairs ORDER BY v"), (Lines{"a|x|2", "a|NULL|3"}));
  bench.transact(s, {Stored(R"(["a",null])", "[3]", "3").exist().removed()});
  EXPECT_EQ(rows(file, "SELECT a, b, v FROM pairs"), Lines{"a|x|2"});
}

// A single INTEGER key is the rowid, which turns null into a number of its own.
MaterializationSpec null_id(const std::string& file, std::string_view field_config = {}) {
  protocol::CollectionSpec c = shop();
  auto& id = *std::ranges::find(c.projections, "id", &protocol::Projection::field);
  id.inference->types = {"integer", "null"};
  id.inference->default_json = "null";
  protocol::MaterializationBinding b = binding(c, BindingOptions("shop"));
  if (!field_config.empty()) b.field_selection->field_config_json_map["id"] = field_config;
  return spec(config_of(file), {b});
}

Stored null_row(std::string name) {
  return Stored("[null]", fmt::format(R"(["c",null,"{}"])", name), R"({"id":null})");
}

TEST_F(Session, NullIntegerKeysAreOneKey) {
  for (std::string_view config : {"", R"({"DDL":"integer"})"}) {
    SCOPED_TRACE(config);
    std::filesystem::remove(file);
    MaterializationSpec s = null_id(file, config);
    bench.apply(s);
    bench.transact(s, {null_row("a"), row(1, "one")});
    Keys keys{{0, "[null]"}, {0, "[1]"}, {0, "[2]"}};
    EXPECT_EQ(bench.transact(s, std::move(keys), {null_row("b").exist(), row(2, "two")}),
              (Lines{R"(0 {"id":1})", R"(0 {"id":null})"}));
    bench.transact(s, {row(1, "uno").exist()});
    EXPECT_EQ(rows(file, "SELECT typeof(id), id, name FROM shop ORDER BY id"),
              (Lines{"null|NULL|b", "integer|1|uno", "integer|2|two"}));
    EXPECT_EQ(bench.apply(s, &s).action_description, "");
  }
}

TEST_F(Session, ARowidTakesNoNullKeys) {
  MaterializationSpec s = applied();
  bench.transact(s, {row(1, "a")});
  for (std::string_view config : {"", R"({"DDL":"INTEGER"})"}) {
    MaterializationSpec next = null_id(file, config);
    bench.apply(next, &s);
    std::string what;
    try {
      bench.transact(next, {null_row("b")});
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), Error::Kind::config);
      what = e.what();
    }
    EXPECT_EQ(what,
              "key 'id' may be null, but its column in table 'shop' is the rowid, which cannot be. Increment "
              "the binding's backfill counter to re-create the table.");
  }
  EXPECT_EQ(rows(file, "SELECT id, name FROM shop"), Lines{"1|a"});
  MaterializationSpec again = null_id(file);
  again.bindings[0].backfill = 1;
  bench.apply(again, &s);
  bench.transact(again, {null_row("b")});
  EXPECT_EQ(rows(file, "SELECT id, name FROM shop"), Lines{"NULL|b"});
}

TEST_F(Session, IntegerKeysBeyond64Bits) {
  MaterializationSpec s = applied();
  bench.transact(s, {row(1, "a")});
  Stored wide("[18446744073709551615]", R"(["c",null,"wide"])", R"({"id":"wide"})");
  Keys early{{0, "[18446744073709551615]"}};
  EXPECT_EQ(bench.transact(s, std::move(early), {wide, row(2, "b")}), Lines{});
  Keys keys{{0, "[18446744073709551615]"}, {0, "[1]"}, {0, "[2]"}};
  EXPECT_EQ(bench.transact(s, std::move(keys), {wide.exist()}).size(), 3u);
  EXPECT_EQ(rows(file, "SELECT typeof(id), id, name FROM shop ORDER BY id"),
            (Lines{"integer|1|a", "integer|2|b", "text|18446744073709551615|wide"}));
}

TEST_F(Session, ManyBindingsShareFewStatements) {
  std::vector<protocol::MaterializationBinding> bindings;
  for (int i = 0; i < 400; ++i) bindings.push_back(binding(shop(), BindingOptions(fmt::format("t{}", i))));
  MaterializationSpec s = spec(config_of(file), bindings);
  bench.apply(s);
  std::vector<Stored> documents;
  Keys keys;
  for (std::uint32_t i = 0; i < 400; ++i) {
    documents.push_back(row(static_cast<int>(i), fmt::format("row {}", i)).of(i));
    keys.push_back({i, fmt::format("[{}]", i)});
  }
  EXPECT_TRUE(bench.transact(s, keys, documents).empty());
  for (Stored& d : documents) d.exist();
  EXPECT_EQ(bench.transact(s, keys, documents).size(), 400u);
  EXPECT_EQ(rows(file, "SELECT name FROM t399"), Lines{"row 399"});
}

TEST_F(Session, LoadsMoreKeysThanMemoryHolds) {
  MaterializationSpec s = applied();
  std::vector<Stored> documents;
  Keys keys;
  for (int i = 0; i < 5000; ++i) {
    if (i % 2) documents.push_back(row(i, "x"));
    keys.push_back({0, fmt::format("[{}]", i * 7 % 5000)});
  }
  bench.transact(s, std::move(documents));
  Bench small(64 << 10);
  // Twice in one session: what was set aside for the first does not appear in the second.
  Lines first, second;
  small.session(s, [&](Peer p) -> Task<> {
    co_await p.opened();
    Keys few{{0, "[1]"}, {0, "[2]"}};
    std::vector<Stored> none;
    for (std::size_t i = 1; i < keys.size(); i += 100) few.push_back(keys[i]);
    first = co_await p.transaction(std::move(keys), none, checkpoint(2));
    second = co_await p.transaction(std::move(few), none, checkpoint(3));
    co_await p.drain();
  });
  EXPECT_EQ(first.size(), 2500u);
  EXPECT_EQ(second.size(), 51u);
}

// ---- fence ----

TEST_F(Session, ANewerSessionFencesOffTheOlder) {
  MaterializationSpec s = applied();
  Bench other;
  bool newer_done = false;
  std::string what = bench.failure(s, [&](Peer p) -> Task<> {
    co_await p.opened();
    Keys none;
    std::vector<Stored> first{row(1, "older")};
    co_await p.transaction(std::move(none), std::move(first), checkpoint(1));
    // In between, another process takes over.
    other.transact(s, {row(2, "newer")});
    newer_done = true;
    Keys nothing;
    std::vector<Stored> more{row(3, "too late")};
    co_await p.transaction(std::move(nothing), std::move(more), checkpoint(3));
  });
  EXPECT_TRUE(newer_done);
  EXPECT_NE(what.find("'acme/sink' was fenced off by another instance"), std::string::npos) << what;
  EXPECT_EQ(rows(file, "SELECT id, name FROM shop"), (Lines{"1|older", "2|newer"}));
}

// Another program's connection, which holds the write lock.
class Holder {
 public:
  explicit Holder(const std::string& file) {
    SLUICE_CHECK(sqlite3_open(file.c_str(), &db_) == SQLITE_OK);
    SLUICE_CHECK(sqlite3_exec(db_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  ~Holder() { sqlite3_close(db_); }

 private:
  sqlite3* db_ = nullptr;
};

TEST_F(Session, ALockedFileIsWaitedForUpToALimit) {
  MaterializationSpec s = applied();
  SkippingClock clock;
  Bench patient(64 << 20, &clock);
  std::optional<Holder> holder(file);
  std::string what = patient.failure(s, first_rows);
  EXPECT_NE(what.find("is locked: another program has been writing to it for 30 s"), std::string::npos)
      << what;
  EXPECT_TRUE(patient.logged("waiting for another program that writes to the database"));
  int sleeps = 0;
  clock.at_sleep = [&] {
    if (++sleeps == 20) holder.reset();
  };
  patient.session(s, first_rows);
  EXPECT_EQ(sleeps, 20);
}

TEST_F(Session, TurningTheLogOnWaitsForOthers) {
  execute(file, "CREATE TABLE other (x)");  // a file without a write-ahead log
  SkippingClock clock;
  Bench patient(64 << 20, &clock);
  std::optional<Holder> holder(file);
  std::string what;
  try {
    patient.apply(task());
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::transient);
    what = e.what();
  }
  EXPECT_NE(what.find("is locked: another program has been writing to it for 30 s"), std::string::npos)
      << what;
  EXPECT_EQ(rows(file, "PRAGMA journal_mode"), Lines{"delete"});
  int sleeps = 0;
  clock.at_sleep = [&] {
    if (++sleeps == 20) holder.reset();
  };
  patient.session(task(), first_rows);
  EXPECT_EQ(sleeps, 20);
  EXPECT_EQ(rows(file, "PRAGMA journal_mode"), Lines{"wal"});
}

TEST_F(Session, TasksThatStartOnOneNewFileTakeTurns) {
  auto play = [&](std::string_view name, std::string& failure) {
    MaterializationSpec s = task(BindingOptions(std::string(name)));
    s.name = fmt::format("acme/{}", name);
    Bench own;
    try {
      own.apply(s);
      own.transact(s, {row(1, "a"), row(2, "b")});
    } catch (const std::exception& e) {
      failure = e.what();
    }
  };
  for (int round = 0; round < 40; ++round) {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file + suffix);
    std::string first, second;
    std::thread other([&] { play("one", first); });
    play("two", second);
    other.join();
    ASSERT_EQ(first, "") << "round " << round;
    ASSERT_EQ(second, "") << "round " << round;
    ASSERT_EQ(rows(file, "SELECT count(*) FROM one UNION ALL SELECT count(*) FROM two"), (Lines{"2", "2"}));
  }
}

TEST_F(Session, ATransactionWaitsForAnotherTasks) {
  MaterializationSpec s = applied();
  SkippingClock clock;
  Bench patient(64 << 20, &clock);
  std::optional<Holder> holder;
  clock.at_sleep = [&] {
    if (clock.now().time_since_epoch() > std::chrono::seconds(60)) holder.reset();
  };
  patient.session(s, [&](Peer p) -> Task<> {
    co_await p.opened();
    holder.emplace(file);
    Keys none;
    std::vector<Stored> documents{row(1, "a")};
    co_await p.transaction(std::move(none), std::move(documents), checkpoint(1));
    co_await p.drain();
  });
  EXPECT_EQ(shop_rows(), Lines{R"(1|c|NULL|a|{"id":1})"});
}

TEST_F(Session, ALockThatIsNeverReleasedEndsTheTransaction) {
  MaterializationSpec s = applied();
  SkippingClock clock;
  Bench patient(64 << 20, &clock);
  std::optional<Holder> holder;
  std::string what = patient.failure(s, [&](Peer p) -> Task<> {
    co_await p.opened();
    holder.emplace(file);
    Keys none;
    std::vector<Stored> documents{row(1, "a")};
    co_await p.transaction(std::move(none), std::move(documents), checkpoint(1));
  });
  EXPECT_NE(what.find("is locked: another program has been writing to it for 300 s"), std::string::npos)
      << what;
}

// Rows as "[begin,end] fence checkpoint", of this task and of another that never changes.
struct Fences : ::testing::Test {
  TempFolder folder;
  std::string file = folder.file("out.db");
  Bench bench;
  MaterializationSpec task =
      spec(config_of(file, R"(,"advanced":{"feature_flags":"no_strict_shard_ranges"})"), {});

  void before(std::vector<std::tuple<int, int, int, int>> with) {
    bench.apply(task);
    auto add = [&](std::string_view name, int begin, int end, int fence, int read) {
      execute(file, fmt::format("INSERT INTO flow_checkpoints_v1 VALUES ('{}', {}, {}, {}, '{}')", name,
                                begin, end, fence, text_of(checkpoint(read))));
    };
    add("acme/other", 0, 1000, 3, 9);
    for (auto [begin, end, fence, read] : with) add("acme/sink", begin, end, fence, read);
  }
  static std::string text_of(const protocol::Checkpoint& c) { return text::base64(protocol::encode(c)); }
  // [begin,end] fence read_through, after opening [begin, end] and committing checkpoint 99 there.
  Lines open_and_commit(std::uint32_t begin, std::uint32_t end, std::int64_t& opened) {
    RangeSpec range;
    range.key_begin = begin;
    range.key_end = end;
    range.r_clock_end = 0xffffffff;
    bench.session(task, range, [&](Peer p) -> Task<> {
      auto message = co_await p.opened();
      opened = read_through(message.runtime_checkpoint);
      Keys none;
      std::vector<Stored> nothing;
      co_await p.transaction(std::move(none), std::move(nothing), checkpoint(99));
      co_await p.drain();
    });
    Lines out;
    for (int read : {1, 2, 3, 4, 9, 99})
      for (const std::string& line :
           rows(file, fmt::format("SELECT '[' || key_begin || ',' || key_end || '] ' || fence || ' {}' FROM "
                                  "flow_checkpoints_v1 WHERE checkpoint = '{}' ORDER BY key_begin, key_end",
                                  read, text_of(checkpoint(read)))))
        out.push_back(line);
    return out;
  }
};

TEST_F(Fences, ExactMatch) {
  before({{0, 99, 6, 1}, {100, 199, 6, 2}, {200, 299, 6, 3}, {0, 1000, 5, 4}});
  std::int64_t opened = 0;
  EXPECT_EQ(open_and_commit(100, 199, opened),
            (Lines{"[0,99] 6 1", "[200,299] 6 3", "[0,1000] 6 4", "[0,1000] 3 9", "[100,199] 7 99"}));
  EXPECT_EQ(opened, 2);
}

TEST_F(Fences, SplitFromParent) {
  before({{0, 499, 6, 1}, {500, 799, 6, 2}, {800, 1000, 6, 3}, {0, 1000, 5, 4}});
  std::int64_t opened = 0;
  EXPECT_EQ(open_and_commit(500, 599, opened), (Lines{"[0,499] 6 1", "[500,799] 7 2", "[800,1000] 6 3",
                                                      "[0,1000] 6 4", "[0,1000] 3 9", "[500,599] 7 99"}));
  EXPECT_EQ(opened, 2);
}

TEST_F(Fences, Straddle) {
  before({{0, 499, 6, 1}, {500, 1000, 6, 2}, {0, 1000, 5, 4}});
  std::int64_t opened = 0;
  EXPECT_EQ(open_and_commit(400, 599, opened),
            (Lines{"[0,499] 7 1", "[500,1000] 7 2", "[0,1000] 6 4", "[0,1000] 3 9", "[400,599] 6 99"}));
  EXPECT_EQ(opened, 4);
}

TEST_F(Fences, CoveredChild) {
  before({{100, 199, 6, 1}, {0, 1000, 5, 4}});
  std::int64_t opened = 0;
  EXPECT_EQ(open_and_commit(100, 800, opened),
            (Lines{"[100,199] 7 1", "[0,1000] 6 4", "[0,1000] 3 9", "[100,800] 6 99"}));
  EXPECT_EQ(opened, 4);
}

TEST_F(Fences, ByDefaultProgressIsNotForgotten) {
  before({{0, 499, 6, 1}, {500, 1000, 6, 2}, {0, 1000, 5, 4}});
  task.config_json = config_of(file);
  std::int64_t opened = 0;
  try {
    open_and_commit(0, 1000, opened);
    FAIL() << "opened";
  } catch (const Error& e) {
    EXPECT_NE(e.message().find("would forget the progress of shard"), std::string::npos) << e.what();
  }
  // Nothing was raised.
  EXPECT_EQ(rows(file, "SELECT sum(fence) FROM flow_checkpoints_v1"), Lines{"20"});
}

TEST_F(Fences, ShardsThatDidNothingAreJoined) {
  before({{0, 499, 6, 4}, {500, 1000, 6, 4}, {0, 1000, 5, 4}});
  task.config_json = config_of(file);
  std::int64_t opened = 0;
  EXPECT_EQ(open_and_commit(0, 1000, opened), (Lines{"[0,1000] 3 9", "[0,1000] 6 99"}));
  EXPECT_EQ(opened, 4);
}

// ---- the second runtime ----

TEST_F(Session, TheSecondRuntimeMayNotSplitShards) {
  MaterializationSpec s = task();
  s.shard_template.emplace().labels.emplace();
  s.shard_template->labels->labels.push_back({"estuary.dev/flag/enable-runtime-v2", "true"});
  RangeSpec half;
  half.key_end = 0x7fffffff;
  half.r_clock_end = 0xffffffff;
  try {
    bench.session(s, half, first_rows);
    FAIL() << "opened";
  } catch (const Error& e) {
    EXPECT_NE(e.message().find("'acme/sink' has more than one shard"), std::string::npos);
  }
  bench.session(s, first_rows);
}

TEST_F(Session, RetainedRowsDisableTheLoadOptimization) {
  for (const char* flag : {"allow_existing_tables_for_new_bindings", "retain_existing_data_on_backfill"}) {
    MaterializationSpec s =
        applied(BindingOptions("shop"), fmt::format(R"(,"advanced":{{"feature_flags":"{}"}})", flag));
    bench.session(s, [](Peer p) -> Task<> {
      auto opened = co_await p.opened();
      EXPECT_TRUE(opened.disable_load_optimization);
      co_await p.drain();
    });
  }
}

// ---- files ----

TEST_F(Session, AFileThatVanishedIsMaterializedFromTheBeginning) {
  MaterializationSpec s = applied();
  bench.session(s, first_rows);
  std::filesystem::remove(file);
  // Open makes what Apply made elsewhere.
  bench.session(s, first_rows);
  EXPECT_EQ(shop_rows().size(), 2u);
}

TEST_F(Session, AFileThatVanishesMeanwhileIsNoticed) {
  MaterializationSpec s = applied();
  std::string what = bench.failure(s, [&](Peer p) -> Task<> {
    co_await p.opened();
    co_await p.acknowledge();
    Keys none;
    co_await p.load(std::move(none));
    std::vector<Stored> documents{row(1, "a")};
    co_await p.store(std::move(documents));
    std::filesystem::remove(file);
    co_await p.commit(checkpoint(1));
  });
  EXPECT_NE(what.find("was moved or deleted while in use"), std::string::npos) << what;
}

TEST_F(Session, TheLogIsBounded) {
  MaterializationSpec s = applied();
  std::uintmax_t largest = 0;
  bench.session(s, [&](Peer p) -> Task<> {
    co_await p.opened();
    for (int n = 0; n < 12; ++n) {
      std::vector<Stored> documents;
      for (int i = 0; i < 100; ++i) {
        documents.push_back(row(i, "x"));
        documents.back().doc = fmt::format("{{\"n\":{},\"pad\":\"{:x<30000}\"}}", n, "");
        if (n) documents.back().exist();
      }
      Keys none;
      co_await p.transaction(std::move(none), std::move(documents), checkpoint(n));
      largest = std::max(largest, std::filesystem::file_size((file + "-wal")));
    }
    co_await p.drain();
  });
  // 12 transactions of 3 MB; copied whenever there are 8 MiB.
  EXPECT_LT(largest, std::uintmax_t{20} << 20);
  EXPECT_GT(largest, std::uintmax_t{8} << 20);
}

// ---- the protocol ----

TEST_F(Session, TuplesOfAnotherShapeAreRefused) {
  MaterializationSpec s = applied();
  auto failure = [&](Stored document) {
    try {
      bench.transact(s, {std::move(document)});
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_NE(failure(Stored("[1,2]", R"(["c",1,"x"])", "{}")).find("more than its 1 columns"),
            std::string::npos);
  EXPECT_NE(failure(Stored("[1]", R"(["c",1])", "{}")).find("ends before its column 'name'"),
            std::string::npos);
}

TEST_F(Session, AViolatedConstraintNamesKeyTableAndColumn) {
  MaterializationSpec s = applied();
  execute(file, "CREATE UNIQUE INDEX mine ON shop (name)");
  std::string what;
  try {
    bench.transact(s, {row(1, "same"), row(2, "same")});
  } catch (const Error& e) {
    what = e.what();
  }
  EXPECT_NE(what.find("storing key [2] of table 'shop': database '"), std::string::npos) << what;
  EXPECT_NE(what.find("UNIQUE constraint failed: shop.name"), std::string::npos) << what;
  EXPECT_EQ(shop_rows(), Lines{});
}

}  // namespace
}  // namespace sluice::testing
