#include <cctype>

#include "session.hpp"
#include "sluice/base/text.hpp"

namespace sluice::pg {
namespace {

using Kind = Error::Kind;

// What is to be done by SQLSTATE (manual, appendix A).
Kind kind_of(std::string_view sqlstate) {
  // Connection, rollback, resources, operator's intervention, system, internal: another run may succeed.
  for (std::string_view transient : {"08", "40", "53", "57", "58", "XX", "55P03", "55006", "F0"})
    if (sqlstate.starts_with(transient)) return Kind::transient;
  return Kind::config;
}

std::string field(const PGresult* result, int code) {
  const char* value = PQresultErrorField(result, code);
  return value ? value : "";
}

// As an Error is written: no period at the end, no capital for an ordinary word at the start.
std::string as_message(std::string text) {
  text = std::string(text::trim(text));
  while (text.ends_with('.')) text.pop_back();
  bool word = text.size() > 1 && std::isupper(static_cast<unsigned char>(text[0])) &&
              std::islower(static_cast<unsigned char>(text[1]));
  if (word) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

// A failure that the server sent while connecting, as libpq prints it when verbose:
// `… failed: FATAL:  28P01: password authentication failed for user "u"\nDETAIL:  …\nLOCATION:  …`.
struct Refusal {
  std::string sqlstate, message;
};

bool is_sqlstate(std::string_view text) {
  if (text.size() < 5) return false;
  for (char c : text.substr(0, 5))
    if (!std::isdigit(static_cast<unsigned char>(c)) && !(c >= 'A' && c <= 'Z')) return false;
  return true;
}

std::optional<Refusal> find_refusal(std::string_view text) {
  std::optional<Refusal> last;  // with sslmode=prefer there are two, of which the second counts
  for (std::size_t at = text.find(":  "); at != text.npos; at = text.find(":  ", at + 1)) {
    std::string_view code = text.substr(at + 3);
    if (!is_sqlstate(code) || code.substr(5, 2) != ": ") continue;
    std::string_view message = code.substr(7);
    last = Refusal{std::string(code.substr(0, 5)), std::string(message.substr(0, message.find('\n')))};
    constexpr std::string_view detail = "\nDETAIL:  ";
    std::size_t more = message.find(detail);
    if (more == message.npos) continue;
    message.remove_prefix(more + detail.size());
    last->message += "; " + as_message(std::string(message.substr(0, message.find('\n'))));
  }
  return last;
}

std::string way_out(const ConnectOptions& options, std::string_view sqlstate) {
  if (sqlstate == "28P01") return "Check user and password.";
  if (sqlstate == "28000")
    return fmt::format(
        "Check that role {} exists and may log in, and that pg_hba.conf of the server lets it in "
        "from this address.",
        quote_identifier(options.user));
  if (sqlstate == "3D000") return "Check the name of the database, or create it.";
  if (sqlstate == "42501" && options.replication)
    return fmt::format("Let the role replicate: ALTER ROLE {} REPLICATION.", quote_identifier(options.user));
  if (sqlstate == "42501")
    return fmt::format("Let the role connect: GRANT CONNECT ON DATABASE {} TO {}.",
                       quote_identifier(options.database), quote_identifier(options.user));
  if (sqlstate == "53300" && options.replication)
    return "End other replication connections, or raise max_wal_senders and max_connections of the server.";
  if (sqlstate == "53300")
    return "End other connections, or raise max_connections of the server or the role.";
  if (sqlstate == "57P03") return "The server is starting, stopping or recovering. Try again in a moment.";
  if (sqlstate == "42704" || sqlstate == "22023" || sqlstate == "55P02")
    return "A pooler between here and the server may not pass session settings. Use the server's own "
           "address.";
  return {};
}

// What libpq itself says, without "connection to server at … failed:" and its advice on further lines.
std::string own_words(std::string_view text) {
  std::size_t last = text.rfind(" failed: ");
  if (last != text.npos) text.remove_prefix(last + 9);
  return as_message(std::string(text.substr(0, text.find('\n'))));
}

bool speaks_of_tls(std::string_view text) {
  for (std::string_view word : {"SSL", "certificate", "TLS"})
    if (text.find(word) != text.npos) return true;
  return false;
}

Error network_failure(const ConnectOptions& options, std::string_view where, std::string_view text) {
  std::string words = own_words(text);
  std::string message = fmt::format("cannot connect to {}: {}", where, words);
  if (text.find("no password supplied") != text.npos)
    return Error(Kind::config,
                 fmt::format("{} asks for a password of user '{}' and none is set", where, options.user),
                 "Set the password.");
  if (speaks_of_tls(words))
    return Error(Kind::config,
                 message + fmt::format(" (sslmode {})", options.sslmode.empty() ? "prefer" : options.sslmode),
                 "Check the SSL mode, and the certificates of both sides.");
  bool local = options.host.starts_with('/');
  return Error(Kind::transient, std::move(message),
               local
                   ? "Check that the server runs, and unix_socket_directories and port in its configuration."
                   : "Check host and port, that the server runs and listens there (listen_addresses), and "
                     "firewalls between.");
}

}  // namespace

std::string place(const ConnectOptions& options) {
  if (options.host.starts_with('/')) return fmt::format("{}/.s.PGSQL.{}", options.host, options.port);
  bool ipv6 = options.host.find(':') != std::string::npos;
  return ipv6 ? fmt::format("[{}]:{}", options.host, options.port)
              : fmt::format("{}:{}", options.host, options.port);
}

Error statement_failure(const PGresult* result) {
  std::string sqlstate = field(result, PG_DIAG_SQLSTATE);
  std::string message = as_message(field(result, PG_DIAG_MESSAGE_PRIMARY));
  if (message.empty()) message = as_message(PQresultErrorMessage(result));
  if (std::string detail = as_message(field(result, PG_DIAG_MESSAGE_DETAIL)); !detail.empty())
    message += "; " + detail;
  Error error(sqlstate.empty() ? Kind::transient : kind_of(sqlstate), std::move(message),
              field(result, PG_DIAG_MESSAGE_HINT));
  error.set_sqlstate(std::move(sqlstate));
  return error;
}

Error connect_failure(const ConnectOptions& options, std::string_view where, std::string_view text) {
  std::optional<Refusal> refusal = find_refusal(text);
  if (!refusal) return network_failure(options, where, text);
  Error error(kind_of(refusal->sqlstate),
              fmt::format("user '{}' cannot connect to database '{}' at {}: {}", options.user,
                          options.database, where, as_message(refusal->message)),
              way_out(options, refusal->sqlstate));
  error.set_sqlstate(refusal->sqlstate);
  return error;
}

bool worth_another_address(const Error& failure) {
  return failure.kind() == Kind::transient && (failure.sqlstate().empty() || failure.sqlstate() == "57P03");
}

}  // namespace sluice::pg
