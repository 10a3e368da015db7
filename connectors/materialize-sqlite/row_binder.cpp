#include "row_binder.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <functional>

#include "dialect.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/sql/values.hpp"

namespace sluice::sqlite {
namespace {

using data::Element;
using data::Json;
using sql::FlatType;

constexpr double int64_limit = 9223372036854775808.0;

Encoder::Form form_of(const sql::ColumnType& type) {
  if (type.as_text) return Encoder::Form::text;
  switch (type.flat) {
    case FlatType::integer:
    case FlatType::string_integer:
      return Encoder::Form::integer;
    case FlatType::number:
    case FlatType::string_number:
      return Encoder::Form::real;
    case FlatType::multiple:
      return Encoder::Form::json;
    case FlatType::binary:
      return Encoder::Form::blob;
    default:
      return Encoder::Form::plain;
  }
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

// The whole number that `text` writes, with sign and without a fraction of zeros ("3.00"); empty if it is
// none.
std::string_view whole_number(std::string_view text) {
  std::string_view unsigned_part = text;
  if (unsigned_part.starts_with('-')) unsigned_part.remove_prefix(1);
  std::size_t point = unsigned_part.find('.');
  if (!is_digits(unsigned_part.substr(0, point))) return {};
  if (point == unsigned_part.npos) return text;
  std::string_view fraction = unsigned_part.substr(point + 1);
  if (fraction.find_first_not_of('0') != fraction.npos) return {};
  return text.substr(0, text.size() - fraction.size() - 1);
}

}  // namespace

Encoder::Encoder(const sql::Column& column, std::string_view live_type)
    : name(column.name), form(form_of(column.type)) {
  Affinity to = affinity(live_type);
  keeps_text = column.type.user_ddl || to == Affinity::none || to == Affinity::text;
}

void RowBinder::begin() {
  scratch_.clear();
  late_.clear();
  too_wide_ = nullptr;
}

void RowBinder::bind(Statement& statement, int parameter, std::span<const Encoder> columns,
                     std::string_view packed) {
  packed_ = packed;
  data::TupleReader reader(packed);
  for (const Encoder& column : columns) {
    if (reader.done())
      throw Error(Error::Kind::transient,
                  fmt::format("protocol error: a tuple ends before its column '{}'", column.name));
    bind(statement, parameter++, column, reader.next());
  }
  if (!reader.done())
    throw Error(Error::Kind::transient,
                fmt::format("protocol error: a tuple has more than its {} columns", columns.size()));
}

void RowBinder::finish(Statement& statement) {
  std::string_view all = scratch_;
  for (const Late& l : late_) {
    if (l.blob)
      statement.bind_blob(l.parameter, all.substr(l.offset, l.size));
    else
      statement.bind_text(l.parameter, all.substr(l.offset, l.size));
  }
}

void RowBinder::bind(Statement& statement, int parameter, const Encoder& column, const Element& element) {
  if (std::holds_alternative<std::monostate>(element)) return statement.bind_null(parameter);
  std::size_t offset = scratch_.size();
  switch (column.form) {
    case Encoder::Form::integer:
      return integer(statement, parameter, column, element);
    case Encoder::Form::real:
      return real(statement, parameter, element);
    case Encoder::Form::json:
      if (const Json* json = std::get_if<Json>(&element)) return text(statement, parameter, json->text);
      sql::write_json(scratch_, element);
      return late(parameter, offset);
    case Encoder::Form::blob:
      if (const auto* base64 = std::get_if<std::string_view>(&element))
        return blob(parameter, column, *base64);
      break;
    case Encoder::Form::text:
      if (std::holds_alternative<std::string_view>(element) || std::holds_alternative<Json>(element)) break;
      sql::write_text(scratch_, element);
      return late(parameter, offset);
    case Encoder::Form::plain:
      break;
  }
  switch (element.index()) {
    case 1:
      return statement.bind(parameter, std::int64_t{std::get<bool>(element)});
    case 2:
    case 3:
      return integer(statement, parameter, column, element);
    case 4:
      return real(statement, parameter, element);
    case 5:
      return text(statement, parameter, std::get<std::string_view>(element));
    default:
      return text(statement, parameter, std::get<Json>(element).text);
  }
}

void RowBinder::integer(Statement& statement, int parameter, const Encoder& column, const Element& element) {
  if (const auto* small = std::get_if<std::int64_t>(&element)) return statement.bind(parameter, *small);
  if (const auto* truth = std::get_if<bool>(&element)) return statement.bind(parameter, std::int64_t{*truth});
  if (const auto* digits = std::get_if<std::string_view>(&element))
    return integer(statement, parameter, column, *digits);
  if (const auto* json = std::get_if<Json>(&element)) return text(statement, parameter, json->text);
  if (const auto* fraction = std::get_if<double>(&element)) {
    bool whole = std::trunc(*fraction) == *fraction;
    if (!whole || std::isinf(*fraction)) return real(statement, parameter, element);
    if (*fraction >= -int64_limit && *fraction < int64_limit)
      return statement.bind(parameter, static_cast<std::int64_t>(*fraction));
  }
  std::size_t offset = scratch_.size();
  sql::write_text(scratch_, element);
  wide(column);
  late(parameter, offset);
}

// Does what the column's affinity would do, so that it is the same in a column without one.
void RowBinder::integer(Statement& statement, int parameter, const Encoder& column, std::string_view digits) {
  std::string_view whole = whole_number(digits);
  if (whole.empty()) return text(statement, parameter, digits);
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), value);
  if (error == std::errc()) return statement.bind(parameter, value);
  wide(column);
  text(statement, parameter, whole);
}

void RowBinder::wide(const Encoder& column) {
  if (!column.keeps_text && !too_wide_) too_wide_ = &column;
}

void RowBinder::real(Statement& statement, int parameter, const Element& element) {
  switch (element.index()) {
    case 1:
      return statement.bind(parameter, std::int64_t{std::get<bool>(element)});
    case 2:
      return statement.bind(parameter, std::get<std::int64_t>(element));
    case 3:
      return statement.bind(parameter, static_cast<double>(std::get<std::uint64_t>(element)));
    case 4: {
      double value = std::get<double>(element);
      // SQLite would store null.
      if (std::isnan(value)) return statement.bind_text(parameter, "NaN");
      return statement.bind(parameter, value);
    }
    case 5:
      return text(statement, parameter, std::get<std::string_view>(element));
    default:
      return text(statement, parameter, std::get<Json>(element).text);
  }
}

void RowBinder::blob(int parameter, const Encoder& column, std::string_view base64) {
  std::size_t offset = scratch_.size();
  if (!text::unbase64(scratch_, base64))
    throw Error(
        Error::Kind::config,
        fmt::format("value '{}' of column '{}' is not base64", text::cut_utf8(base64, 100), column.name),
        "Correct the document, remove contentEncoding from the collection's schema, or set castToString.");
  late(parameter, offset, true);
}

void RowBinder::text(Statement& statement, int parameter, std::string_view value) {
  std::less_equal<const char*> before;
  bool inside = value.empty() || (before(packed_.data(), value.data()) &&
                                  before(value.data() + value.size(), packed_.data() + packed_.size()));
  if (inside) return statement.bind_text(parameter, value);
  std::size_t offset = scratch_.size();
  scratch_ += value;
  late(parameter, offset);
}

void RowBinder::late(int parameter, std::size_t offset, bool is_blob) {
  late_.push_back({parameter, offset, scratch_.size() - offset, is_blob});
}

}  // namespace sluice::sqlite
