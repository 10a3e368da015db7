#include "sluice/runtime/row.hpp"

#include <fmt/format.h>

#include <limits>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/data/packed.hpp"
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
    : truncation_(policy) {
  std::vector<json::Pointer> locations;
  for (const std::string& field : fields)
    locations.push_back(sources_.emplace_back(projection_of(collection, field)).location);
  values_ = json::Locations(locations);
}

void RowReader::read(std::string_view document, std::span<const json::Locations::Extent> values,
                     json::Layouts& layouts) {
  document_ = document;
  if (!truncation_.active() && !values.empty()) return values_.find(document, values);
  if (!truncation_.active() && values_.scan(document, layouts, tree_)) return;
  tree_.parse(document);
  values_.find(tree_);
  if (!truncation_.active()) return;
  cut_.clear();
  document_cut_ = truncation_.write(cut_, tree_, tree_.root());
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

// Documents come in the order of their clocks, so that as a rule only the digits after the point differ.
std::string_view RowReader::published_at(std::uint64_t clock) {
  constexpr std::int64_t second = 1'000'000'000;
  std::int64_t time = unix_of_clock(clock);
  if (time < 0 || published_second_ != time / second) {
    published_second_ = time < 0 ? -1 : time / second;
    published_at_ = runtime::published_at(clock);
    return published_at_;
  }
  std::int64_t rest = time % second;
  for (std::size_t at = published_at_.size() - 2; published_at_[at] != '.'; --at, rest /= 10)
    published_at_[at] = static_cast<char>('0' + rest % 10);
  return published_at_;
}

bool RowReader::pack_field(std::string& out, std::size_t field) {
  const FieldSource& source = sources_[field];
  if (source.kind == FieldSource::Kind::truncated) {
    data::pack(out, false);
    return false;
  }
  const Node* node = values_[field];
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
  if (truncation_.active() && (node.kind == Kind::array || node.kind == Kind::object)) {
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
  data::pack_canonical(out, node);
  return false;
}

}  // namespace sluice::runtime
