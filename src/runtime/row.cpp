#include "sluice/runtime/row.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

#include "sluice/base/error.hpp"
#include "sluice/base/short_text.hpp"
#include "sluice/base/text.hpp"
#include "sluice/data/packed.hpp"
#include "sluice/json/scan.hpp"
#include "sluice/json/write.hpp"
#include "sluice/runtime/uuid.hpp"

namespace sluice::runtime {
namespace {

using json::Kind;
using json::Node;

constexpr std::string_view truncated_location = "/_meta/flow_truncated";

bool is_publication_time(const protocol::Projection& projection) {
  const auto& inference = projection.inference;
  return inference && inference->string && inference->string->format == "date-time" &&
         inference->string->content_encoding == "uuid";
}

std::size_t limit(std::uint32_t policy) { return policy ? policy : std::numeric_limits<std::size_t>::max(); }

}  // namespace

FieldSource::FieldSource(const protocol::Projection& projection) : location(projection.ptr) {
  if (projection.ptr == truncated_location)
    kind = Kind::truncated;
  else if (is_publication_time(projection))
    kind = Kind::published_at;
  if (projection.inference && !projection.inference->default_json.empty()) {
    json::Tree tree;
    tree.parse(projection.inference->default_json);
    data::pack(absent, tree, &tree.root());
  } else {
    data::pack_null(absent);
  }
}

const protocol::Projection& projection_of(const protocol::CollectionSpec& collection,
                                          const std::string& field) {
  for (const protocol::Projection& projection : collection.projections)
    if (projection.field == field) return projection;
  throw Error(Error::Kind::config, fmt::format("collection '{}' has no field '{}' that is selected of it",
                                               collection.name, field));
}

Truncation::Truncation(const std::optional<protocol::SerPolicy>& policy)
    : active_(policy && *policy != protocol::SerPolicy()),
      string_bytes_(limit(policy ? policy->str_truncate_after : 0)),
      object_members_(limit(policy ? policy->nested_obj_truncate_after : 0)),
      array_items_(limit(policy ? policy->array_truncate_after : 0)) {}

std::string_view Truncation::text(std::string_view string) const {
  return string.size() <= string_bytes_ ? string : text::cut_utf8(string, string_bytes_);
}

bool Truncation::write(std::string& out, const json::Tree& tree, const Node& node) const {
  return value(out, tree, node, &node == &tree.root());
}

bool Truncation::value(std::string& out, const json::Tree& tree, const Node& node, bool root) const {
  if (node.kind == Kind::string && node.text.size() > string_bytes_) {
    json::write_string(out, text(node.text));
    return true;
  }
  if (node.kind != Kind::array && node.kind != Kind::object) {
    out += node.raw;
    return false;
  }
  bool object = node.kind == Kind::object, cut = false;
  std::size_t room =
      object ? (root ? std::numeric_limits<std::size_t>::max() : object_members_) : array_items_;
  std::size_t written = 0;
  out += object ? '{' : '[';
  for (const Node& child : tree.children(node)) {
    if (written == room) {
      cut = true;
      break;
    }
    if (written++ > 0) out += ',';
    if (object) {
      json::write_string(out, child.key);
      out += ':';
    }
    cut = value(out, tree, child, false) || cut;
  }
  out += object ? '}' : ']';
  return cut;
}

RowReader::RowReader(const protocol::CollectionSpec& collection, const std::vector<std::string>& fields,
                     const std::optional<protocol::SerPolicy>& policy)
    : truncation_(policy), scanned_(fields.size()), found_(fields.size()) {
  for (const std::string& field : fields) {
    sources_.emplace_back(projection_of(collection, field));
    plant(root_, sources_.back().location.tokens(), 0, sources_.size() - 1);
  }
}

void RowReader::plant(Place& from, const std::vector<std::string>& tokens, std::size_t depth,
                      std::size_t field) {
  if (depth == tokens.size()) {
    from.fields.push_back(field);
    return;
  }
  auto earlier = [](const Place& place, const std::string& name) { return place.name < name; };
  auto child = std::lower_bound(from.children.begin(), from.children.end(), tokens[depth], earlier);
  if (child == from.children.end() || child->name != tokens[depth]) {
    child = from.children.insert(child, Place());
    child->name = tokens[depth];
  }
  plant(*child, tokens, depth + 1, field);
}

void RowReader::read(std::string_view document) {
  document_ = document;
  std::fill(found_.begin(), found_.end(), nullptr);
  if (!truncation_.active() && scan(document)) return;
  std::fill(found_.begin(), found_.end(), nullptr);
  tree_.parse(document);
  find(root_, tree_.root());
  if (!truncation_.active()) return;
  cut_.clear();
  document_cut_ = truncation_.write(cut_, tree_, tree_.root());
}

// False if the text does not have the form that can be read without decoding and without looking back: there
// are escapes, or a field lies within an array.
bool RowReader::scan(std::string_view document) {
  scanned_count_ = 0;
  if (document.empty() || std::memchr(document.data(), '\\', document.size())) return false;
  return scan_value(&root_, document.data(), document.data() + document.size()) != nullptr;
}

namespace {

Kind kind_at(char first) {
  switch (first) {
    case '{':
      return Kind::object;
    case '[':
      return Kind::array;
    case '"':
      return Kind::string;
    case 't':
    case 'f':
      return Kind::boolean;
    case 'n':
      return Kind::null;
    default:
      return Kind::number;
  }
}

}  // namespace

// Behind the value at `at`; null if the document has to be parsed. `place` is where fields of it are wanted,
// or null.
const char* RowReader::scan_value(const Place* place, const char* at, const char* end) {
  if (at == end) return nullptr;
  Kind kind = kind_at(*at);
  bool within = place && !place->children.empty();
  if (within && kind == Kind::array) return nullptr;
  const char* behind =
      within && kind == Kind::object ? scan_object(*place, at, end) : json::value_end(at, end);
  if (!behind || !place || place->fields.empty()) return behind;
  Node& node = scanned_[scanned_count_++];
  node.kind = kind;
  node.truth = *at == 't';
  node.raw = {at, static_cast<std::size_t>(behind - at)};
  node.text = kind == Kind::string ? node.raw.substr(1, node.raw.size() - 2) : node.raw;
  for (std::size_t field : place->fields) found_[field] = &node;
  return behind;
}

// Both sides ascend by name.
const char* RowReader::scan_object(const Place& place, const char* at, const char* end) {
  auto wanted = place.children.begin(), last = place.children.end();
  if (end - at >= 2 && at[1] == '}') return at + 2;
  do {
    const char* name = ++at;
    if (at == end || *name != '"') return nullptr;
    at = json::value_end(name, end);
    if (!at || at == end) return nullptr;
    std::string_view key(name + 1, static_cast<std::size_t>(at - name - 2));
    bool here = wanted != last && text::same(wanted->name, key);
    while (!here && wanted != last && wanted->name < key) {
      ++wanted;
      here = wanted != last && text::same(wanted->name, key);
    }
    at = scan_value(here ? &*wanted : nullptr, at + 1, end);
    wanted += here;
  } while (at && at != end && *at == ',');
  return at && at != end && *at == '}' ? at + 1 : nullptr;
}

void RowReader::find(const Place& place, const Node& node) {
  for (std::size_t field : place.fields) found_[field] = &node;
  if (place.children.empty()) return;
  if (node.kind == Kind::object)
    find_members(place, node);
  else if (node.kind == Kind::array)
    find_items(place, node);
}

// Both sides ascend by name.
void RowReader::find_members(const Place& place, const Node& node) {
  auto wanted = place.children.begin();
  for (const Node& member : tree_.children(node)) {
    if (!text::same(wanted->name, member.key)) {
      while (wanted->name < member.key)
        if (++wanted == place.children.end()) return;
      if (wanted->name != member.key) continue;
    }
    find(*wanted, member);
    if (++wanted == place.children.end()) return;
  }
}

void RowReader::find_items(const Place& place, const Node& node) {
  for (const Place& wanted : place.children) {
    std::size_t index = 0, at = 0;
    const char* end = wanted.name.data() + wanted.name.size();
    auto [rest, error] = std::from_chars(wanted.name.data(), end, index);
    if (error != std::errc() || rest != end || index >= node.count) continue;
    for (const Node& item : tree_.children(node))
      if (at++ == index) find(wanted, item);
  }
}

void RowReader::pack(std::string& out) {
  bool cut = document_cut_;
  std::size_t begin = out.size(), indicator = std::string::npos;
  for (std::size_t field = 0; field < sources_.size(); ++field) {
    if (sources_[field].kind == FieldSource::Kind::truncated) indicator = out.size() - begin;
    cut = pack_field(out, field) || cut;
  }
  if (cut && indicator != std::string::npos) {
    std::string yes;
    data::pack(yes, true);
    out[begin + indicator] = yes.front();
  }
}

bool RowReader::pack_field(std::string& out, std::size_t field) const {
  const FieldSource& source = sources_[field];
  if (source.kind == FieldSource::Kind::truncated) {
    data::pack(out, false);
    return false;
  }
  const Node* node = found_[field];
  if (!node) {
    out += source.absent;
    return false;
  }
  if (source.kind == FieldSource::Kind::published_at && node->kind == Kind::string) {
    if (auto uuid = parse_uuid(node->text)) {
      data::pack_string(out, published_at(uuid->clock));
      return false;
    }
  }
  return pack_value(out, *node);
}

bool RowReader::pack_value(std::string& out, const Node& node) const {
  if (node.kind == Kind::array || node.kind == Kind::object) {
    if (!truncation_.active()) {
      data::pack_json(out, node.raw);
      return false;
    }
    std::string text;
    bool cut = truncation_.write(text, tree_, node);
    data::pack_json(out, text);
    return cut;
  }
  if (node.kind == Kind::string) {
    std::string_view kept = truncation_.text(node.text);
    data::pack_string(out, kept);
    return kept.size() != node.text.size();
  }
  data::pack(out, tree_, &node);
  return false;
}

void RowReader::document(std::string& out) {
  out += truncation_.active() ? std::string_view(cut_) : document_;
}

}  // namespace sluice::runtime
