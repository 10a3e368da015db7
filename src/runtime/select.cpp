#include "sluice/runtime/select.hpp"

#include <fmt/format.h>

#include <set>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/json/pointer.hpp"
#include "sluice/runtime/collection.hpp"

namespace sluice::runtime {
namespace {

using json::Pointer;
using protocol::Projection;
using protocol::materialize::Constraint;
using protocol::materialize::ConstraintType;

// Ascending in strength (§6.2); the strongest of each kind counts.
enum class Select {
  none,
  desired_depth,
  core_metadata,
  connector_requires_location,
  user_defined,
  current_value,
  partition_key,
  connector_requires,
  user_requires,
  current_document,
  group_by_key
};
enum class Reject {
  none,
  covered_location,
  excluded_parent,
  duplicate_location,
  duplicate_fold,
  connector_omits,
  collection_omits,
  connector_incompatible,
  connector_forbids,
  user_excludes
};

// A reason given by the connector follows, where there is one.
std::string_view text(Select vote) {
  constexpr std::string_view texts[] = {"",
                                        "it is within the recommended depth",
                                        "it is core metadata",
                                        "the connector requires its location",
                                        "the collection defines it as a projection",
                                        "it is materialized already",
                                        "it is a partition key",
                                        "the connector requires it",
                                        "the binding requires it",
                                        "it is the document that is materialized already",
                                        "it is part of the key"};
  return texts[static_cast<std::size_t>(vote)];
}
std::string_view text(Reject vote) {
  constexpr std::string_view texts[] = {"",
                                        "its location lies below that of a selected field",
                                        "its parent is excluded",
                                        "its location is that of a selected field",
                                        "the endpoint takes its name for that of a selected field",
                                        "the connector does not support it",
                                        "the collection has no such field",
                                        "it cannot be stored beside what is there",
                                        "the connector forbids it",
                                        "the binding excludes it"};
  return texts[static_cast<std::size_t>(vote)];
}

struct Candidate {
  std::string field;
  const Projection* projection = nullptr;  // null: the collection does not have it
  Pointer pointer;
  std::string fold;
  Select select = Select::none;
  Reject reject = Reject::none;
  std::string select_reason, reject_reason;

  void vote(Select vote, std::string_view reason = {}) {
    if (vote <= select) return;
    select = vote;
    select_reason = reason;
  }
  void vote(Reject vote, std::string_view reason = {}) {
    if (vote <= reject) return;
    reject = vote;
    reject_reason = reason;
  }
};

bool is_below(const Pointer& child, const Pointer& parent) {
  return child.tokens().size() > parent.tokens().size() &&
         std::equal(parent.tokens().begin(), parent.tokens().end(), child.tokens().begin());
}

class Selector {
 public:
  Selector(const protocol::CollectionSpec& collection,
           const protocol::materialize::ValidatedBinding& validated, const FieldsDef& fields,
           const protocol::FieldSelection* live)
      : collection_(collection), validated_(validated), fields_(fields), live_(live) {}

  Selection run() {
    group_by_ = fields_.group_by;
    if (group_by_.empty())
      for (const std::string& key : collection_.key) group_by_.push_back(key.substr(1));
    cast();
    std::vector<Candidate*> order;
    for (auto& [field, candidate] : candidates_) order.push_back(&candidate);
    std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->select > b->select; });
    for (Candidate* candidate : order) decide(*candidate);
    return result();
  }

 private:
  // ---- static votes ----

  Candidate& candidate(const std::string& field) {
    auto [found, fresh] = candidates_.try_emplace(field);
    Candidate& c = found->second;
    if (!fresh) return c;
    c.field = c.fold = field;
    c.projection = find_projection(collection_, field);
    if (c.projection)
      c.pointer = Pointer(c.projection->ptr);
    else
      c.vote(Reject::collection_omits);
    return c;
  }

  void cast() {
    for (const Projection& p : collection_.projections) {
      Candidate& c = candidate(p.field);
      if (p.is_explicit) c.vote(Select::user_defined);
      if (p.is_partition_key) c.vote(Select::partition_key);
      if (fields_.recommended.levels > 0 && (p.field == published_at_field || p.field == "_meta/op"))
        c.vote(Select::core_metadata);
    }
    cast_depth();
    for (const std::string& field : group_by_) candidate(field).vote(Select::group_by_key);
    for (const auto& [field, options] : fields_.require) candidate(field).vote(Select::user_requires);
    for (const std::string& field : fields_.exclude) {
      candidate(field).vote(Reject::user_excludes);
      const Projection* p = find_projection(collection_, field);
      if (p && !p->ptr.empty() && p->ptr.substr(1) == field) excluded_.emplace_back(p->ptr);
    }
    if (live_) {
      for (const std::string& field : live_->values) candidate(field).vote(Select::current_value);
      if (!live_->document.empty()) candidate(live_->document).vote(Select::current_document);
    }
    cast_constraints();
  }

  void cast_constraints() {
    std::set<std::string> constrained;
    auto cast_one = [&](const std::string& field, const Constraint& constraint) {
      constrained.insert(field);
      this->constraint(candidate(field), constraint);
    };
    for (const auto& p : validated_.projection_constraints)
      if (p.constraint) cast_one(p.field, *p.constraint);
    if (validated_.projection_constraints.empty())
      for (const auto& [field, c] : validated_.constraints) cast_one(field, c);
    for (auto& [field, c] : candidates_)
      if (!constrained.count(field)) c.vote(Reject::connector_omits);
    if (validated_.case_insensitive_fields)
      for (auto& [field, c] : candidates_) c.fold = sluice::text::lower_ascii(c.fold);
  }
  void constraint(Candidate& c, const Constraint& constraint) const {
    if (!constraint.folded_field.empty()) c.fold = constraint.folded_field;
    switch (constraint.type) {
      case ConstraintType::field_required:
        c.vote(Select::connector_requires, constraint.reason);
        break;
      case ConstraintType::location_required:
        c.vote(Select::connector_requires_location, constraint.reason);
        break;
      case ConstraintType::field_forbidden:
        c.vote(Reject::connector_forbids, constraint.reason);
        break;
      case ConstraintType::incompatible:
      case ConstraintType::unsatisfiable:
        if (live_) c.vote(Reject::connector_incompatible, constraint.reason);
        break;
      case ConstraintType::location_recommended:
      case ConstraintType::field_optional:
        break;
      case ConstraintType::invalid:
        throw Error(
            Error::Kind::config,
            fmt::format("the connector answered with an invalid constraint for field '{}' of collection {}",
                        c.field, collection_.name));
    }
  }

  // §6.3.
  void cast_depth() {
    std::vector<Candidate*> walk;
    for (auto& [field, c] : candidates_) walk.push_back(&c);
    std::stable_sort(walk.begin(), walk.end(), [](auto* a, auto* b) { return a->pointer < b->pointer; });
    for (std::size_t i = 0; i < walk.size(); ++i) {
      std::size_t next = i + 1;
      while (next < walk.size() && walk[next]->pointer == walk[i]->pointer) ++next;
      bool parent = next < walk.size() && is_below(walk[next]->pointer, walk[i]->pointer);
      if (desired(*walk[i], parent)) walk[i]->vote(Select::desired_depth);
    }
  }
  bool desired(const Candidate& c, bool has_children) const {
    const std::vector<std::string>& tokens = c.pointer.tokens();
    std::uint32_t depth = fields_.recommended.levels;
    if (!tokens.empty() && tokens[0] == "_meta") return false;
    if (tokens.size() >= depth) return tokens.size() == depth;
    using Types = std::vector<std::string>;
    Types types = c.projection->inference ? c.projection->inference->types : Types();
    if (types != Types{"object"} && types != Types{"null", "object"}) return true;
    return !has_children && depth != Depth::unlimited;
  }

  // ---- one field after the other, strongest first ----

  void decide(Candidate& c) {
    if (c.projection) locate(c);
    if (auto taken = folds_.find(c.fold); taken != folds_.end())
      c.vote(Reject::duplicate_fold, fmt::format("\"{}\", as \"{}\"", taken->second, c.fold));
    if (c.select == Select::none) return;
    if (c.reject == Reject::none) return claim(c);
    if (c.reject == Reject::connector_incompatible) {
      claim(c);
      conflicts_.push_back(&c);
      return;
    }
    switch (c.select) {
      case Select::desired_depth:
      case Select::core_metadata:
      case Select::user_defined:
      case Select::current_value:
      case Select::partition_key:
        return;
      default:
        conflicts_.push_back(&c);
    }
  }
  // What selected and excluded fields around it make of weak wishes.
  void locate(Candidate& c) const {
    bool weak = c.select <= Select::desired_depth;
    auto drop = [&](Reject vote) {
      c.select = Select::none;
      c.vote(vote);
    };
    auto below = [&](const Pointer& parent) { return !parent.is_root() && is_below(c.pointer, parent); };
    if (c.select <= Select::connector_requires_location && locations_.count(c.pointer))
      drop(Reject::duplicate_location);
    else if (weak && std::any_of(locations_.begin(), locations_.end(), below))
      drop(Reject::covered_location);
    else if (weak && std::any_of(excluded_.begin(), excluded_.end(), below))
      drop(Reject::excluded_parent);
  }
  void claim(const Candidate& c) {
    selected_.insert(c.field);
    folds_.emplace(c.fold, c.field);
    if (!c.projection) return;
    if (!c.pointer.is_root())
      locations_.insert(c.pointer);
    else if (document_.empty())
      document_ = c.field;
  }

  Selection result() {
    Selection out;
    out.fields.keys = group_by_;
    out.fields.document = document_;
    std::set<std::string> keys(group_by_.begin(), group_by_.end());
    for (const std::string& field : selected_)
      if (field != document_ && !keys.count(field)) out.fields.values.push_back(field);
    for (const auto& [field, options] : fields_.require) out.fields.field_config_json_map[field] = options;
    // A required location may have come to be stored by a field that was decided later.
    std::erase_if(conflicts_, [&](const Candidate* c) {
      return c->select == Select::connector_requires_location &&
             c->reject != Reject::connector_incompatible && c->projection && locations_.count(c->pointer);
    });
    std::sort(conflicts_.begin(), conflicts_.end(), [](auto* a, auto* b) { return a->field < b->field; });
    out.only_incompatible = !conflicts_.empty();
    for (const Candidate* c : conflicts_) {
      auto because = [](std::string_view what, const std::string& reason) {
        return reason.empty() ? std::string(what) : fmt::format("{} ({})", what, reason);
      };
      out.conflicts.push_back(fmt::format("conflict for field \"{}\": {} but {}", c->field,
                                          because(text(c->select), c->select_reason),
                                          because(text(c->reject), c->reject_reason)));
      out.only_incompatible = out.only_incompatible && c->reject == Reject::connector_incompatible;
    }
    return out;
  }

  const protocol::CollectionSpec& collection_;
  const protocol::materialize::ValidatedBinding& validated_;
  const FieldsDef& fields_;
  const protocol::FieldSelection* live_;
  std::vector<std::string> group_by_;
  std::map<std::string, Candidate> candidates_;
  std::vector<Pointer> excluded_;  // canonical fields the user excluded
  std::set<std::string> selected_;
  std::set<Pointer> locations_;               // of selected fields
  std::map<std::string, std::string> folds_;  // to the selected field
  std::string document_;
  std::vector<const Candidate*> conflicts_;
};

}  // namespace

Selection select_fields(const protocol::CollectionSpec& collection,
                        const protocol::materialize::ValidatedBinding& validated, const FieldsDef& fields,
                        const protocol::FieldSelection* live) {
  return Selector(collection, validated, fields, live).run();
}

}  // namespace sluice::runtime
