#include <charconv>

#include "sluice/base/error.hpp"
#include "sluice/pg/types.hpp"

namespace sluice::pg {
namespace {

// typelem alone does not tell an array: point and int2vector have one, and print otherwise.
constexpr std::string_view types_sql = R"(
SELECT t.oid, t.typname, n.nspname, t.typtype, t.typdelim,
       CASE WHEN t.typoutput = 'pg_catalog.array_out'::pg_catalog.regproc THEN t.typelem ELSE 0 END,
       t.typbasetype, t.typtypmod, t.typnotnull, COALESCE(r.rngsubtype, 0)
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_range r ON {})";

constexpr std::string_view labels_sql =
    "SELECT enumtypid, enumlabel FROM pg_catalog.pg_enum ORDER BY enumtypid, enumsortorder";

template <class T>
T number(const Rows& rows, std::size_t row, std::size_t column) {
  std::string_view text = rows.at(row, column).value_or(std::string_view());
  T value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

char letter(const Rows& rows, std::size_t row, std::size_t column) {
  std::string_view text = rows.at(row, column).value_or(std::string_view());
  return text.empty() ? '\0' : text[0];
}

Type type_of(const Rows& rows, std::size_t row) {
  Type type;
  type.oid = number<Oid>(rows, row, 0);
  type.name = rows.text(row, 1);
  type.schema = rows.text(row, 2);
  type.kind = letter(rows, row, 3);
  type.delimiter = letter(rows, row, 4);
  type.element = number<Oid>(rows, row, 5);
  type.base = number<Oid>(rows, row, 6);
  type.base_typmod = number<std::int32_t>(rows, row, 7);
  type.not_null = letter(rows, row, 8) == 't';
  type.range_subtype = number<Oid>(rows, row, 9);
  return type;
}

}  // namespace

Task<TypeCatalog> TypeCatalog::load(Connection& connection) {
  bool multiranges = connection.server_version() >= 140000;
  std::string sql = fmt::format(
      fmt::runtime(types_sql), multiranges ? "t.oid IN (r.rngtypid, r.rngmultitypid)" : "t.oid = r.rngtypid");
  TypeCatalog catalog;
  Rows rows = co_await connection.query(std::move(sql));
  for (std::size_t i = 0; i < rows.size(); ++i) catalog.add(type_of(rows, i));
  Rows labels = co_await connection.query(std::string(labels_sql));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    auto type = catalog.types_.find(number<Oid>(labels, i, 0));
    if (type != catalog.types_.end()) type->second.labels.push_back(labels.text(i, 1));
  }
  co_return catalog;
}

const Type* TypeCatalog::find(Oid oid) const {
  auto found = types_.find(oid);
  return found == types_.end() ? nullptr : &found->second;
}

const Type* TypeCatalog::resolve(Oid oid) const {
  const Type* type = find(oid);
  // Bounded: a catalog read while types change may hold a circle.
  for (int depth = 0; type && type->kind == 'd' && depth < 64; ++depth) type = find(type->base);
  return type && type->kind != 'd' ? type : nullptr;
}

void TypeCatalog::add(Type type) {
  Oid oid = type.oid;
  types_.insert_or_assign(oid, std::move(type));
}

}  // namespace sluice::pg
