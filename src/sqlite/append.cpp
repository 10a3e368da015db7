#include "sluice/sqlite/append.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <charconv>
#include <memory>

#include "sluice/base/error.hpp"
#include "sluice/json/tree.hpp"

namespace sluice::sqlite {
namespace {

std::string quote(std::string_view name) {
  std::string out = "\"";
  for (char c : name) out.append(c == '"' ? 2 : 1, c);
  return out + '"';
}

struct Finalize {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

// One table of one file, open for appending; used by one thread at a time.
class Appender {
 public:
  Appender(std::string path, std::string table, std::vector<std::string> columns)
      : path_(std::move(path)), table_(std::move(table)), columns_(std::move(columns)) {}

  void append(Batch batch) {
    if (!insert_) open();
    execute("BEGIN");
    for (std::size_t i = 0; i < batch.size(); ++i) insert(batch.doc(i).json);
    execute("COMMIT");
  }

 private:
  void open() {
    sqlite3* raw = nullptr;
    int status = sqlite3_open(path_.c_str(), &raw);
    db_.reset(raw);
    if (status != SQLITE_OK) fail();
    sqlite3_busy_timeout(raw, 5000);
    std::vector<std::string> names;
    for (const std::string& column : columns_) names.push_back(quote(column));
    std::string list = fmt::format("{}", fmt::join(names, ", "));
    execute(fmt::format("CREATE TABLE IF NOT EXISTS {} ({})", quote(table_), list));
    std::string marks = fmt::format("{}", fmt::join(std::vector<std::string>(columns_.size(), "?"), ", "));
    std::string sql = fmt::format("INSERT INTO {} ({}) VALUES ({})", quote(table_), list, marks);
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(raw, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) fail();
    insert_.reset(statement);
  }

  void insert(std::string_view document) {
    tree_.parse(document);
    for (std::size_t i = 0; i < columns_.size(); ++i)
      bind(static_cast<int>(i) + 1, tree_.find(tree_.root(), columns_[i]));
    if (sqlite3_step(insert_.get()) != SQLITE_DONE) fail();
    sqlite3_reset(insert_.get());
  }

  void bind(int at, const json::Node* value) {
    sqlite3_stmt* statement = insert_.get();
    int status = SQLITE_OK;
    auto text = [&](std::string_view s) {
      status = sqlite3_bind_text64(statement, at, s.data(), s.size(), SQLITE_STATIC, SQLITE_UTF8);
    };
    switch (value ? value->kind : json::Kind::null) {
      case json::Kind::null:
        status = sqlite3_bind_null(statement, at);
        break;
      case json::Kind::boolean:
        status = sqlite3_bind_int(statement, at, value->truth);
        break;
      case json::Kind::string:
        text(value->text);
        break;
      case json::Kind::array:
      case json::Kind::object:
        text(value->raw);
        break;
      case json::Kind::number: {
        std::int64_t integer = 0;
        auto [end, failure] =
            std::from_chars(value->text.data(), value->text.data() + value->text.size(), integer);
        bool whole = failure == std::errc() && end == value->text.data() + value->text.size();
        status = whole ? sqlite3_bind_int64(statement, at, integer)
                       : sqlite3_bind_double(statement, at,
                                             std::strtod(std::string(value->text).c_str(), nullptr));
      }
    }
    if (status != SQLITE_OK) fail();
  }

  void execute(const std::string& sql) {
    if (sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail();
  }

  [[noreturn]] void fail() {
    throw Error(Error::Kind::config,
                fmt::format("appending to table '{}' of '{}': {}", table_, path_, sqlite3_errmsg(db_.get())),
                "Check that the file can be written, is a database and that the table has these columns.");
  }

  std::string path_, table_;
  std::vector<std::string> columns_;
  std::unique_ptr<sqlite3, Finalize> db_;
  std::unique_ptr<sqlite3_stmt, Finalize> insert_;
  json::Tree tree_;
};

void append_batch(std::shared_ptr<Appender> appender, Batch batch) { appender->append(std::move(batch)); }

}  // namespace

Task<> append(CpuPool& pool, std::string path, std::string table, std::vector<std::string> columns,
              Reader<Batch> in) {
  // Shared with the job on the pool, which may outlive this frame.
  auto appender = std::make_shared<Appender>(std::move(path), std::move(table), std::move(columns));
  while (auto batch = co_await in.next()) co_await on_cpu(pool, append_batch, appender, std::move(*batch));
}

}  // namespace sluice::sqlite
