#include "exercise.hpp"

#include <optional>
#include <stdexcept>

#include "catalog.hpp"
#include "conform.hpp"
#include "sluice/base/error.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/pg/pgoutput.hpp"

namespace sluice::pg {
namespace {

[[noreturn]] void violated(std::string what) { throw std::logic_error(std::move(what)); }

void expect_transient(const Error& e) {
  if (e.kind() != Error::Kind::transient) violated("refused as " + e.message());
}

struct Subject {
  Transcoder transcoder;
  std::string schema;
  bool inlines_json = false;   // what the server vouches for is not parsed
  bool checks_content = true;  // else text of the server is passed on as it is
};

std::vector<Subject> make_subjects() {
  TypeCatalog types = sample_catalog();
  std::vector<Subject> subjects;
  for (int flags = 0; flags < 16; ++flags) {
    ValueOptions options;
    options.date_as_date = (flags & 1) == 0;
    options.time_as_time = (flags & 2) == 0;
    options.flatten_arrays = (flags & 4) == 0;
    options.multidimensional_arrays = (flags & 8) != 0;
    for (Oid oid = 0; oid < 60000; ++oid) {
      if (!types.find(oid)) continue;
      const Type* type = types.resolve(oid);
      if (type->element != 0) type = types.resolve(type->element);
      bool json = type->schema == "pg_catalog" && type->name.starts_with("json");
      bool content = type->name != "uuid" && type->name != "numeric" && type->name != "varchar";
      bool key = (flags & 1) != 0;
      subjects.push_back({Transcoder(types, oid, key, options),
                          column_schema(types, oid, -1, false, key, options), json, content});
    }
  }
  return subjects;
}

std::size_t number_at(std::string_view bytes, std::size_t i) {
  return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0;
}

// COPY text as the manual has it, character by character.
struct PlainReader {
  std::string_view line;
  std::size_t at = 0;

  bool more() const { return at < line.size() && line[at] != '\t'; }
  int digit(int base) const {
    if (at >= line.size()) return -1;
    static constexpr std::string_view digits = "0123456789abcdef";
    char c = line[at] >= 'A' && line[at] <= 'F' ? static_cast<char>(line[at] + 32) : line[at];
    std::size_t value = digits.find(c);
    return value < static_cast<std::size_t>(base) ? static_cast<int>(value) : -1;
  }
  char number(int base, int most) {
    int value = 0;
    for (; most > 0 && digit(base) >= 0; --most, ++at) value = value * base + digit(base);
    return static_cast<char>(value);
  }
  char escape() {
    if (at == line.size()) return '\\';
    if (digit(8) >= 0) return number(8, 3);
    char c = line[at++];
    static constexpr std::string_view names = "bfnrtv", controls = "\b\f\n\r\t\v";
    if (std::size_t i = names.find(c); i != names.npos) return controls[i];
    return c == 'x' && digit(16) >= 0 ? number(16, 2) : c;
  }
  std::optional<std::string> field() {
    std::string_view rest = line.substr(at);
    if (rest.substr(0, rest.find('\t')) == "\\N") {
      at += 2;
      return std::nullopt;
    }
    std::string text;
    while (more()) {
      char c = line[at++];
      text += c == '\\' ? escape() : c;
    }
    return text;
  }
};

}  // namespace

void exercise_value(std::string_view bytes) {
  static std::vector<Subject> subjects = make_subjects();
  std::size_t chosen = (number_at(bytes, 0) + 256 * number_at(bytes, 1)) % subjects.size();
  const Subject& subject = subjects[chosen];
  std::string_view text = bytes.substr(std::min<std::size_t>(bytes.size(), 2));
  std::string out = "before";
  try {
    subject.transcoder.append(out, text);
  } catch (const Error& e) {
    return expect_transient(e);
  }
  if (!out.starts_with("before")) violated("what was there before is gone");
  if (subject.inlines_json) return;
  std::string json = out.substr(6);
  json::Tree tree;
  try {
    tree.parse(json);
  } catch (const Error& e) {
    violated("no JSON: " + json + ": " + e.message());
  }
  if (!subject.checks_content || json.size() > 1000) return;
  if (std::string wrong = offence(subject.schema, json); !wrong.empty()) violated(wrong);
}

void exercise_copy_line(std::string_view bytes) {
  std::string line(bytes);
  std::vector<Field> fields(bytes.size() + 1);
  std::size_t count = split_copy_line(line.data(), line.size(), fields.data(), fields.size());
  PlainReader plain{bytes.ends_with('\n') ? bytes.substr(0, bytes.size() - 1) : bytes};
  for (std::size_t i = 0; i < count; ++i, ++plain.at) {
    if (plain.at > plain.line.size()) violated("more fields than there are");
    std::optional<std::string> expected = plain.field();
    if (expected.has_value() != (fields[i].state == Field::State::text)) violated("NULL or not");
    if (expected && *expected != fields[i].text) violated("field " + std::to_string(i) + " is " + *expected);
  }
  if (plain.at != plain.line.size() + 1) violated("fields are missing");
}

void exercise_message(std::string_view bytes) {
  static const pgoutput::Decoder fresh;
  pgoutput::Decoder decoder = fresh;
  std::size_t seen = 0;
  auto touch = [&](const pgoutput::Tuple& tuple) {
    for (std::size_t i = 0; i < tuple.count; ++i)
      for (char c : tuple.fields[i].text) seen += static_cast<unsigned char>(c);
  };
  auto decode = [&](std::string_view payload) {
    pgoutput::Message message = decoder.decode(payload);
    if (auto* insert = std::get_if<pgoutput::Insert>(&message)) touch(insert->row);
    if (auto* gone = std::get_if<pgoutput::Delete>(&message)) touch(gone->old_row);
    if (auto* update = std::get_if<pgoutput::Update>(&message)) {
      touch(update->old_row);
      touch(update->row);
    }
  };
  try {
    auto frame = decode_frame(bytes);
    if (auto* data = std::get_if<XLogData>(&frame)) decode(data->payload);
  } catch (const Error& e) {
    expect_transient(e);
  }
  try {
    decode(bytes);
  } catch (const Error& e) {
    expect_transient(e);
  }
  if (seen > bytes.size() * 255) violated("a message is larger than its bytes");
}

}  // namespace sluice::pg
