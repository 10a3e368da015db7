#include "random_message.hpp"

#include <limits>

namespace sluice::testing {
namespace {

namespace pb = google::protobuf;
using Type = pb::FieldDescriptor;

bool is_raw(const std::string& name) {
  for (const char* suffix : {"_json", "_json_map", "_json_vec"}) {
    std::string s(suffix);
    if (name.size() >= s.size() && name.compare(name.size() - s.size(), s.size(), s) == 0) return true;
  }
  return false;
}

}  // namespace

void RandomMessage::fill(pb::Message& message, int depth) {
  const pb::Descriptor* descriptor = message.GetDescriptor();
  if (descriptor->full_name() == "google.protobuf.Timestamp" ||
      descriptor->full_name() == "google.protobuf.Duration")
    return fill_time(message);
  for (int i = 0; i < descriptor->field_count(); ++i)
    if (descriptor->field(i)->name() != "derivation" && below(3) != 0)
      fill_field(message, descriptor->field(i), depth);
}

void RandomMessage::fill_variant(pb::Message& message, int tag) {
  const pb::FieldDescriptor* field = message.GetDescriptor()->FindFieldByNumber(tag);
  fill(*message.GetReflection()->MutableMessage(&message, field));
}

void RandomMessage::fill_field(pb::Message& message, const pb::FieldDescriptor* field, int depth) {
  const pb::Reflection& reflection = *message.GetReflection();
  if (!field->is_repeated()) return fill_single(message, field, depth);
  for (std::uint64_t n = below(depth > 3 ? 2 : 4); n > 0; --n) {
    if (field->is_map())
      fill_entry(*reflection.AddMessage(&message, field), field, depth);
    else if (field->cpp_type() == Type::CPPTYPE_MESSAGE)
      fill(*reflection.AddMessage(&message, field), depth + 1);
    else
      reflection.AddString(&message, field, text_of(field));
  }
}

void RandomMessage::fill_entry(pb::Message& entry, const pb::FieldDescriptor* field, int depth) {
  const pb::Descriptor* descriptor = field->message_type();
  const pb::Reflection& reflection = *entry.GetReflection();
  reflection.SetString(&entry, descriptor->map_key(), utf8() + std::to_string(++keys_));
  if (descriptor->map_value()->cpp_type() == Type::CPPTYPE_MESSAGE)
    fill(*reflection.MutableMessage(&entry, descriptor->map_value()), depth + 1);
  else
    reflection.SetString(&entry, descriptor->map_value(), is_raw(field->name()) ? json() : bytes());
}

void RandomMessage::fill_single(pb::Message& message, const pb::FieldDescriptor* field, int depth) {
  const pb::Reflection& reflection = *message.GetReflection();
  std::uint64_t bits = random_() >> below(64);
  switch (field->cpp_type()) {
    case Type::CPPTYPE_MESSAGE:
      return fill(*reflection.MutableMessage(&message, field), depth + 1);
    case Type::CPPTYPE_STRING:
      return reflection.SetString(&message, field, text_of(field));
    case Type::CPPTYPE_BOOL:
      return reflection.SetBool(&message, field, bits & 1);
    case Type::CPPTYPE_UINT32:
      return reflection.SetUInt32(&message, field, static_cast<std::uint32_t>(bits));
    case Type::CPPTYPE_INT32:
      return reflection.SetInt32(&message, field, static_cast<std::int32_t>(bits));
    case Type::CPPTYPE_UINT64:
      return reflection.SetUInt64(&message, field, bits);
    case Type::CPPTYPE_INT64:
      return reflection.SetInt64(&message, field, static_cast<std::int64_t>(bits));
    case Type::CPPTYPE_DOUBLE:
      return reflection.SetDouble(&message, field, static_cast<double>(bits) / 7 - 1000);
    case Type::CPPTYPE_FLOAT:
      return reflection.SetFloat(&message, field, static_cast<float>(bits & 0xffff) / 8);
    case Type::CPPTYPE_ENUM: {
      const pb::EnumDescriptor* values = field->enum_type();
      return reflection.SetEnum(&message, field,
                                values->value(static_cast<int>(below(values->value_count()))));
    }
  }
}

void RandomMessage::fill_time(pb::Message& message) {
  const pb::Descriptor* descriptor = message.GetDescriptor();
  bool duration = descriptor->name() == "Duration";
  std::int64_t seconds = duration ? static_cast<std::int64_t>(below(20'000'000)) - 10'000'000
                                  : static_cast<std::int64_t>(below(315'537'897'599)) - 62'135'596'800;
  std::int32_t nanos = static_cast<std::int32_t>(below(4) == 0 ? 0 : below(1'000'000'000));
  if (duration && seconds < 0) nanos = -nanos;
  message.GetReflection()->SetInt64(&message, descriptor->FindFieldByNumber(1), seconds);
  message.GetReflection()->SetInt32(&message, descriptor->FindFieldByNumber(2), nanos);
}

std::string RandomMessage::text_of(const pb::FieldDescriptor* field) {
  if (is_raw(field->name())) {
    std::string text = json();
    return text == "null" && !field->is_repeated() ? "{}" : text;  // null says that a field is not set
  }
  return field->type() == Type::TYPE_BYTES ? bytes() : utf8();
}

std::string RandomMessage::utf8() {
  static const std::string pieces[] = {"a",    "Z9", " ",    "\"", "\\", "/",  "\n",
                                       "\x01", "é",  "日本", "😀", "$x", "{}", std::string(1, '\0')};
  std::string out;
  for (std::uint64_t n = below(6); n > 0; --n) out += pieces[below(std::size(pieces))];
  return out;
}

std::string RandomMessage::bytes() {
  std::string out;
  for (std::uint64_t n = below(9); n > 0; --n) out += static_cast<char>(below(256));
  return out;
}

std::string RandomMessage::json(int depth) {
  static const std::string scalars[] = {"null",
                                        "true",
                                        "-0",
                                        "1.50",
                                        "12345678901234567890123",
                                        "1e400",
                                        R"("x\ny")",
                                        R"("é\u00e9 \"q\" {[")",
                                        "{}",
                                        "[]",
                                        R"("\\")"};
  if (depth > 2 || below(3) == 0) return scalars[below(std::size(scalars))];
  bool object = below(2) == 0;
  std::string out = object ? "{" : "[";
  for (std::uint64_t n = below(4), i = 0; i < n; ++i) {
    if (i) out += ',';
    if (object) out += "\"k" + std::to_string(i) + "\":";
    out += json(depth + 1);
  }
  return out + (object ? '}' : ']');
}

}  // namespace sluice::testing
