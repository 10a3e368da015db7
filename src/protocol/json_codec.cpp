#include "json_codec.hpp"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/json/write.hpp"
#include "time.hpp"

namespace sluice::protocol {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

bool is_raw(const Field& field) {
  std::string_view name = field.name();
  return name.ends_with("_json") || name.ends_with("_json_map") || name.ends_with("_json_vec");
}

bool is_time(const pb::Descriptor& type) {
  return type.full_name() == "google.protobuf.Timestamp" || type.full_name() == "google.protobuf.Duration";
}

// A newline in valid JSON is whitespace: inside strings it is escaped.
void append_raw(std::string& out, std::string_view json) {
  if (json.find('\n') == json.npos)
    out += json;
  else
    json::write_compact(out, json);
}

// ---- writing ----

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  void message(const pb::Message& message) {
    const std::string& type = message.GetDescriptor()->full_name();
    if (type == "google.protobuf.Timestamp") return time<Timestamp>(message, write_timestamp);
    if (type == "google.protobuf.Duration") return time<Duration>(message, write_duration);
    std::vector<const Field*> present;
    message.GetReflection()->ListFields(message, &present);
    out_ += '{';
    bool first = true;
    for (const Field* field : present) {
      if (!std::exchange(first, false)) out_ += ',';
      json::write_string(out_, field->json_name());
      out_ += ':';
      member(message, *field);
    }
    out_ += '}';
  }

 private:
  void member(const pb::Message& message, const Field& field) {
    const pb::Reflection& reflection = *message.GetReflection();
    if (!field.is_repeated()) return single(message, field, is_raw(field));
    out_ += field.is_map() ? '{' : '[';
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      if (i) out_ += ',';
      if (field.is_map())
        entry(reflection.GetRepeatedMessage(message, &field, i), is_raw(field));
      else
        item(message, field, i);
    }
    out_ += field.is_map() ? '}' : ']';
  }

  void entry(const pb::Message& pair, bool raw) {
    const pb::Descriptor& type = *pair.GetDescriptor();
    json::write_string(out_, pair.GetReflection()->GetString(pair, type.map_key()));
    out_ += ':';
    single(pair, *type.map_value(), raw);
  }

  void item(const pb::Message& message, const Field& field, int i) {
    const pb::Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case Field::CPPTYPE_MESSAGE:
        return this->message(reflection.GetRepeatedMessage(message, &field, i));
      case Field::CPPTYPE_STRING:
        return string(field, reflection.GetRepeatedString(message, &field, i), is_raw(field));
      case Field::CPPTYPE_ENUM:
        return enumerator(field, reflection.GetRepeatedEnumValue(message, &field, i));
      default:
        SLUICE_CHECK(!"a repeated field of a type that no Flow message has");
    }
  }

  void single(const pb::Message& message, const Field& field, bool raw) {
    const pb::Reflection& reflection = *message.GetReflection();
    auto out = std::back_inserter(out_);
    switch (field.cpp_type()) {
      case Field::CPPTYPE_MESSAGE:
        return this->message(reflection.GetMessage(message, &field));
      case Field::CPPTYPE_STRING:
        return string(field, reflection.GetString(message, &field), raw);
      case Field::CPPTYPE_ENUM:
        return enumerator(field, reflection.GetEnumValue(message, &field));
      case Field::CPPTYPE_BOOL:
        out_ += reflection.GetBool(message, &field) ? "true" : "false";
        return;
      case Field::CPPTYPE_INT32:
        fmt::format_to(out, "{}", reflection.GetInt32(message, &field));
        return;
      case Field::CPPTYPE_UINT32:
        fmt::format_to(out, "{}", reflection.GetUInt32(message, &field));
        return;
      case Field::CPPTYPE_INT64:
        fmt::format_to(out, "\"{}\"", reflection.GetInt64(message, &field));
        return;
      case Field::CPPTYPE_UINT64:
        fmt::format_to(out, "\"{}\"", reflection.GetUInt64(message, &field));
        return;
      case Field::CPPTYPE_DOUBLE:
        return number(reflection.GetDouble(message, &field));
      case Field::CPPTYPE_FLOAT:
        return number(static_cast<double>(reflection.GetFloat(message, &field)));
    }
  }

  void string(const Field& field, const std::string& value, bool raw) {
    if (raw)
      value.empty() ? out_ += "null" : (append_raw(out_, value), out_);
    else if (field.type() == Field::TYPE_BYTES)
      out_ += '"' + text::base64(value) + '"';
    else
      json::write_string(out_, value);
  }

  void enumerator(const Field& field, int value) {
    if (const pb::EnumValueDescriptor* known = field.enum_type()->FindValueByNumber(value))
      json::write_string(out_, known->name());
    else
      fmt::format_to(std::back_inserter(out_), "{}", value);
  }

  void number(double value) {
    if (std::isfinite(value))
      fmt::format_to(std::back_inserter(out_), "{}", value);
    else
      out_ += std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  }

  template <class Time>
  void time(const pb::Message& message, std::string (*write)(const Time&)) {
    const pb::Descriptor& type = *message.GetDescriptor();
    Time value;
    value.seconds = message.GetReflection()->GetInt64(message, type.FindFieldByNumber(1));
    value.nanos = message.GetReflection()->GetInt32(message, type.FindFieldByNumber(2));
    out_ += '"' + write(value) + '"';
  }

  std::string& out_;
};

// ---- reading ----

// Accepted names: the JSON name, the proto name, and its plain lowerCamelCase.
const Field* find_field(const pb::Descriptor& type, std::string_view name) {
  for (int i = 0; i < type.field_count(); ++i) {
    const Field* field = type.field(i);
    if (name == field->json_name() || name == field->name() || name == field->camelcase_name()) return field;
  }
  return nullptr;
}

template <class T>
bool integer(std::string_view token, T& value) {
  auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  return error == std::errc() && end == token.data() + token.size();
}

class JsonReader {
 public:
  JsonReader(const json::Tree& tree, UnknownFields unknown) : tree_(tree), unknown_(unknown) {}

  void message(const json::Node& node, pb::Message& out, const Field* field) {
    const pb::Descriptor& type = *out.GetDescriptor();
    if (type.full_name() == "google.protobuf.Timestamp")
      return time(node, out, *field, parse_timestamp, "an RFC 3339 time");
    if (type.full_name() == "google.protobuf.Duration")
      return time(node, out, *field, parse_duration, "seconds like \"1.5s\"");
    if (node.kind != json::Kind::object) {
      if (field) wrong(*field, "an object", node);
      throw Error(Error::Kind::transient, fmt::format("{} must be an object", type.full_name()));
    }
    for (const json::Node& child : tree_.children(node)) {
      const Field* known = find_field(type, child.key);
      if (known)
        member(child, out, *known);
      else if (unknown_ == UnknownFields::reject)
        throw Error(Error::Kind::transient,
                    fmt::format("unknown field '{}' in {}", child.key, type.full_name()));
    }
  }

 private:
  // Requests hold configurations, so of them only scalars are shown, in place of scalars: what stands in
  // place of a message may be one as a string. Bytes may be a secret.
  [[noreturn]] void wrong(const Field& field, std::string_view expected, const json::Node& node) const {
    bool response = unknown_ == UnknownFields::reject;
    bool scalar = (field.cpp_type() != Field::CPPTYPE_MESSAGE || is_time(*field.message_type())) &&
                  node.kind != json::Kind::object && node.kind != json::Kind::array;
    std::string value;
    if ((response || scalar) && field.type() != Field::TYPE_BYTES) {
      std::string_view shown = text::cut_utf8(node.raw, 100);
      value = fmt::format(", not {}{}", shown, shown.size() < node.raw.size() ? "…" : "");
    }
    throw Error(Error::Kind::transient, fmt::format("field '{}' of {} must be {}{}", field.json_name(),
                                                    field.containing_type()->full_name(), expected, value));
  }

  void member(const json::Node& node, pb::Message& out, const Field& field) {
    if (node.kind == json::Kind::null) return;
    const pb::Reflection& reflection = *out.GetReflection();
    if (!field.is_repeated()) return single(node, out, field, is_raw(field));
    bool map = field.is_map();
    if (node.kind != (map ? json::Kind::object : json::Kind::array))
      wrong(field, map ? "an object" : "an array", node);
    for (const json::Node& child : tree_.children(node)) {
      if (map)
        entry(child, *reflection.AddMessage(&out, &field), is_raw(field));
      else
        item(child, out, field);
    }
  }

  void entry(const json::Node& node, pb::Message& pair, bool raw) {
    const pb::Descriptor& type = *pair.GetDescriptor();
    pair.GetReflection()->SetString(&pair, type.map_key(), std::string(node.key));
    single(node, pair, *type.map_value(), raw);
  }

  void item(const json::Node& node, pb::Message& out, const Field& field) {
    const pb::Reflection& reflection = *out.GetReflection();
    switch (field.cpp_type()) {
      case Field::CPPTYPE_MESSAGE:
        return message(node, *reflection.AddMessage(&out, &field), &field);
      case Field::CPPTYPE_STRING:
        return reflection.AddString(&out, &field, string(node, field, is_raw(field)));
      case Field::CPPTYPE_ENUM:
        return reflection.AddEnumValue(&out, &field, enumerator(node, field));
      default:
        SLUICE_CHECK(!"a repeated field of a type that no Flow message has");
    }
  }

  void single(const json::Node& node, pb::Message& out, const Field& field, bool raw) {
    const pb::Reflection& reflection = *out.GetReflection();
    switch (field.cpp_type()) {
      case Field::CPPTYPE_MESSAGE:
        return message(node, *reflection.MutableMessage(&out, &field), &field);
      case Field::CPPTYPE_STRING:
        return reflection.SetString(&out, &field, string(node, field, raw));
      case Field::CPPTYPE_ENUM:
        return reflection.SetEnumValue(&out, &field, enumerator(node, field));
      case Field::CPPTYPE_BOOL:
        if (node.kind != json::Kind::boolean) wrong(field, "a boolean", node);
        return reflection.SetBool(&out, &field, node.truth);
      case Field::CPPTYPE_INT32:
        return reflection.SetInt32(&out, &field, integral<std::int32_t>(node, field));
      case Field::CPPTYPE_UINT32:
        return reflection.SetUInt32(&out, &field, integral<std::uint32_t>(node, field));
      case Field::CPPTYPE_INT64:
        return reflection.SetInt64(&out, &field, integral<std::int64_t>(node, field));
      case Field::CPPTYPE_UINT64:
        return reflection.SetUInt64(&out, &field, integral<std::uint64_t>(node, field));
      case Field::CPPTYPE_DOUBLE:
        return reflection.SetDouble(&out, &field, real(node, field));
      case Field::CPPTYPE_FLOAT:
        return reflection.SetFloat(&out, &field, static_cast<float>(real(node, field)));
    }
  }

  std::string string(const json::Node& node, const Field& field, bool raw) const {
    if (raw) {
      std::string out;
      append_raw(out, node.raw);
      return out;
    }
    if (node.kind != json::Kind::string) wrong(field, "a string", node);
    if (field.type() != Field::TYPE_BYTES) return std::string(node.text);
    std::optional<std::string> bytes = text::unbase64(node.text);
    if (!bytes) wrong(field, "base64", node);
    return *std::move(bytes);
  }

  int enumerator(const json::Node& node, const Field& field) const {
    int value = 0;
    if (node.kind == json::Kind::number && integer(node.text, value)) return value;
    const pb::EnumValueDescriptor* known = node.kind == json::Kind::string
                                               ? field.enum_type()->FindValueByName(std::string(node.text))
                                               : nullptr;
    if (!known) wrong(field, "a name of " + field.enum_type()->full_name(), node);
    return known->number();
  }

  template <class T>
  T integral(const json::Node& node, const Field& field) const {
    T value{};
    bool numeric = node.kind == json::Kind::number || node.kind == json::Kind::string;
    if (numeric && integer(node.text, value)) return value;
    // Proto3-JSON also allows 1.0 and 1e3.
    double whole = 0;
    if (numeric && to_double(node.text, whole) && whole == std::trunc(whole) && std::abs(whole) < 9e15 &&
        whole >= static_cast<double>(std::numeric_limits<T>::min()) &&
        whole <= static_cast<double>(std::numeric_limits<T>::max()))
      return static_cast<T>(whole);
    wrong(field, "an integer in range", node);
  }

  double real(const json::Node& node, const Field& field) const {
    double value = 0;
    bool numeric = node.kind == json::Kind::number || node.kind == json::Kind::string;
    if (numeric && node.text == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (numeric && node.text == "Infinity") return std::numeric_limits<double>::infinity();
    if (numeric && node.text == "-Infinity") return -std::numeric_limits<double>::infinity();
    if (!numeric || !to_double(node.text, value)) wrong(field, "a number", node);
    return value;
  }

  static bool to_double(std::string_view token, double& value) {
    auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
    return error == std::errc() && end == token.data() + token.size() && std::isfinite(value);
  }

  template <class Time>
  void time(const json::Node& node, pb::Message& out, const Field& field,
            std::optional<Time> (*parse)(std::string_view), std::string_view expected) const {
    std::optional<Time> value;
    if (node.kind == json::Kind::string) value = parse(node.text);
    if (!value) wrong(field, expected, node);
    const pb::Descriptor& type = *out.GetDescriptor();
    out.GetReflection()->SetInt64(&out, type.FindFieldByNumber(1), value->seconds);
    out.GetReflection()->SetInt32(&out, type.FindFieldByNumber(2), value->nanos);
  }

  const json::Tree& tree_;
  UnknownFields unknown_;
};

}  // namespace

void append_json(std::string& out, const pb::Message& message) { JsonWriter(out).message(message); }

void parse_json(std::string_view json, pb::Message& out, UnknownFields unknown) {
  json::Tree tree;
  try {
    tree.parse(json);
  } catch (const Error& e) {
    throw Error(Error::Kind::transient, e.message());
  }
  JsonReader(tree, unknown).message(tree.root(), out, nullptr);
}

}  // namespace sluice::protocol
