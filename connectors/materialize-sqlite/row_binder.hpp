#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "database.hpp"
#include "sluice/data/packed.hpp"
#include "sluice/sql/table.hpp"

namespace sluice::sqlite {

// How the elements of one column become SQLite values (materialize-sql.md §5.5).
struct Encoder {
  enum class Form : std::uint8_t {
    plain,    // as they are; booleans 0 and 1, JSON as text
    integer,  // whole numbers, also written as fractions or strings
    real,
    text,  // castToString
    json,  // any value as JSON text
    blob,  // from base64
  };
  Encoder(const sql::Column& column, std::string_view live_type);

  std::string name;
  Form form;
  // Integers beyond 64 bits are stored as text: the column does not turn it into a number, or is to.
  bool keeps_text;
};

// Binds packed tuples to statements without copying what can be pointed to. What is bound is valid until the
// next begin(), and as long as the tuples are.
class RowBinder {
 public:
  void begin();
  // Binds one element for each column, from `parameter` on. Throws Error{transient} if the tuple has another
  // number of elements.
  void bind(Statement& statement, int parameter, std::span<const Encoder> columns, std::string_view packed);
  // Binds what had to be converted; call before the statement runs.
  void finish(Statement& statement);

  // The first column since begin() that got an integer beyond 64 bits and would round it, or null.
  const Encoder* too_wide() const { return too_wide_; }

 private:
  struct Late {
    int parameter;
    std::size_t offset, size;
    bool blob;
  };
  void bind(Statement& statement, int parameter, const Encoder& column, const data::Element& element);
  void integer(Statement& statement, int parameter, const Encoder& column, const data::Element& element);
  void integer(Statement& statement, int parameter, const Encoder& column, std::string_view digits);
  void real(Statement& statement, int parameter, const data::Element& element);
  void blob(int parameter, const Encoder& column, std::string_view base64);
  void wide(const Encoder& column);
  void text(Statement& statement, int parameter, std::string_view value);
  // Remembers what was appended to the scratch since `offset`.
  void late(int parameter, std::size_t offset, bool is_blob = false);

  std::string_view packed_;  // of the tuple being bound
  std::string scratch_;
  std::vector<Late> late_;
  const Encoder* too_wide_ = nullptr;
};

}  // namespace sluice::sqlite
