#include "sluice/base/error.hpp"

#include <fmt/format.h>

namespace sluice {

Error::Error(Kind kind, std::string message, std::string hint, std::source_location where)
    : kind_(kind), message_(std::move(message)), hint_(std::move(hint)), where_(where) {
  compose();
}

Error& Error::add(std::string_view context) {
  message_ = fmt::format("{}: {}", context, message_);
  compose();
  return *this;
}

Error& Error::set_hint(std::string hint) {
  hint_ = std::move(hint);
  compose();
  return *this;
}

Error& Error::set_sqlstate(std::string sqlstate) {
  sqlstate_ = std::move(sqlstate);
  return *this;
}

void Error::compose() { what_ = hint_.empty() ? message_ : fmt::format("{}. {}", message_, hint_); }

void check_failed(const char* expression, std::source_location where) {
  throw Error(Error::Kind::bug, fmt::format("check failed at {}:{}: {}", where.file_name(), where.line(), expression),
              "This is a defect in Sluice; please report it.", where);
}

}  // namespace sluice
