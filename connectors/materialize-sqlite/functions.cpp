#include "functions.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <string>
#include <string_view>

#include "dialect.hpp"
#include "sluice/base/text.hpp"
#include "sluice/sql/values.hpp"

namespace sluice::sqlite {
namespace {

std::string_view bytes(sqlite3_value* value) {
  const void* data = sqlite3_value_blob(value);
  auto size = static_cast<std::size_t>(sqlite3_value_bytes(value));
  return {static_cast<const char*>(data), data ? size : 0};
}

void give(sqlite3_context* context, std::string_view text) {
  sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void to_text(sqlite3_context* context, int, sqlite3_value** arguments) {
  std::string out;
  switch (sqlite3_value_type(arguments[0])) {
    case SQLITE_INTEGER:
      sql::write_text(out, std::int64_t{sqlite3_value_int64(arguments[0])});
      return give(context, out);
    case SQLITE_FLOAT:
      sql::write_text(out, sqlite3_value_double(arguments[0]));
      return give(context, out);
    default:
      sqlite3_result_value(context, arguments[0]);
  }
}

void to_base64(sqlite3_context* context, int, sqlite3_value** arguments) {
  if (sqlite3_value_type(arguments[0]) != SQLITE_BLOB) return sqlite3_result_value(context, arguments[0]);
  give(context, text::base64(bytes(arguments[0])));
}

void from_base64(sqlite3_context* context, int, sqlite3_value** arguments) {
  if (sqlite3_value_type(arguments[0]) != SQLITE_TEXT) return sqlite3_result_value(context, arguments[0]);
  std::optional<std::string> decoded = text::unbase64(bytes(arguments[0]));
  if (!decoded) {
    std::string message = fmt::format("'{}' is not base64", text::cut_utf8(bytes(arguments[0]), 100));
    return sqlite3_result_error(context, message.c_str(), static_cast<int>(message.size()));
  }
  sqlite3_result_blob64(context, decoded->data(), decoded->size(), SQLITE_TRANSIENT);
}

}  // namespace

void register_functions(Database& database) {
  using Function = void (*)(sqlite3_context*, int, sqlite3_value**);
  auto add = [&](std::string_view name, Function function) {
    int code = sqlite3_create_function(database.handle(), std::string(name).c_str(), 1,
                                       SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, nullptr,
                                       function, nullptr, nullptr);
    if (code != SQLITE_OK) throw database.failure(code);
  };
  add(to_text_function, to_text);
  add(to_base64_function, to_base64);
  add(from_base64_function, from_base64);
}

}  // namespace sluice::sqlite
