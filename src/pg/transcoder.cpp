#include "array.hpp"
#include "json_text.hpp"
#include "malformed.hpp"
#include "range.hpp"
#include "scalar.hpp"
#include "sluice/base/error.hpp"
#include "sluice/pg/types.hpp"
#include "temporal.hpp"
#include "value_kind.hpp"

namespace sluice::pg {

struct Transcoder::Impl {
  ValueKind kind = ValueKind::string;
  ValueOptions options;
  bool key = false;
  char delimiter = ',';
  std::unique_ptr<Transcoder> element;  // of arrays and ranges; of the ranges of multiranges too
  std::string scratch;                  // unescaped array elements

  void append(std::string& out, std::string_view text);
  bool append_plain(std::string& out, std::string_view text) const;
  void append_range(std::string& out, std::string_view& text) const;
  void append_bound(std::string& out, std::string_view bound) const;
  void append_multirange(std::string& out, std::string_view text) const;
  void append_array(std::string& out, std::string_view text);
  void append_flat(std::string& out, std::string_view text);
  void append_nested(std::string& out, std::string_view text);
};

namespace {

// Arrays of domains over arrays may nest; deeper ones are shown as text.
constexpr int most_nesting = 8;

void append_quoted_json(std::string& out, std::string_view text, RepairCount* repaired, bool binary) {
  if (text.size() > max_value_bytes) return append_truncated(out, text.size());
  if (text.empty()) malformed("json", text);
  binary ? append_jsonb(out, text, repaired) : append_json(out, text, repaired);
}

}  // namespace

// What JSON shows as a string without anything to escape. False for other kinds.
bool Transcoder::Impl::append_plain(std::string& out, std::string_view text) const {
  switch (kind) {
    case ValueKind::date:
      options.date_as_date ? append_date(out, text) : append_date_as_timestamp(out, text);
      return true;
    case ValueKind::timestamp:
    case ValueKind::timestamptz:
      append_timestamp(out, text);
      return true;
    case ValueKind::time:
    case ValueKind::timetz:
      append_time(out, text);
      return true;
    case ValueKind::interval:
      append_interval(out, text);
      return true;
    case ValueKind::inet:
      append_inet(out, text);
      return true;
    default:
      return false;
  }
}

void Transcoder::Impl::append(std::string& out, std::string_view text) {
  switch (kind) {
    case ValueKind::boolean:
      return append_boolean(out, text);
    case ValueKind::integer:
      return append_integer(out, text);
    case ValueKind::real:
      return key ? append_plain_real(out, text) : append_real(out, text);
    case ValueKind::string:
      return append_string(out, cut_oversize(text), options.repaired);
    case ValueKind::bytea:
      return append_bytea(out, text);
    case ValueKind::json:
      return append_quoted_json(out, text, options.repaired, false);
    case ValueKind::jsonb:
      return append_quoted_json(out, text, options.repaired, true);
    case ValueKind::array:
      return append_array(out, text);
    case ValueKind::time:
      if (!options.time_as_time) return append_time_as_integer(out, text);
      break;
    default:
      break;
  }
  out += '"';
  if (kind == ValueKind::range) {
    append_range(out, text);
    if (!text.empty()) malformed("range", text);
  } else if (kind == ValueKind::multirange) {
    append_multirange(out, text);
  } else {
    append_plain(out, text);
  }
  out += '"';
}

void Transcoder::Impl::append_range(std::string& out, std::string_view& text) const {
  RangeText range = take_range(text);
  if (range.empty) {
    out += "empty";
    return;
  }
  out += range.open;
  append_bound(out, range.lower);
  out += ',';
  append_bound(out, range.upper);
  out += range.close;
}

// Values that the element rewrites hold no quotes; all others stay as the server has quoted them.
void Transcoder::Impl::append_bound(std::string& out, std::string_view bound) const {
  if (bound.empty() || element->impl_->append_plain(out, unquoted(bound))) return;
  append_escaped(out, bound, options.repaired);
}

void Transcoder::Impl::append_multirange(std::string& out, std::string_view text) const {
  std::string_view rest = text;
  if (rest.size() < 2 || rest.front() != '{' || rest.back() != '}') malformed("multirange", text);
  rest = rest.substr(1, rest.size() - 2);
  out += '{';
  while (!rest.empty()) {
    append_range(out, rest);
    if (rest.empty()) break;
    if (rest.front() != ',' || rest.size() == 1) malformed("multirange", text);
    rest.remove_prefix(1);
    out += ',';
  }
  out += '}';
}

void Transcoder::Impl::append_array(std::string& out, std::string_view text) {
  if (options.multidimensional_arrays) return append_nested(out, text);
  if (options.flatten_arrays) return append_flat(out, text);
  out += R"({"dimensions":[)";
  Dimensions sizes = dimensions(text, delimiter, scratch);
  for (std::size_t i = 0; i < sizes.count; ++i)
    fmt::format_to(std::back_inserter(out), "{}{}", i == 0 ? "" : ",", sizes.lengths[i]);
  out += R"(],"elements":)";
  append_flat(out, text);
  out += '}';
}

void Transcoder::Impl::append_flat(std::string& out, std::string_view text) {
  ArrayReader reader(text, delimiter, scratch);
  out += '[';
  for (bool first = true;;) {
    ArrayReader::Token token = reader.next();
    if (token == ArrayReader::Token::end) break;
    if (token == ArrayReader::Token::open || token == ArrayReader::Token::close) continue;
    if (!first) out += ',';
    first = false;
    if (token == ArrayReader::Token::null)
      out += "null";
    else
      element->append(out, reader.element());
  }
  out += ']';
}

void Transcoder::Impl::append_nested(std::string& out, std::string_view text) {
  ArrayReader reader(text, delimiter, scratch);
  for (bool first = true;;) {
    ArrayReader::Token token = reader.next();
    if (token == ArrayReader::Token::end) break;
    if (token != ArrayReader::Token::close && !first) out += ',';
    first = token == ArrayReader::Token::open;
    switch (token) {
      case ArrayReader::Token::open:
        out += '[';
        break;
      case ArrayReader::Token::close:
        out += ']';
        break;
      case ArrayReader::Token::null:
        out += "null";
        break;
      default:
        element->append(out, reader.element());
    }
  }
}

Transcoder::Transcoder(const TypeCatalog& types, Oid type, bool key, const ValueOptions& options)
    : Transcoder(types, type, key, options, 0) {}

Transcoder::Transcoder(const TypeCatalog& types, Oid oid, bool key, const ValueOptions& options, int depth)
    : impl_(std::make_unique<Impl>()) {
  const Type* type = types.resolve(oid);
  impl_->kind = depth > most_nesting ? ValueKind::string : traits(type).kind;
  impl_->options = options;
  impl_->key = key;
  bool range = impl_->kind == ValueKind::range || impl_->kind == ValueKind::multirange;
  if (range && type->range_subtype == 0) impl_->kind = ValueKind::string;
  Oid part = impl_->kind == ValueKind::array ? type->element : range ? type->range_subtype : 0;
  if (part == 0) return;
  if (const Type* element = types.find(part)) impl_->delimiter = element->delimiter;
  impl_->element.reset(new Transcoder(types, part, false, options, depth + 1));
}

Transcoder::Transcoder(Transcoder&&) noexcept = default;
Transcoder& Transcoder::operator=(Transcoder&&) noexcept = default;
Transcoder::~Transcoder() = default;

void Transcoder::append(std::string& out, std::string_view text) const { impl_->append(out, text); }

}  // namespace sluice::pg
