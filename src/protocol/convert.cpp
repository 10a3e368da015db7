#include "convert.hpp"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/unknown_field_set.h>

#include <climits>
#include <map>
#include <optional>
#include <type_traits>
#include <vector>

#include "fields.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::protocol {
namespace {

namespace pb = google::protobuf;

template <class T>
constexpr bool is_optional = false;
template <class T>
constexpr bool is_optional<std::optional<T>> = true;
template <class T>
constexpr bool is_vector = false;
template <class T>
constexpr bool is_vector<std::vector<T>> = true;
template <class T>
constexpr bool is_map = false;
template <class T>
constexpr bool is_map<std::map<std::string, T>> = true;

template <class T>
void fill(const T& in, pb::Message& out);
template <class T>
void read(const pb::Message& in, T& out);

// Writes the members of one message.
class Filler {
 public:
  explicit Filler(pb::Message& out) : out_(out), reflection_(*out.GetReflection()) {}

  template <class T>
  void operator()(int tag, const T& value) const {
    const pb::FieldDescriptor* field = out_.GetDescriptor()->FindFieldByNumber(tag);
    if constexpr (is_optional<T>) {
      if (value) fill(*value, *reflection_.MutableMessage(&out_, field));
    } else if constexpr (is_vector<T>) {
      for (const auto& item : value) add(field, item);
    } else if constexpr (is_map<T>) {
      for (const auto& [key, item] : value) add_entry(field, key, item);
    } else {
      if (value != T()) set(field, value);
    }
  }

 private:
  void add(const pb::FieldDescriptor* field, const std::string& value) const {
    check_text(field, value);
    reflection_.AddString(&out_, field, value);
  }
  template <class T>
  void add(const pb::FieldDescriptor* field, const T& value) const {
    fill(value, *reflection_.AddMessage(&out_, field));
  }
  template <class T>
  void add_entry(const pb::FieldDescriptor* field, const std::string& key, const T& value) const {
    Filler entry(*reflection_.AddMessage(&out_, field));
    const pb::Descriptor* descriptor = field->message_type();
    entry.set(descriptor->map_key(), key);
    if constexpr (std::is_same_v<T, std::string>)
      entry.set(descriptor->map_value(), value);
    else
      fill(value, *entry.reflection_.MutableMessage(&entry.out_, descriptor->map_value()));
  }
  template <class T>
  void set(const pb::FieldDescriptor* field, const T& value) const {
    if constexpr (std::is_same_v<T, std::string>) {
      check_text(field, value);
      reflection_.SetString(&out_, field, value);
    } else if constexpr (std::is_enum_v<T>) {
      reflection_.SetEnumValue(&out_, field, static_cast<int>(value));
    } else if constexpr (std::is_same_v<T, bool>) {
      reflection_.SetBool(&out_, field, value);
    } else if constexpr (std::is_same_v<T, std::uint32_t>) {
      reflection_.SetUInt32(&out_, field, value);
    } else if constexpr (std::is_same_v<T, std::int32_t>) {
      reflection_.SetInt32(&out_, field, value);
    } else if constexpr (std::is_same_v<T, std::uint64_t>) {
      reflection_.SetUInt64(&out_, field, value);
    } else if constexpr (std::is_same_v<T, std::int64_t>) {
      reflection_.SetInt64(&out_, field, value);
    } else {
      static_assert(std::is_same_v<T, double>);
      reflection_.SetDouble(&out_, field, value);
    }
  }
  static void check_text(const pb::FieldDescriptor* field, const std::string& value) {
    if (field->type() == pb::FieldDescriptor::TYPE_STRING && !text::valid_utf8(value))
      throw Error(Error::Kind::bug, fmt::format("field {} is not valid UTF-8", field->full_name()));
  }

  pb::Message& out_;
  const pb::Reflection& reflection_;
};

// Reads them back into a default-constructed value.
class Extractor {
 public:
  explicit Extractor(const pb::Message& in) : in_(in), reflection_(*in.GetReflection()) {}

  template <class T>
  void operator()(int tag, T& value) const {
    const pb::FieldDescriptor* field = in_.GetDescriptor()->FindFieldByNumber(tag);
    if constexpr (is_optional<T>) {
      if (reflection_.HasField(in_, field)) read(reflection_.GetMessage(in_, field), value.emplace());
    } else if constexpr (is_vector<T>) {
      int count = reflection_.FieldSize(in_, field);
      value.reserve(static_cast<std::size_t>(count));
      for (int i = 0; i < count; ++i) item(field, i, value.emplace_back());
    } else if constexpr (is_map<T>) {
      for (int i = 0; i < reflection_.FieldSize(in_, field); ++i)
        entry(reflection_.GetRepeatedMessage(in_, field, i), value);
    } else {
      get(field, value);
    }
  }

 private:
  void item(const pb::FieldDescriptor* field, int i, std::string& value) const {
    value = reflection_.GetRepeatedString(in_, field, i);
  }
  template <class T>
  void item(const pb::FieldDescriptor* field, int i, T& value) const {
    read(reflection_.GetRepeatedMessage(in_, field, i), value);
  }
  template <class T>
  static void entry(const pb::Message& pair, std::map<std::string, T>& out) {
    Extractor from(pair);
    std::string key;
    from.get(pair.GetDescriptor()->map_key(), key);
    T value{};
    if constexpr (std::is_same_v<T, std::string>)
      from.get(pair.GetDescriptor()->map_value(), value);
    else
      read(from.reflection_.GetMessage(pair, pair.GetDescriptor()->map_value()), value);
    out.insert_or_assign(std::move(key), std::move(value));
  }
  template <class T>
  void get(const pb::FieldDescriptor* field, T& value) const {
    if constexpr (std::is_same_v<T, std::string>)
      value = reflection_.GetString(in_, field);
    else if constexpr (std::is_enum_v<T>)
      value = static_cast<T>(reflection_.GetEnumValue(in_, field));
    else if constexpr (std::is_same_v<T, bool>)
      value = reflection_.GetBool(in_, field);
    else if constexpr (std::is_same_v<T, std::uint32_t>)
      value = reflection_.GetUInt32(in_, field);
    else if constexpr (std::is_same_v<T, std::int32_t>)
      value = reflection_.GetInt32(in_, field);
    else if constexpr (std::is_same_v<T, std::uint64_t>)
      value = reflection_.GetUInt64(in_, field);
    else if constexpr (std::is_same_v<T, std::int64_t>)
      value = reflection_.GetInt64(in_, field);
    else
      value = reflection_.GetDouble(in_, field);
  }

  const pb::Message& in_;
  const pb::Reflection& reflection_;
};

template <class T>
void fill(const T& in, pb::Message& out) {
  fields(in, Filler(out));
  if constexpr (std::is_same_v<T, Checkpoint>)
    out.GetReflection()->MutableUnknownFields(&out)->ParseFromString(in.unknown);
}

template <class T>
void read(const pb::Message& in, T& out) {
  fields(out, Extractor(in));
  if constexpr (std::is_same_v<T, Checkpoint>)
    in.GetReflection()->GetUnknownFields(in).SerializeToString(&out.unknown);
}

// Catches what protobuf would print to stderr, where only our own lines may stand.
class Complaint {
 public:
  Complaint() {
    static const pb::LogHandler* installed = pb::SetLogHandler(&Complaint::note);
    static_cast<void>(installed);
    current() = this;
  }
  ~Complaint() { current() = nullptr; }
  // ": why", or nothing.
  std::string text() const { return text_.empty() ? "" : ": " + text_; }

 private:
  static Complaint*& current() {
    static thread_local Complaint* complaint = nullptr;
    return complaint;
  }
  static void note(pb::LogLevel, const char*, int, const std::string& message) {
    if (current()) current()->text_ = text::trim(message);
  }
  std::string text_;
};

constexpr int internal_tag = 100;

// Variants are numbered from 1 in the order of the std::variant's alternatives.
template <class... Variants>
void fill_variant(const std::variant<Variants...>& in, pb::Message& out) {
  const pb::FieldDescriptor* field = out.GetDescriptor()->FindFieldByNumber(static_cast<int>(in.index()) + 1);
  pb::Message& slot = *out.GetReflection()->MutableMessage(&out, field);
  std::visit([&](const auto& value) { fill(value, slot); }, in);
}

// "expected one of Spec, Discover, …, or Acknowledge".
std::string variants_of(const pb::Descriptor& descriptor) {
  std::vector<std::string> names;
  for (int i = 0; i < descriptor.field_count(); ++i)
    if (descriptor.field(i)->number() != internal_tag)
      names.push_back(descriptor.field(i)->message_type()->name());
  names.back().insert(0, "or ");
  return "expected one of " + text::join(names, ", ");
}

// The tag of the one variant that is set.
int variant_tag(const pb::Message& in) {
  int tag = 0, set = 0;
  std::vector<const pb::FieldDescriptor*> present;
  in.GetReflection()->ListFields(in, &present);
  for (const pb::FieldDescriptor* field : present) {
    if (field->number() == internal_tag) continue;
    tag = field->number();
    ++set;
  }
  if (set != 1)
    throw Error(Error::Kind::transient,
                variants_of(*in.GetDescriptor()) + fmt::format(", but {} are set", set));
  return tag;
}

template <std::size_t I = 0, class... Variants>
void read_variant(const pb::Message& in, int tag, std::variant<Variants...>& out) {
  if constexpr (I < sizeof...(Variants)) {
    if (tag != static_cast<int>(I) + 1) return read_variant<I + 1>(in, tag, out);
    const pb::FieldDescriptor* field = in.GetDescriptor()->FindFieldByNumber(tag);
    read(in.GetReflection()->GetMessage(in, field), out.template emplace<I>());
  } else {
    throw Error(Error::Kind::bug, fmt::format("{} has no variant {}", in.GetDescriptor()->full_name(), tag));
  }
}

}  // namespace

void to_proto(const capture::Request& in, ::capture::Request& out) { fill_variant(in, out); }
void to_proto(const capture::Response& in, ::capture::Response& out) { fill_variant(in, out); }
void to_proto(const materialize::Request& in, ::materialize::Request& out) { fill_variant(in, out); }
void to_proto(const materialize::Response& in, ::materialize::Response& out) { fill_variant(in, out); }
void to_proto(const capture::Spec& in, ::capture::Response_Spec& out) { fill(in, out); }
void to_proto(const capture::Discovered& in, ::capture::Response_Discovered& out) { fill(in, out); }
void to_proto(const materialize::Spec& in, ::materialize::Response_Spec& out) { fill(in, out); }
void to_proto(const CaptureSpec& in, flow::CaptureSpec& out) { fill(in, out); }
void to_proto(const MaterializationSpec& in, flow::MaterializationSpec& out) { fill(in, out); }
void to_proto(const CollectionSpec& in, flow::CollectionSpec& out) { fill(in, out); }
void to_proto(const Checkpoint& in, consumer::Checkpoint& out) { fill(in, out); }

void from_proto(const ::capture::Request& in, capture::Request& out) {
  read_variant(in, variant_tag(in), out);
}
void from_proto(const ::capture::Response& in, capture::Response& out) {
  read_variant(in, variant_tag(in), out);
}
void from_proto(const ::materialize::Request& in, materialize::Request& out) {
  read_variant(in, variant_tag(in), out);
}
void from_proto(const ::materialize::Response& in, materialize::Response& out) {
  read_variant(in, variant_tag(in), out);
}
void from_proto(const flow::CaptureSpec& in, CaptureSpec& out) { read(in, out); }
void from_proto(const flow::MaterializationSpec& in, MaterializationSpec& out) { read(in, out); }
void from_proto(const flow::CollectionSpec& in, CollectionSpec& out) { read(in, out); }
void from_proto(const consumer::Checkpoint& in, Checkpoint& out) { read(in, out); }

void parse_wire(std::string_view bytes, pb::Message& out) {
  Complaint complaint;
  if (bytes.size() <= INT_MAX && out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  throw Error(Error::Kind::transient, fmt::format("decoding protobuf message {} of {} bytes{}",
                                                  out.GetTypeName(), bytes.size(), complaint.text()));
}

void append_wire(std::string& out, const pb::Message& message) {
  pb::io::StringOutputStream stream(&out);
  pb::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
}

}  // namespace sluice::protocol
