#include <netdb.h>
#include <sys/socket.h>

#include "session.hpp"
#include "sluice/base/text.hpp"

namespace sluice::pg {
namespace {

// One thing to try: `number` is the resolved address, empty for a Unix socket.
struct Address {
  std::string host, number, port;
};
using Addresses = std::vector<Address>;

Error resolve_failure(const std::string& host, int code) {
  bool later = code == EAI_AGAIN || code == EAI_SYSTEM || code == EAI_MEMORY;
  return Error(later ? Error::Kind::transient : Error::Kind::config,
               fmt::format("host '{}' does not resolve: {}", host, ::gai_strerror(code)),
               "Check the host name, and the name servers of this machine.");
}

void resolve_one(const std::string& host, const std::string& port, Addresses& out) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &list)) throw resolve_failure(host, code);
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, ::freeaddrinfo);
  for (const addrinfo* a = list; a; a = a->ai_next) {
    char number[NI_MAXHOST];
    if (::getnameinfo(a->ai_addr, a->ai_addrlen, number, sizeof number, nullptr, 0, NI_NUMERICHOST) == 0)
      out.push_back({host, number, port});
  }
}

// On the pool: libpq would resolve on the loop's thread. A list of hosts is tried in its order, as libpq
// does.
Addresses resolve(std::string hosts, std::string ports) {
  if (hosts.empty() || hosts.starts_with('/')) return {{hosts, "", ports}};
  std::vector<std::string> names = text::split(hosts, ','), numbers = text::split(ports, ',');
  if (numbers.size() != 1 && numbers.size() != names.size())
    throw Error(Error::Kind::config,
                fmt::format("{} hosts and {} ports are given ('{}', '{}')", names.size(), numbers.size(),
                            hosts, ports),
                "Give one port for all hosts, or one for each.");
  Addresses found;
  for (std::size_t i = 0; i < names.size(); ++i)
    resolve_one(std::string(text::trim(names[i])), numbers[numbers.size() == 1 ? 0 : i], found);
  return found;
}

// A value of the start-up packet's `options`: blanks and backslashes are escaped.
std::string command_line(const std::map<std::string, std::string>& settings) {
  std::string line;
  for (const auto& [name, value] : settings) {
    line += line.empty() ? "-c " : " -c ";
    line += name + "=";
    for (char c : value) {
      if (c == ' ' || c == '\\') line += '\\';
      line += c;
    }
  }
  return line;
}

// libpq's connection parameters (manual, Parameter Key Words).
std::map<std::string, std::string> parameters(const ConnectOptions& options, const Address& address) {
  std::map<std::string, std::string> result = {
      {"user", options.user},
      {"dbname", options.database},
      {"application_name", options.application_name},
      {"client_encoding", "UTF8"},
      {"keepalives", "1"},
      {"keepalives_idle", "120"},
      {"keepalives_interval", "30"},
      {"keepalives_count", "6"},
      // As long as the keepalives take. Not shorter: a server that does not read for a lock's sake is alive.
      {"tcp_user_timeout", "300000"},
      {"options", command_line(options.settings)},
  };
  auto set = [&](const char* name, const std::string& value) {
    if (!value.empty()) result[name] = value;
  };
  set("host", address.host);
  set("hostaddr", address.number);
  set("port", address.port);
  set("password", options.password.reveal());
  set("sslmode", options.sslmode);
  set("sslrootcert", options.ssl_root_cert);
  if (options.replication) result["replication"] = "database";
  return result;
}

Handle start(const ConnectOptions& options, const Address& address) {
  std::map<std::string, std::string> wanted = parameters(options, address);
  std::vector<const char*> names, values;
  for (const auto& [name, value] : wanted) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  Handle handle(PQconnectStartParams(names.data(), values.data(), 0));
  if (!handle) throw std::bad_alloc();
  return handle;
}

Error timed_out(const ConnectOptions& options, const std::string& where) {
  return Error(Error::Kind::transient,
               fmt::format("cannot connect to {}: no answer within {} s", where, options.connect_timeout_s),
               "Check host and port, and firewalls between.");
}

Task<Handle> open_one(Context& context, const ConnectOptions& options, Address address, Socket& socket) {
  ConnectOptions shown;
  shown.host = address.host;
  shown.port = address.port;
  std::string where = place(shown);
  if (!address.number.empty() && address.number != address.host) where += " (" + address.number + ")";
  auto deadline = context.clock.now() + std::chrono::seconds(options.connect_timeout_s);
  Handle handle = start(options, address);
  // So that failures carry their SQLSTATE; a failed connection has no result to read it from.
  PQsetErrorVerbosity(handle.get(), PQERRORS_VERBOSE);
  log_notices(handle.get(), context.log);
  PostgresPollingStatusType next =
      PQstatus(handle.get()) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (next == PGRES_POLLING_READING || next == PGRES_POLLING_WRITING) {
    // Anew each time: libpq may have opened another socket under the same number.
    if (int fd = PQsocket(handle.get()); fd >= 0) {
      socket.borrow(fd);
      Socket::Direction direction = next == PGRES_POLLING_READING ? Socket::read : Socket::write;
      bool ready = co_await socket.wait(direction, context.clock, deadline);
      socket.release();
      if (!ready) throw timed_out(options, where);
    }
    next = PQconnectPoll(handle.get());
  }
  if (next == PGRES_POLLING_FAILED) throw connect_failure(options, where, PQerrorMessage(handle.get()));
  co_return handle;
}

}  // namespace

Task<Handle> open_session(Context& context, const ConnectOptions& options, Socket& socket) {
  Addresses addresses = co_await on_cpu(context.cpu, resolve, options.host, options.port);
  for (std::size_t i = 0;; ++i) {
    try {
      co_return co_await open_one(context, options, addresses.at(i), socket);
    } catch (const Error& e) {
      if (i + 1 == addresses.size() || !worth_another_address(e)) throw;
    }
  }
}

std::map<std::string, std::string> pinned_settings() {
  return {{"DateStyle", "ISO"},
          {"IntervalStyle", "postgres"},
          {"TimeZone", "UTC"},
          {"bytea_output", "hex"},
          // Servers before 12 print floats lossless only so; later ones print the shortest form anyway.
          {"extra_float_digits", "3"}};
}

}  // namespace sluice::pg
