#include "sluice/sql/validate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sluice/base/error.hpp"

namespace sluice::sql {
namespace {

using protocol::CollectionSpec;
using protocol::MaterializationBinding;
using protocol::Projection;
using protocol::materialize::Constraint;
using protocol::materialize::ConstraintType;
using protocol::materialize::ProjectionConstraint;
using Type = ConstraintType;

constexpr std::string_view document_ptr;

Constraint constraint(Type type, std::string reason) { return {type, std::move(reason), {}}; }

bool is_requirement(const Constraint& c) {
  return c.type == Type::field_required || c.type == Type::location_required;
}
bool is_optional(const Constraint& c) {
  return c.type == Type::field_optional || c.type == Type::location_recommended;
}

// One binding against its table, or against nothing.
class Rater {
 public:
  Rater(const Dialect& dialect, const Rules& rules, const protocol::materialize::ValidateBinding& binding,
        const Resource& resource, const MaterializationBinding* last, const InfoSchema& info)
      : dialect_(dialect),
        rules_(rules),
        binding_(binding),
        collection_(*binding.collection),
        delta_(resource.delta_updates),
        last_(last),
        info_(info),
        live_(info.find(resource.path)),
        path_(resource.path) {}

  std::vector<ProjectionConstraint> run() {
    check_keys();
    check_existing();
    bool existing = live_ && !(last_ && last_->backfill != binding_.backfill);
    if (existing && last_ && last_->delta_updates && !delta_)
      throw Error(
          Error::Kind::config,
          fmt::format("changing '{}' from delta updates to standard updates is not allowed", table_name()),
          "Keep delta updates, or increment the binding's backfill counter to start the table anew.");
    if (existing)
      rate_existing();
    else
      rate_new();
    finish();
    return std::move(out_);
  }

 private:
  std::string table_name() const { return fmt::format("{}", fmt::join(path_, ".")); }

  bool is_key(const Projection& p) const {
    if (binding_.group_by.empty()) return p.is_primary_key;
    return std::ranges::find(binding_.group_by, p.field) != binding_.group_by.end();
  }

  FieldConfig field_config(const Projection& p) const {
    auto at = binding_.field_config_json_map.find(p.field);
    return at == binding_.field_config_json_map.end() ? FieldConfig{}
                                                      : FieldConfig::parse(at->second, p.field);
  }

  void add(const Projection& p, Constraint c) { out_.push_back({p.field, std::move(c)}); }

  void check_keys() {
    for (const Projection& p : collection_.projections) {
      if (!is_key(p) || must_exist(p) || has_default(p)) continue;
      throw Error(Error::Kind::config,
                  fmt::format("key field '{}' of collection '{}' may be null or absent and has no default",
                              p.field, collection_.name),
                  "Require the location in the collection's schema and disallow null, or give it a default.");
    }
  }

  void check_existing() {
    if (!live_) return;
    if (live_->kind != "table")
      throw Error(Error::Kind::config, fmt::format("'{}' is a {}, not a table", table_name(), live_->kind),
                  "Choose another table name, or drop it.");
    if (last_ || rules_.allow_existing_tables_for_new_bindings) return;
    throw Error(
        Error::Kind::config, fmt::format("table '{}' already exists, but its binding is new", table_name()),
        "If this task filled it before, run it with the state it had then. Else drop the table, choose "
        "another name, or set the feature flag allow_existing_tables_for_new_bindings to add to what it "
        "holds.");
  }

  // §3.3: what is thought of a projection whatever exists.
  Constraint opinion(const Projection& p) const {
    std::vector<std::string> types;
    if (p.inference) types = p.inference->types;
    bool must = p.inference && p.inference->exists == protocol::Exists::must;
    if (std::string_view why = dialect_.why_forbidden(p.field); !why.empty())
      return constraint(Type::field_forbidden, std::string(why));
    if (is_key(p))
      return constraint(Type::location_recommended, "key locations should usually be materialized");
    if (p.ptr == document_ptr) {
      if (rules_.no_flow_document)
        return constraint(Type::field_optional, "the root document is optional without flow_document");
      if (delta_)
        return constraint(Type::location_recommended, "the root document should usually be materialized");
      return constraint(Type::location_required, "the root document must be materialized");
    }
    if (types.empty()) return constraint(Type::field_forbidden, "no value is possible: it has no types");
    if (types == std::vector<std::string>{"null"})
      return constraint(Type::field_forbidden, "no value but null is possible");
    if (!delta_ && rules_.no_flow_document && must && std::ranges::count(p.ptr, '/') == 1)
      return constraint(Type::location_required,
                        "required root properties must be materialized without flow_document");
    if (p.field == "_meta/op")
      return constraint(Type::location_recommended, "the operation is usually wanted");
    if (p.field.starts_with("_meta/"))
      return constraint(Type::field_optional, "metadata may be materialized");
    return opinion_on_type(p);
  }

  Constraint opinion_on_type(const Projection& p) const {
    switch (flat_type(p, false)) {
      case FlatType::object:
        return constraint(Type::field_optional, "objects may be materialized");
      case FlatType::array:
      case FlatType::multiple:
        return constraint(Type::location_recommended, "the location may be materialized as JSON");
      case FlatType::never:
        return constraint(Type::field_forbidden, "no value but null is possible");
      default:
        return constraint(Type::location_recommended, "the location has a single scalar type");
    }
  }

  void rate_new() {
    bool root_seen = false;
    for (const Projection& p : collection_.projections) {
      Constraint c = opinion(p);
      if (!delta_ && p.ptr == document_ptr) {
        if (root_seen) c = constraint(Type::field_forbidden, "only one root document can be materialized");
        root_seen = true;
      } else if (!delta_ && !collection_.key.empty() && p.ptr == collection_.key.front() && is_optional(c)) {
        c = constraint(Type::location_required, "the first key location must be materialized");
      }
      add(p, std::move(c));
    }
  }

  const Projection* first_root() const {
    for (const Projection& p : collection_.projections)
      if (p.ptr == document_ptr) return &p;
    return nullptr;
  }

  void rate_existing() {
    keys_fit_ = delta_ || live_key_fits();
    for (const Projection& p : collection_.projections) rate_against_live(p);
    if (delta_) return;
    const Projection* root = first_root();
    if (!root)
      throw Error(Error::Kind::config,
                  fmt::format("collection '{}' has no projection of the root document", collection_.name));
    std::string document = last_document();
    bool known = std::ranges::any_of(collection_.projections,
                                     [&](const Projection& p) { return p.field == document; });
    if (document.empty() || known) return;
    std::string why = fmt::format("the root document must be materialized as the field '{}'", document);
    add(*root, constraint(Type::location_required, why));
    add(*root, constraint(Type::incompatible, why));
  }

  std::string last_document() const {
    return last_ && last_->field_selection ? last_->field_selection->document : std::string();
  }

  void rate_against_live(const Projection& p) {
    Constraint base = opinion(p);
    if (base.type == Type::field_forbidden) return add(p, std::move(base));
    if (!delta_ && p.ptr == document_ptr) return rate_document(p, std::move(base));
    const LiveColumn* column = info_.find(*live_, p.field);
    if (!delta_ && is_key(p) && last_ && last_->field_selection) {
      const protocol::FieldSelection& selection = *last_->field_selection;
      auto among = [&](const std::vector<std::string>& fields) {
        return std::ranges::find(fields, p.field) != fields.end();
      };
      if (!among(selection.keys)) {
        if (!among(selection.values) && selection.document != p.field)
          return add(p, constraint(Type::field_forbidden, "a new key location needs a backfill"));
        if (!column)
          return add(p, constraint(Type::field_optional, "the location was materialized as a value"));
      }
    }
    if (!column) return add(p, std::move(base));
    rate_column(p, *column);
  }

  void rate_column(const Projection& p, const LiveColumn& column) {
    ColumnType wanted = dialect_.map(p, is_key(p), field_config(p));
    if (is_key(p) && !keys_fit_) {
      std::string columns = fmt::format("{}", fmt::join(live_->primary_key, ", "));
      return add(
          p, constraint(Type::incompatible,
                        fmt::format("the table's rows are not unique by the collection's key: its primary "
                                    "key is ({})",
                                    columns)));
    }
    bool fits = dialect_.fits(wanted, column) || (!is_key(p) && dialect_.cast(wanted, column));
    if (!fits) return add(p, constraint(Type::incompatible, incompatibility(p, wanted, column)));
    if (is_key(p)) return add(p, constraint(Type::field_required, "the field is a key of the table"));
    add(p, constraint(Type::field_optional, "the field is part of the table"));
  }

  std::string incompatibility(const Projection& p, const ColumnType& wanted, const LiveColumn& column) const {
    std::string ddl = wanted.ddl;
    for (char& c : ddl)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return fmt::format("field '{}' is stored as {} but its schema {} needs {}", p.field, column.type_text(),
                       schema_text(p), ddl);
  }

  void rate_document(const Projection& p, Constraint base) {
    bool selected = last_ ? p.field == last_document() : &p == first_root();
    const LiveColumn* column = info_.find(*live_, p.field);
    if (selected) {
      ColumnType wanted = dialect_.map(p, false, field_config(p));
      if (!column || dialect_.fits(wanted, *column))
        return add(p, constraint(Type::field_required, "the field is the table's root document"));
      if (is_requirement(base)) add(p, base);
      return add(p, constraint(Type::incompatible, incompatibility(p, wanted, *column)));
    }
    if (last_ && last_document().empty()) {
      if (is_requirement(base)) add(p, base);
      return add(p, constraint(Type::incompatible, "adding a root document needs a backfill"));
    }
    add(p, constraint(
               Type::field_forbidden,
               fmt::format("the root document is materialized as the field '{}' already", last_document())));
  }

  // Whether some unique index is exactly on the key: one column for each key location.
  bool live_key_fits() const {
    std::vector<std::vector<std::string>> locations = key_locations();
    return std::ranges::any_of(live_->unique_keys, [&](const std::vector<std::string>& columns) {
      return columns.size() == locations.size() &&
             std::ranges::all_of(locations, [&](const std::vector<std::string>& fields) {
               return std::ranges::any_of(fields, [&](const std::string& field) {
                 return std::ranges::any_of(
                     columns, [&](const std::string& column) { return dialect_.same_column(field, column); });
               });
             });
    });
  }

  // The fields that stand for each part of the key.
  std::vector<std::vector<std::string>> key_locations() const {
    std::vector<std::vector<std::string>> out;
    for (const std::string& field : binding_.group_by) out.push_back({field});
    if (!out.empty()) return out;
    for (const std::string& ptr : collection_.key) {
      out.emplace_back();
      for (const Projection& p : collection_.projections)
        if (p.ptr == ptr) out.back().push_back(p.field);
    }
    return out;
  }

  // §3.5.
  void finish() {
    for (ProjectionConstraint& c : out_)
      if (std::string name = dialect_.translate(c.field); name != c.field) c.constraint->folded_field = name;
    if (dialect_.max_field_length()) limit_lengths();
    std::ranges::stable_sort(out_, {}, &ProjectionConstraint::field);
  }

  static std::size_t characters(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
  }

  bool too_long(std::string_view field) const { return characters(field) > dialect_.max_field_length(); }

  void limit_lengths() {
    for (ProjectionConstraint& c : out_) {
      if (!too_long(c.field)) continue;
      std::string why = fmt::format("field '{}' is {} characters long, {} are allowed", c.field,
                                    characters(c.field), dialect_.max_field_length());
      if (c.constraint->type == Type::field_required) throw Error(Error::Kind::config, why);
      if (c.constraint->type == Type::location_required) require_short_projection(c.field, why);
      c.constraint->type = Type::field_forbidden;
      c.constraint->reason = why;
    }
  }

  void require_short_projection(std::string_view field, const std::string& why) const {
    auto of = std::ranges::find(collection_.projections, field, &Projection::field);
    bool short_one = std::ranges::any_of(
        collection_.projections, [&](const Projection& p) { return p.ptr == of->ptr && !too_long(p.field); });
    if (!short_one)
      throw Error(Error::Kind::config, why,
                  fmt::format("Add a projection of '{}' with a shorter name to the collection.", of->ptr));
  }

  const Dialect& dialect_;
  const Rules& rules_;
  const protocol::materialize::ValidateBinding& binding_;
  const CollectionSpec& collection_;
  bool delta_;
  const MaterializationBinding* last_;
  const InfoSchema& info_;
  const LiveTable* live_;
  const Path& path_;
  bool keys_fit_ = true;
  std::vector<ProjectionConstraint> out_;
};

// How strongly a constraint binds, for the deprecated map of one constraint a field.
int strictness(Type type) {
  switch (type) {
    case Type::field_forbidden:
      return 4;
    case Type::incompatible:
    case Type::unsatisfiable:
      return 3;
    case Type::field_required:
      return 2;
    case Type::location_required:
      return 1;
    default:
      return 0;
  }
}

}  // namespace

LastBindings::LastBindings(const Dialect& dialect, const std::optional<protocol::MaterializationSpec>& last)
    : dialect_(dialect) {
  if (!last) return;
  for (const auto* list : {&last->bindings, &last->inactive_bindings})
    for (const MaterializationBinding& binding : *list)
      bindings_.try_emplace(dialect.locate(binding.resource_path), &binding);
}

const MaterializationBinding* LastBindings::find(const Path& resource_path) const {
  auto at = bindings_.find(dialect_.locate(resource_path));
  return at == bindings_.end() ? nullptr : at->second;
}

void require_distinct(const Dialect& dialect, const std::vector<Path>& paths) {
  std::map<Path, const Path*> seen;
  for (const Path& path : paths) {
    auto [at, fresh] = seen.emplace(dialect.locate(path), &path);
    if (!fresh)
      throw Error(Error::Kind::config,
                  fmt::format("bindings '{}' and '{}' are the same table", fmt::join(*at->second, "."),
                              fmt::join(path, ".")),
                  "Give each binding a table of its own.");
  }
}

std::vector<ProjectionConstraint> constraints(const Dialect& dialect, const Rules& rules,
                                              const protocol::materialize::ValidateBinding& binding,
                                              const Resource& resource, const MaterializationBinding* last,
                                              const InfoSchema& info) {
  if (!binding.collection)
    throw Error(Error::Kind::config,
                fmt::format("the binding of '{}' has no collection", fmt::join(resource.path, ".")));
  return Rater(dialect, rules, binding, resource, last, info).run();
}

protocol::materialize::Validated validate(const Dialect& dialect, const Rules& rules,
                                          const protocol::materialize::Validate& request,
                                          const std::vector<Resource>& resources, const InfoSchema& info) {
  SLUICE_CHECK(resources.size() == request.bindings.size());
  std::vector<Path> paths;
  for (const Resource& r : resources) paths.push_back(r.path);
  require_distinct(dialect, paths);
  protocol::materialize::Validated out;
  LastBindings last(dialect, request.last_materialization);
  for (std::size_t i = 0; i < resources.size(); ++i) {
    protocol::materialize::ValidatedBinding& v = out.bindings.emplace_back();
    v.resource_path = resources[i].path;
    v.delta_updates = resources[i].delta_updates;
    v.case_insensitive_fields = dialect.case_insensitive_fields();
    v.projection_constraints =
        constraints(dialect, rules, request.bindings[i], resources[i], last.find(resources[i].path), info);
    for (const ProjectionConstraint& c : v.projection_constraints) {
      Constraint& kept = v.constraints.try_emplace(c.field, *c.constraint).first->second;
      if (strictness(c.constraint->type) > strictness(kept.type)) kept = *c.constraint;
    }
  }
  return out;
}

std::vector<Notice> notices(const Dialect& dialect, const protocol::materialize::Validated& validated) {
  std::vector<Notice> out;
  for (const auto& binding : validated.bindings) {
    auto possible = static_cast<std::size_t>(std::ranges::count_if(
        binding.constraints, [](const auto& c) { return c.second.type != Type::field_forbidden; }));
    if (possible <= dialect.max_columns()) continue;
    Notice notice{Notice::Kind::many_columns, fmt::format("{}", fmt::join(binding.resource_path, "."))};
    notice.count = possible;
    out.push_back(std::move(notice));
  }
  return out;
}

}  // namespace sluice::sql
