#include "source-postgres/key_codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/cdc/position.hpp"
#include "sluice/pg/connection.hpp"

namespace sluice::source_postgres {
namespace {

namespace position = cdc::position;

// Built-in types by OID (pg_type.dat): these never change.
namespace oid {
constexpr pg::Oid boolean = 16, bytea = 17, int8 = 20, int2 = 21, int4 = 23, text = 25, object_id = 26,
                  float4 = 700, float8 = 701, macaddr8 = 774, macaddr = 829, bpchar = 1042, varchar = 1043,
                  date = 1082, timestamp = 1114, timestamptz = 1184, numeric = 1700, uuid = 2950;
}

[[noreturn]] void refuse_value(std::string_view what, std::string_view text) {
  throw Error(Error::Kind::transient, fmt::format("\"{}\" is no {} in the form the session asked for",
                                                  text::cut_utf8(text, 80), what));
}

[[noreturn]] void refuse_position(std::string_view why) {
  throw Error(Error::Kind::config,
              fmt::format("the scan position in the state does not fit the key: {}", why),
              "The key of the binding was changed; raise its backfill counter to scan the table again.");
}

template <class T>
T parse(std::string_view text, std::string_view what) {
  T value{};
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) refuse_value(what, text);
  return value;
}

// ---- numeric: ("N", (e, digits), wire) ----
// The wire form has no more digits after the point than it needs: numbers that are equal have one position.

constexpr std::int64_t exponent_bias = 20'000;
constexpr std::int64_t beyond = 1'000'000;  // infinity; NaN one more, as the server orders them

void put_i16(std::string& out, int value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value);
}

struct Decimal {
  bool negative = false;
  std::string digits;  // significant ones, without leading and trailing zeros
  int exponent = 0;    // value = 0.digits * 10^exponent
};

Decimal parse_decimal(std::string_view text) {
  Decimal d;
  std::string_view rest = text;
  if (!rest.empty() && rest[0] == '-') {
    d.negative = true;
    rest.remove_prefix(1);
  }
  std::size_t point = std::min(rest.find('.'), rest.size());
  d.digits = rest.substr(0, point);
  if (point < rest.size()) d.digits += rest.substr(point + 1);
  if (d.digits.empty() || d.digits.find_first_not_of("0123456789") != std::string::npos)
    refuse_value("numeric", text);
  std::size_t leading = std::min(d.digits.find_first_not_of('0'), d.digits.size());
  d.exponent = static_cast<int>(point) - static_cast<int>(leading);
  d.digits.erase(0, leading);
  while (!d.digits.empty() && d.digits.back() == '0') d.digits.pop_back();
  if (d.digits.empty()) d.exponent = 0;
  return d;
}

// The server's binary form: groups of four decimal digits, the first of weight 10000^weight.
std::string wire(const Decimal& d) {
  std::string digits = d.digits;
  int weight = 0;
  if (!digits.empty()) {
    int before = d.exponent % 4;
    if (before <= 0) before += 4;  // digits of the first group
    digits.insert(0, static_cast<std::size_t>(4 - before), '0');
    weight = (d.exponent - before) / 4;
    digits.append((4 - digits.size() % 4) % 4, '0');
  }
  std::string out;
  put_i16(out, static_cast<int>(digits.size() / 4));
  put_i16(out, weight);
  put_i16(out, d.negative ? 0x4000 : 0);
  put_i16(out, std::max(0, static_cast<int>(d.digits.size()) - d.exponent));
  for (std::size_t i = 0; i < digits.size(); i += 4) put_i16(out, parse<int>(digits.substr(i, 4), "numeric"));
  return out;
}

void put_packed(std::string& out, std::int64_t exponent, std::string_view digits, std::string_view binary) {
  std::string inner, middle;
  position::put(inner, exponent);
  position::put_bytes(inner, digits);
  position::put_string(middle, "N");
  position::put_tuple(middle, inner);
  position::put_bytes(middle, binary);
  position::put_tuple(out, middle);
}

void put_special(std::string& out, std::int64_t exponent, int sign) {
  std::string binary;
  for (int part : {0, 0, sign, 0}) put_i16(binary, part);
  put_packed(out, exponent, {}, binary);
}

void put_decimal(std::string& out, const Decimal& d) {
  std::string binary = wire(d);
  if (d.digits.empty()) return put_packed(out, 0, {}, binary);
  std::int64_t exponent = d.exponent + exponent_bias;
  if (!d.negative) return put_packed(out, exponent, d.digits, binary);
  std::string digits = d.digits;
  for (char& c : digits) c = static_cast<char>('0' + ('9' - c));
  put_packed(out, -exponent, digits + ':', binary);
}

void put_numeric(std::string& out, std::string_view text) {
  if (text == "NaN") return put_special(out, beyond + 1, 0xC000);
  if (text == "Infinity") return put_special(out, beyond, 0xD000);
  if (text == "-Infinity") return put_special(out, -beyond, 0xF000);
  put_decimal(out, parse_decimal(text));
}

struct Numeric {
  std::int64_t special = 0;  // an exponent that stands for a value
  Decimal decimal;
};

// Nothing if the element is no numeric.
std::optional<Numeric> read_numeric(const position::Element& element) {
  const auto* outer = std::get_if<position::Tuple>(&element.value);
  if (outer == nullptr || outer->elements.size() != 3) return std::nullopt;
  const auto* value = std::get_if<position::Tuple>(&outer->elements[1].value);
  if (value == nullptr || value->elements.size() != 2) return std::nullopt;
  const auto* exponent = std::get_if<std::int64_t>(&value->elements[0].value);
  const auto* bytes = std::get_if<position::Bytes>(&value->elements[1].value);
  const auto* text = std::get_if<std::string>(&value->elements[1].value);  // of former versions
  if (exponent == nullptr || (bytes == nullptr && text == nullptr)) return std::nullopt;
  Numeric numeric;
  Decimal& d = numeric.decimal;
  if (*exponent >= beyond || *exponent <= -beyond) {
    numeric.special = *exponent;
    return numeric;
  }
  d.digits = bytes != nullptr ? bytes->bytes : *text;
  if (d.digits.empty()) return numeric;
  d.negative = d.digits.back() == ':';
  if (d.negative) d.digits.pop_back();
  if (d.negative)
    for (char& c : d.digits) c = static_cast<char>('0' + ('9' - c));
  if (d.digits.empty() || d.digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  d.exponent = static_cast<int>((d.negative ? -*exponent : *exponent) - exponent_bias);
  return numeric;
}

std::string numeric_text(const position::Element& element) {
  std::optional<Numeric> numeric = read_numeric(element);
  if (!numeric) refuse_position("expected a numeric");
  const Decimal& d = numeric->decimal;
  if (numeric->special == beyond + 1) return "NaN";
  if (numeric->special != 0) return numeric->special > 0 ? "Infinity" : "-Infinity";
  if (d.digits.empty()) return "0";
  return fmt::format("{}0.{}e{}", d.negative ? "-" : "", d.digits, d.exponent);
}

void put_numeric(std::string& out, const Numeric& numeric) {
  if (numeric.special == 0) return put_decimal(out, numeric.decimal);
  put_numeric(out, numeric.special == beyond + 1 ? "NaN" : numeric.special > 0 ? "Infinity" : "-Infinity");
}

// An element as it was read.
void put(std::string& out, const position::Element& element) {
  if (auto numeric = read_numeric(element)) return put_numeric(out, *numeric);
  struct Visitor {
    std::string& out;
    void operator()(std::monostate) { position::put_null(out); }
    void operator()(bool value) { position::put(out, value); }
    void operator()(std::int64_t value) { position::put(out, value); }
    void operator()(float value) { position::put(out, value); }
    void operator()(double value) { position::put(out, value); }
    void operator()(const std::string& value) { position::put_string(out, value); }
    void operator()(const position::Bytes& value) { position::put_bytes(out, value.bytes); }
    void operator()(const position::Tuple&) { refuse_position("it has a tuple that is no numeric"); }
  };
  std::visit(Visitor{out}, element.value);
}

// ---- dates and times: YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ ----
// Years that have not four digits, and BC, get a prefix that keeps bytewise order: "/" and the year counted
// up from a million before, or ":" and six digits. Infinities sort around all by themselves.

void put_temporal(std::string& out, std::string_view text) {
  if (text == "infinity" || text == "-infinity") return position::put_string(out, text);
  std::string_view rest = text;
  bool before_christ = rest.ends_with(" BC");
  if (before_christ) rest.remove_suffix(3);
  std::size_t dash = rest.find('-');
  if (dash == rest.npos || rest.size() < dash + 6) refuse_value("date or timestamp", text);
  int year = parse<int>(rest.substr(0, dash), "date or timestamp");
  std::string_view month_day = rest.substr(dash, 6), time = rest.substr(dash + 6);
  if (!time.empty()) time.remove_prefix(1);  // the blank
  if (time.ends_with("+00")) time.remove_suffix(3);
  std::size_t point = std::min(time.find('.'), time.size());
  std::string fraction(time.substr(std::min(point + 1, time.size())));
  fraction.resize(9, '0');
  std::string clock(time.empty() ? "00:00:00" : time.substr(0, point));
  std::string packed;
  if (before_christ)
    packed = fmt::format("/{:06}", 999'999 - year);
  else if (year > 9999)
    packed = fmt::format(":{:06}", year);
  else
    packed = fmt::format("{:04}", year);
  packed += fmt::format("{}T{}.{}Z", month_day, clock, fraction);
  position::put_string(out, packed);
}

std::string temporal_text(std::string text) {
  if (text.size() < 8 || (text[0] != '/' && text[0] != ':')) return text;
  int year = parse<int>(std::string_view(text).substr(1, 6), "position");
  std::string_view rest = std::string_view(text).substr(7);
  if (text[0] == ':') return fmt::format("{}{}", year, rest);
  return fmt::format("{:04}{} BC", 999'999 - year, rest);
}

void put_bytea(std::string& out, std::string_view text) {
  auto bytes = text.starts_with("\\x") ? text::unhex(text.substr(2)) : std::nullopt;
  if (!bytes) refuse_value("bytea", text);
  position::put_bytes(out, *bytes);
}

template <class T>
const T& expect(const position::Element& element, std::string_view what) {
  const T* value = std::get_if<T>(&element.value);
  if (value == nullptr) refuse_position(fmt::format("expected {}", what));
  return *value;
}

// std::from_chars knows neither "Infinity" nor "NaN" by these names alone on all libraries.
template <class T>
T parse_float(std::string_view text) {
  if (text == "NaN") return std::numeric_limits<T>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<T>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<T>::infinity();
  return parse<T>(text, "float");
}

template <class T>
std::string float_text(T value) {
  if (value != value) return "NaN";
  if (value == std::numeric_limits<T>::infinity()) return "Infinity";
  if (value == -std::numeric_limits<T>::infinity()) return "-Infinity";
  return fmt::format("{}", value);
}

}  // namespace

KeyCodec::KeyCodec(const pg::TypeCatalog& types, const std::vector<pg::Oid>& columns, bool server_timezone) {
  for (pg::Oid column : columns) {
    const pg::Type* declared = types.find(column);
    const pg::Type* base = types.resolve(column);
    if (declared == nullptr || base == nullptr)
      throw Error(Error::Kind::transient,
                  fmt::format("the type of a key column, OID {}, is unknown", column));
    Kind kind = Kind::text;
    switch (base->oid) {
      case oid::int2:
      case oid::int4:
      case oid::int8:
      case oid::object_id:
        kind = Kind::integer;
        break;
      case oid::boolean:
        kind = Kind::boolean;
        break;
      case oid::float4:
        kind = Kind::float4;
        break;
      case oid::float8:
        kind = Kind::float8;
        break;
      case oid::numeric:
        kind = Kind::numeric;
        break;
      case oid::date:
      case oid::timestamp:
        kind = Kind::temporal;
        break;
      case oid::timestamptz:
        kind = server_timezone ? Kind::text : Kind::temporal;
        break;
      case oid::bytea:
        kind = Kind::bytes;
        break;
      case oid::uuid:
      case oid::macaddr:
      case oid::macaddr8:
        kind = Kind::ordered_text;
        break;
      case oid::text:
      case oid::varchar:
      case oid::bpchar:
        kind = Kind::collated_text;
        break;
      default:
        break;
    }
    bool extension = base->kind == 'b' && base->schema != "pg_catalog";
    elements_.push_back(
        {kind, pg::quote_table(declared->schema, declared->name), extension ? base->schema : std::string()});
  }
}

bool KeyCodec::ordered() const {
  return std::none_of(elements_.begin(), elements_.end(),
                      [](const Element& e) { return e.kind == Kind::text || e.kind == Kind::collated_text; });
}

bool KeyCodec::ordered_by_c() const {
  return std::none_of(elements_.begin(), elements_.end(),
                      [](const Element& e) { return e.kind == Kind::text; });
}

bool KeyCodec::collatable(std::size_t column) const { return elements_[column].kind == Kind::collated_text; }

void KeyCodec::append(std::string& out, std::size_t column, const pg::Field& value) const {
  if (value.state != pg::Field::State::text) return position::put_null(out);
  std::string_view text = value.text;
  switch (elements_[column].kind) {
    case Kind::integer:
      return position::put(out, parse<std::int64_t>(text, "integer"));
    case Kind::boolean:
      return position::put(out, text == "t");
    case Kind::float4:
      return position::put(out, parse_float<float>(text));
    case Kind::float8:
      return position::put(out, parse_float<double>(text));
    case Kind::numeric:
      return put_numeric(out, text);
    case Kind::temporal:
      return put_temporal(out, text);
    case Kind::bytes:
      return put_bytea(out, text);
    case Kind::ordered_text:
    case Kind::collated_text:
    case Kind::text:
      return position::put_string(out, text);
  }
}

std::string renewed_position(std::string_view packed) {
  std::string out;
  for (const position::Element& element : position::read(packed)) put(out, element);
  return out;
}

std::vector<std::string> KeyCodec::literals(std::string_view packed) const {
  std::vector<position::Element> elements = position::read(packed);
  if (elements.size() != elements_.size())
    refuse_position(fmt::format("it has {} elements, the key {} columns", elements.size(), elements_.size()));
  std::vector<std::string> out;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (std::holds_alternative<std::monostate>(elements[i].value)) {
      out.emplace_back("NULL");
      continue;
    }
    std::string text;
    switch (elements_[i].kind) {
      case Kind::integer:
        text = std::to_string(expect<std::int64_t>(elements[i], "an integer"));
        break;
      case Kind::boolean:
        text = expect<bool>(elements[i], "a boolean") ? "t" : "f";
        break;
      case Kind::float4:
        text = float_text(expect<float>(elements[i], "a float"));
        break;
      case Kind::float8:
        text = float_text(expect<double>(elements[i], "a double"));
        break;
      case Kind::numeric:
        text = numeric_text(elements[i]);
        break;
      case Kind::temporal:
        text = temporal_text(expect<std::string>(elements[i], "a time"));
        break;
      case Kind::bytes:
        text = "\\x" + text::hex(expect<position::Bytes>(elements[i], "bytes").bytes);
        break;
      case Kind::ordered_text:
      case Kind::collated_text:
      case Kind::text:
        text = expect<std::string>(elements[i], "a string");
        break;
    }
    out.push_back(pg::quote_literal(text) + "::" + elements_[i].cast);
  }
  return out;
}

}  // namespace sluice::source_postgres
