#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sluice/async/context.hpp"
#include "sluice/async/event.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/protocol/session.hpp"
#include "sluice/testing/postgres.hpp"
#include "sluice/testing/run.hpp"

// A scripted runtime around one capture in process, and a database that it captures from.
namespace sluice::source_test {

// Values of the endpoint configuration as JSON members: {"read_only_capture", "true"}.
using Members = std::map<std::string, std::string>;

struct Table {
  std::string schema = "test", name;
  std::vector<std::string> key = {"id"};  // columns; empty: the fallback key
  std::string resource;                   // further members: "\"mode\":\"Precise\""
  std::uint32_t backfill = 0;
  std::vector<std::string> projections;  // pointers
};

struct Document {
  std::uint32_t binding = 0;
  std::string json;
  std::size_t checkpoint = 0;  // index of the one that commits it
};

// What a session has said.
struct Transcript {
  bool opened = false;
  std::vector<Document> documents;
  std::vector<protocol::capture::SourcedSchema> schemas;
  std::vector<std::string> patches;  // of the checkpoints
  std::vector<std::string> states;   // after each of them
  std::size_t largest_output = 0;
  std::optional<Error> error;
  bool ended = false;  // said so itself

  // Documents that a checkpoint has made committable.
  std::size_t committed() const;
  // The documents of one binding, one a line, positions and times masked.
  std::string text(std::uint32_t binding = 0) const;
};

// LSNs, xids and times replaced, so that transcripts compare.
std::string masked(std::string json);
// Value at a JSON pointer, as text; "(absent)" if there is none.
std::string at(const std::string& json, const std::string& pointer);
// Why a document does not fit a schema; "[]" if it does.
std::string misfit(const std::string& schema, const std::string& document);
// Compares with tests/…/snapshots/NAME, or rewrites it if UPDATE_SNAPSHOTS is set.
void expect_snapshot(const std::string& name, const std::string& text);

// A state with a merge patch applied.
std::string merge(const std::string& state, const std::string& patch);

// The reduced content of a collection: documents by key, last writer wins per property, deletions remove.
class Collection {
 public:
  explicit Collection(std::vector<std::string> key) : key_(std::move(key)) {}
  void add(const std::string& json);
  // key text -> row as JSON without _meta, properties sorted.
  std::map<std::string, std::map<std::string, std::string>> rows;

 private:
  std::vector<std::string> key_;
};

class Runtime {
 public:
  Runtime(Context& context, protocol::Capture& capture, protocol::capture::Open open, bool once);
  // One session, to its end; what it throws goes to transcript.error.
  Task<> run();
  // Waits until the condition holds; it is looked at after every output. Fails the test after a minute.
  Task<> until(std::function<bool()> condition);
  // Acknowledges `checkpoints` more.
  Task<> acknowledge(std::uint32_t checkpoints);
  // Asks for the end: no more acknowledgements come.
  void stop();
  // Ends the session at once, wherever it is.
  void kill();

  Transcript transcript;
  bool acknowledging = true;  // every checkpoint at once
  // Reads no output while this is set.
  bool paused = false;
  void resume();
  std::size_t acknowledged = 0;

 private:
  Task<> session();
  Task<> read();
  void take(protocol::CaptureOutput output);

  Context& context_;
  protocol::Capture& capture_;
  protocol::capture::Open open_;
  bool once_;
  std::string state_;
  std::pair<Writer<protocol::CaptureOutput>, Reader<protocol::CaptureOutput>> out_;
  std::pair<Writer<protocol::Acknowledged>, Reader<protocol::Acknowledged>> acks_;
  Event changed_;
  Scope* scope_ = nullptr;
  bool stopped_ = false;
};

// A database with schema "test", a role that may replicate and read but is no superuser, a publication of all
// tables, and a watermarks table.
class Source : public ::testing::Test {
 protected:
  Source();
  ~Source() override;

  // As the superuser. Not from within a coroutine.
  pg::Rows sql(const std::string& statements) { return database_.execute(statements); }

  // The endpoint configuration; `advanced` and `root` override members.
  std::string config(const Members& advanced = {}, const Members& root = {}) const;
  protocol::CaptureSpec spec(const std::vector<Table>& tables, const Members& advanced = {}) const;
  protocol::capture::Open open(const std::vector<Table>& tables, const Members& advanced = {}) const;

  // Runs body(context) on a loop of its own.
  template <class Body>
  void run(Body body) {
    CpuPool pool(1);
    SteadyClock clock;
    testing::run([&](Loop& loop) -> Task<> {
      Context context(loop.executor(), pool, clock, log());
      co_await body(context);
    });
  }
  // One session from the state that the last one left, until it has caught up. Everything is acknowledged.
  Transcript capture(const std::vector<Table>& tables, const Members& advanced = {});
  // The same, but it may fail.
  Transcript attempt(const std::vector<Table>& tables, const Members& advanced = {});
  // As capture(), from a state that is left as it is; its failure's text, or "(none)".
  std::string capture_failure(const std::vector<Table>& tables, const Members& advanced = {});

  protocol::capture::Discovered discover(const Members& advanced = {}, const Members& root = {});
  // The failure of Validate, or "(none)".
  std::string validate(const std::vector<Table>& tables, const Members& advanced = {},
                       const std::optional<protocol::CaptureSpec>& last = std::nullopt);

  std::string confirmed_lsn();
  Log log();
  std::string logged();

  testing::Database database_ = testing::PostgresServer::shared().fresh_database();
  std::string slot_;
  std::string as_user_ = "postgres";  // whom the capture logs in as
  std::string state_;                 // of the capture, reduced

 private:
  std::mutex mutex_;
  std::string lines_;
};

}  // namespace sluice::source_test
