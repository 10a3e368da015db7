#include "format.hpp"

#include <arpa/inet.h>

#include "regex.hpp"
#include "sluice/base/text.hpp"
#include "uri.hpp"

namespace sluice::runtime {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool alpha(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
bool alnum(char c) { return digit(c) || alpha(c); }
bool hex(char c) { return digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }
bool non_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }

// Takes what it recognizes off the front of a text.
struct Scan {
  std::string_view rest;

  bool done() const { return rest.empty(); }
  char peek() const { return rest.empty() ? '\0' : rest.front(); }
  bool take(char c) {
    if (peek() != c || rest.empty()) return false;
    rest.remove_prefix(1);
    return true;
  }
  // Either one, neither of which is a zero.
  bool take_either(char a, char b) {
    bool here = peek() == a || peek() == b;
    if (here) rest.remove_prefix(1);
    return here;
  }
  template <class Predicate>
  std::size_t run(Predicate predicate) {
    std::size_t n = 0;
    while (n < rest.size() && predicate(rest[n])) ++n;
    rest.remove_prefix(n);
    return n;
  }
  // Exactly two digits, or -1.
  int two_digits() {
    if (rest.size() < 2 || !digit(rest[0]) || !digit(rest[1])) return -1;
    int value = (rest[0] - '0') * 10 + (rest[1] - '0');
    rest.remove_prefix(2);
    return value;
  }
};

bool is_integer(std::string_view text) {
  Scan scan{text};
  scan.take_either('+', '-');
  if (!scan.run(digit)) return false;
  if (scan.take('.') && !scan.run([](char c) { return c == '0'; })) return false;
  return scan.done();
}

bool is_finite(std::string_view text) {
  Scan scan{text};
  scan.take_either('+', '-');
  bool whole = scan.run(digit) > 0;
  if (scan.take('.')) {
    if (!scan.run(digit)) return false;
  } else if (!whole) {
    return false;
  }
  if (scan.take_either('e', 'E')) {
    scan.take_either('+', '-');
    if (!scan.run(digit)) return false;
  }
  return scan.done();
}

bool is_number(std::string_view text) {
  return is_finite(text) || text == "NaN" || text == "Infinity" || text == "-Infinity";
}

bool take_date(Scan& scan) {
  int century = scan.two_digits(), year = scan.two_digits();
  if (century < 0 || year < 0 || !scan.take('-')) return false;
  int month = scan.two_digits();
  if (month < 1 || month > 12 || !scan.take('-')) return false;
  int day = scan.two_digits();
  return day >= 1 &&
         std::chrono::year_month_day(std::chrono::year(100 * century + year),
                                     std::chrono::month(unsigned(month)), std::chrono::day(unsigned(day)))
             .ok();
}

bool take_time(Scan& scan) {
  int hour = scan.two_digits();
  if (hour < 0 || hour > 23 || !scan.take(':')) return false;
  int minute = scan.two_digits();
  if (minute < 0 || minute > 59 || !scan.take(':')) return false;
  int second = scan.two_digits();
  if (second < 0 || second > 60) return false;
  if (scan.take('.') && !scan.run(digit)) return false;
  int offset = 0;
  if (!scan.take_either('Z', 'z')) {
    bool west = scan.peek() == '-';
    if (!scan.take_either('+', '-')) return false;
    int hours = scan.two_digits();
    if (hours < 0 || hours > 23 || !scan.take(':')) return false;
    int minutes = scan.two_digits();
    if (minutes < 0 || minutes > 59) return false;
    offset = (west ? -1 : 1) * (hours * 60 + minutes);
  }
  // A leap second is the last one of a UTC day.
  constexpr int day = 24 * 60;
  return second < 60 || (hour * 60 + minute - offset + 2 * day) % day == day - 1;
}

bool is_date(std::string_view text) {
  Scan scan{text};
  return take_date(scan) && scan.done();
}

bool is_time(std::string_view text) {
  Scan scan{text};
  return take_time(scan) && scan.done();
}

bool is_date_time(std::string_view text) {
  Scan scan{text};
  return take_date(scan) && scan.take_either('T', 't') && take_time(scan) && scan.done();
}

// P[nY][nM][nD][T[nH][nM][nS]]: from the first unit to the last none is left out.
bool is_duration(std::string_view text) {
  Scan scan{text};
  if (!scan.take('P')) return false;
  int units = 0;
  auto part = [&](std::string_view order) {
    int last = -1;
    while (digit(scan.peek())) {
      scan.run(digit);
      auto at = order.find(scan.peek());
      if (scan.done() || at == order.npos) return false;
      if (last >= 0 ? int(at) != last + 1 : false) return false;
      last = int(at);
      scan.take(scan.peek());
      ++units;
    }
    return true;
  };
  Scan weeks = scan;
  if (weeks.run(digit) && weeks.take('W')) return weeks.done();
  if (!part("YMD")) return false;
  if (scan.take('T') && (!digit(scan.peek()) || !part("HMS"))) return false;
  return units > 0 && scan.done();
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-' : !hex(text[i])) return false;
  return true;
}

bool is_sha256(std::string_view text) {
  return text.size() == 71 && text.starts_with("sha256:") && std::all_of(text.begin() + 7, text.end(), hex);
}

template <int pairs>
bool is_mac(std::string_view text) {
  Scan scan{text};
  for (int i = 0; i < pairs; ++i) {
    if (i > 0) scan.take_either(':', '-');
    for (int j = 0; j < 2; ++j)
      if (!hex(scan.peek()) || !scan.take(scan.peek())) return false;
  }
  return scan.done();
}

bool is_quad(std::string_view text) {
  Scan scan{text};
  for (int i = 0; i < 4; ++i) {
    if (i > 0 && !scan.take('.')) return false;
    std::string_view from = scan.rest;
    std::size_t n = scan.run(digit);
    if (n == 0 || n > 3 || (n > 1 && from[0] == '0')) return false;
    if (n == 3 && from.substr(0, 3) > "255") return false;
  }
  return scan.done();
}

bool is_ipv4(std::string_view text) { return !text.starts_with('0') && is_quad(text); }

bool is_ipv6(std::string_view text) {
  char copy[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof copy) return false;
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  in6_addr address;
  return text.find('\0') == text.npos && inet_pton(AF_INET6, copy, &address) == 1;
}

bool is_hostname(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  for (std::size_t first = 0; first <= text.size();) {
    std::size_t end = std::min(text.find('.', first), text.size());
    std::string_view label = text.substr(first, end - first);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    if (!std::all_of(label.begin(), label.end(), [](char c) { return alnum(c) || c == '-'; })) return false;
    first = end + 1;
  }
  return true;
}

// RFC 5321 §4.1.2 without comments and folding.
bool is_email(std::string_view text) {
  std::size_t at = text.rfind('@');
  if (at == text.npos || at == 0 || at > 64) return false;
  std::string_view local = text.substr(0, at), domain = text.substr(at + 1);
  if (local.size() > 2 && local.front() == '"' && local.back() == '"') {
    Scan scan{local.substr(1, local.size() - 2)};
    while (!scan.done()) {
      if (scan.take('\\') && scan.done()) return false;
      if (scan.peek() == '"' && scan.rest.data()[-1] != '\\') return false;
      if (scan.peek() < ' ' || scan.peek() > '~') return false;
      scan.take(scan.peek());
    }
  } else {
    char previous = '.';
    for (char c : local) {
      constexpr std::string_view extra = "!#$%&'*+-/=?^_`{|}~";
      if (c == '.' ? previous == '.' : !alnum(c) && extra.find(c) == extra.npos) return false;
      previous = c;
    }
    if (previous == '.') return false;
  }
  if (domain.starts_with('[') && domain.ends_with(']')) {
    std::string_view literal = domain.substr(1, domain.size() - 2);
    return literal.starts_with("IPv6:") ? is_ipv6(literal.substr(5)) : is_quad(literal);
  }
  return is_hostname(domain);
}

// Characters of RFC 3986 beyond letters and digits, with percent escapes checked; IRIs (RFC 3987) add all
// that is not ASCII.
bool uri_text(std::string_view text, std::string_view extra, bool iri) {
  constexpr std::string_view common = "-._~!$&'()*+,;=";
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || !hex(text[i + 1]) || !hex(text[i + 2])) return false;
      i += 2;
    } else if (!alnum(c) && common.find(c) == common.npos && extra.find(c) == extra.npos &&
               !(iri && non_ascii(c))) {
      return false;
    }
  }
  return true;
}

bool is_authority(std::string_view text, bool iri) {
  if (auto at = text.rfind('@'); at != text.npos) {
    if (!uri_text(text.substr(0, at), ":", iri)) return false;
    text.remove_prefix(at + 1);
  }
  std::string_view port;
  if (text.starts_with('[')) {
    auto end = text.find(']');
    if (end == text.npos) return false;
    std::string_view literal = text.substr(1, end - 1);
    bool future = literal.starts_with('v') && uri_text(literal, ":", false);
    if (!is_ipv6(literal) && !future) return false;
    port = text.substr(end + 1);
  } else {
    auto colon = std::min(text.find(':'), text.size());
    if (!uri_text(text.substr(0, colon), "", iri)) return false;
    port = text.substr(colon);
  }
  return port.empty() || (port[0] == ':' && std::all_of(port.begin() + 1, port.end(), digit));
}

bool is_reference(std::string_view text, bool iri, bool absolute) {
  Uri uri = Uri::split(text);
  if (absolute && !uri.has_scheme) return false;
  if (uri.has_authority && !is_authority(uri.authority, iri)) return false;
  // Without a scheme the first segment must not look like one.
  if (!uri.has_scheme && !uri.has_authority &&
      uri.path.substr(0, uri.path.find('/')).find(':') != uri.path.npos)
    return false;
  return uri_text(uri.path, ":@/", iri) && uri_text(uri.query, ":@/?", iri) &&
         uri_text(uri.fragment, ":@/?", iri);
}

bool is_uri(std::string_view text) { return is_reference(text, false, true); }
bool is_uri_reference(std::string_view text) { return is_reference(text, false, false); }
bool is_iri(std::string_view text) { return is_reference(text, true, true); }
bool is_iri_reference(std::string_view text) { return is_reference(text, true, false); }

// RFC 6570 §2.
bool is_expression(std::string_view text) {
  Scan scan{text};
  constexpr std::string_view operators = "+#./;?&";
  if (operators.find(scan.peek()) != operators.npos) scan.take(scan.peek());
  do {
    bool name = false;
    for (;;) {
      if (scan.run([](char c) { return alnum(c) || c == '_'; })) {
        name = true;
      } else if (scan.peek() == '%' && scan.rest.size() > 2 && hex(scan.rest[1]) && hex(scan.rest[2])) {
        scan.rest.remove_prefix(3);
        name = true;
      } else if (!name || !scan.take('.')) {
        break;
      }
    }
    if (!name) return false;
    if (scan.take(':')) {
      std::size_t n = scan.run(digit);
      if (n == 0 || n > 4) return false;
    } else {
      scan.take('*');
    }
  } while (scan.take(','));
  return scan.done();
}

bool is_uri_template(std::string_view text) {
  while (!text.empty()) {
    std::size_t open = std::min(text.find('{'), text.size());
    constexpr std::string_view forbidden = " \"'<>\\^`|}";
    for (std::size_t i = 0; i < open; ++i) {
      char c = text[i];
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || forbidden.find(c) != forbidden.npos)
        return false;
      if (c == '%' && (i + 2 >= open || !hex(text[i + 1]) || !hex(text[i + 2]))) return false;
    }
    if (open == text.size()) return true;
    std::size_t close = text.find('}', open);
    if (close == text.npos || !is_expression(text.substr(open + 1, close - open - 1))) return false;
    text.remove_prefix(close + 1);
  }
  return true;
}

bool is_json_pointer(std::string_view text) {
  if (!text.empty() && text[0] != '/') return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '~' && (i + 1 == text.size() || (text[i + 1] != '0' && text[i + 1] != '1'))) return false;
  return true;
}

bool is_relative_json_pointer(std::string_view text) {
  Scan scan{text};
  std::size_t n = scan.run(digit);
  if (n == 0 || (n > 1 && text[0] == '0')) return false;
  return scan.rest == "#" || is_json_pointer(scan.rest);
}

bool never(std::string_view) { return false; }

constexpr Format formats[] = {
    {"integer", is_integer},
    {"number", is_number},
    {"date", is_date},
    {"date-time", is_date_time},
    {"time", is_time},
    {"uuid", is_uuid},
    {"ipv4", is_ipv4},
    {"ipv6", is_ipv6},
    {"email", is_email},
    {"hostname", is_hostname},
    {"uri", is_uri},
    {"uri-reference", is_uri_reference},
    {"iri", is_iri},
    {"iri-reference", is_iri_reference},
    {"uri-template", is_uri_template},
    {"json-pointer", is_json_pointer},
    {"relative-json-pointer", is_relative_json_pointer},
    {"regex", Regex::understood},
    {"macaddr", is_mac<6>},
    {"macaddr8", is_mac<8>},
    {"duration", is_duration},
    {"sha256", is_sha256},
    {"idn-hostname", never},
    {"idn-email", never},
};

}  // namespace

const Format* Format::find(std::string_view name) {
  if (name == "uint32" || name == "uint64") name = "integer";
  if (name == "datetime") name = "date-time";
  for (const Format& format : formats)
    if (format.name == name) return &format;
  return nullptr;
}

const Format* Format::detect(std::string_view text) {
  for (std::string_view name : {"integer", "number", "date-time", "date", "uuid", "sha256"})
    if (const Format* format = find(name); format->holds(text)) return format;
  return nullptr;
}

}  // namespace sluice::runtime
