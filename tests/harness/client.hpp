#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct pg_conn;

// A blocking PostgreSQL client that shares no code with the product: what checks it must not use it.
namespace harness {

class Client {
 public:
  explicit Client(const std::string& dsn);
  Client(Client&&) = default;
  Client& operator=(Client&&) = default;

  // Throws std::runtime_error with the server's message.
  void run(const std::string& sql);
  // Rows of text; NULL is nullopt.
  using Row = std::vector<std::optional<std::string>>;
  std::vector<Row> query(const std::string& sql);
  std::string scalar(const std::string& sql);
  // COPY … FROM STDIN with all its data.
  void copy_in(const std::string& sql, const std::string& data);
  bool alive() const;

 private:
  struct Close {
    void operator()(pg_conn* connection) const;
  };
  std::unique_ptr<pg_conn, Close> connection_;
};

}  // namespace harness
