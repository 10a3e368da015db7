#pragma once
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sluice {

// The one exception type of Sluice: work cannot go on. What callers branch on is a return value instead.
class Error : public std::exception {
 public:
  // What is to be done about it.
  enum class Kind {
    config,     // show the user: a setting, a permission or the data must change first
    transient,  // run again from the last checkpoint
    bug,        // ours
  };

  // `message` names the thing and the value, starts lower case, ends without a period and holds no secret;
  // `hint` is a sentence that tells the way out.
  Error(Kind kind, std::string message, std::string hint = {},
        std::source_location where = std::source_location::current());

  Kind kind() const noexcept { return kind_; }
  const std::string& message() const noexcept { return message_; }
  const std::string& hint() const noexcept { return hint_; }
  // Five characters (PostgreSQL manual, appendix A), or empty.
  const std::string& sqlstate() const noexcept { return sqlstate_; }
  const std::source_location& where() const noexcept { return where_; }
  // Message and hint on one line, as shown to a user.
  const char* what() const noexcept override { return what_.c_str(); }

  // Puts context before the message: "scanning: connection lost" becomes "backfilling t: scanning: …".
  Error& add(std::string_view context);
  Error& set_hint(std::string hint);
  Error& set_sqlstate(std::string sqlstate);

 private:
  void compose();

  Kind kind_;
  std::string message_, hint_, sqlstate_, what_;
  std::source_location where_;
};

// Ends the run as a bug of ours.
[[noreturn]] void check_failed(const char* expression, std::source_location where);

}  // namespace sluice

// An invariant of ours, checked in release builds too. Throws Error{bug}.
#define SLUICE_CHECK(x) \
  (static_cast<bool>(x) ? void() : ::sluice::check_failed(#x, std::source_location::current()))
