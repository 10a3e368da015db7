#include <charconv>

#include "session.hpp"

namespace sluice::pg {

Rows::Rows() : impl_(std::make_unique<Impl>()) {}
Rows::Rows(Rows&&) noexcept = default;
Rows& Rows::operator=(Rows&&) noexcept = default;
Rows::~Rows() = default;

std::size_t Rows::size() const { return static_cast<std::size_t>(PQntuples(impl_->result.get())); }
std::size_t Rows::columns() const { return static_cast<std::size_t>(PQnfields(impl_->result.get())); }

std::string_view Rows::name(std::size_t column) const {
  const char* name = PQfname(impl_->result.get(), static_cast<int>(column));
  SLUICE_CHECK(name);
  return name;
}

std::optional<std::string_view> Rows::at(std::size_t row, std::size_t column) const {
  SLUICE_CHECK(row < size() && column < columns());
  const PGresult* result = impl_->result.get();
  int r = static_cast<int>(row), c = static_cast<int>(column);
  if (PQgetisnull(result, r, c)) return std::nullopt;
  return std::string_view(PQgetvalue(result, r, c), static_cast<std::size_t>(PQgetlength(result, r, c)));
}

std::string Rows::text(std::size_t row, std::size_t column) const {
  return std::string(at(row, column).value_or(std::string_view()));
}

std::int64_t Rows::affected() const {
  std::int64_t count = 0;
  if (!impl_->result) return count;
  std::string_view text = PQcmdTuples(impl_->result.get());
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

}  // namespace sluice::pg
