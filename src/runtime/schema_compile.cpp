#include <fmt/format.h>

#include <set>
#include <unordered_map>

#include "schema_model.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "uri.hpp"

namespace sluice::runtime {
namespace schema {
namespace {

using json::Kind;
using json::Node;
using json::Tree;

// What the value of a keyword holds.
enum class Holds : std::uint8_t { nothing, schema, schemas, named_schemas, schema_or_schemas };

class Compiler;
struct Keyword {
  std::string_view name;
  Holds holds;
  void (Compiler::*apply)(Sub&, const Value&);  // null: no meaning to us, yet well known
};

std::string cut(std::string_view text) {
  std::string_view head = text::cut_utf8(text, 80);
  return std::string(head) + (head.size() < text.size() ? "…" : "");
}

std::string escape_token(std::string_view token) { return json::Pointer::of({std::string(token)}).text(); }

// Turns schema texts into Subs. A place in a text is compiled once, however many references lead to it.
class Compiler {
 public:
  Compiler(Model& model, const Schema::Resolver& resolver) : model_(model), resolver_(resolver) {}

  void run(std::string_view text) {
    Value root = load("", text);
    model_.root = compile(root, "", "");
    check_loops();
    mark_annotating();
    mark_type_only();
  }

 private:
  friend const std::vector<Keyword>& keywords();

  // ---- texts and references ----

  Value load(std::string url, std::string_view text) {
    Document& document = model_.documents.emplace_back();
    document.url = url;
    document.text = text;
    try {
      document.tree.parse(document.text);
      document.tree.settle();
    } catch (Error& e) {
      e.add(url.empty() ? "schema" : "schema " + url);
      throw;
    }
    Value root{&document, &document.tree.root()};
    index(root, url, "");
    targets_.emplace(url, Target{root, ""});
    return root;
  }

  struct Target {
    Value value;
    std::string pointer;
  };

  // Finds every $id and $anchor at places where schemas stand.
  void index(const Value& value, std::string base, const std::string& pointer) {
    const Tree& tree = value.document->tree;
    if (value.node->kind != Kind::object) return;
    if (const Node* id = tree.find(*value.node, "$id"); id && id->kind == Kind::string) {
      std::string url = resolve_uri(base, id->text);
      if (id->text.starts_with('#')) {
        targets_.emplace(url, Target{value, pointer});
      } else {
        base = url.substr(0, url.find('#'));
        targets_.emplace(base, Target{value, pointer});
      }
    }
    bases_.emplace(value.node, base);
    if (const Node* anchor = tree.find(*value.node, "$anchor"); anchor && anchor->kind == Kind::string)
      targets_.emplace(base + "#" + std::string(anchor->text), Target{value, pointer});
    for (const Node& child : tree.children(*value.node)) {
      const Keyword* keyword = find(child.key);
      if (!keyword || keyword->holds == Holds::nothing) continue;
      std::string at = pointer + escape_token(child.key);
      if (keyword->holds == Holds::schema ||
          (keyword->holds == Holds::schema_or_schemas && child.kind != Kind::array))
        index({value.document, &child}, base, at);
      else
        index_children({value.document, &child}, base, at);
    }
  }
  void index_children(const Value& value, const std::string& base, const std::string& pointer) {
    std::size_t i = 0;
    for (const Node& child : value.document->tree.children(*value.node)) {
      bool array = value.node->kind == Kind::array;
      index({value.document, &child}, base,
            pointer + (array ? fmt::format("/{}", i++) : escape_token(child.key)));
    }
  }

  Sub* refer(const Sub& from, const std::string& base, std::string_view reference) {
    std::string url = resolve_uri(base, reference);
    std::size_t hash = url.find('#');
    std::string resource = url.substr(0, hash);
    std::string fragment = hash == url.npos ? "" : percent_decode(std::string_view(url).substr(hash + 1));
    if (!targets_.count(resource)) fetch(from, resource);
    if (!fragment.empty() && !fragment.starts_with('/')) {
      auto found = targets_.find(resource + "#" + fragment);
      if (found == targets_.end())
        fail(from, fmt::format("$ref '{}' names an anchor that does not exist", reference));
      return compile(found->second.value, base_of(found->second.value), found->second.pointer);
    }
    auto found = targets_.find(resource);
    if (found == targets_.end()) fail(from, fmt::format("$ref '{}' leads to no known schema", reference));
    return descend(from, reference, found->second, fragment);
  }

  Sub* descend(const Sub& from, std::string_view reference, const Target& start,
               const std::string& fragment) {
    json::Pointer pointer;
    try {
      pointer = json::Pointer(fragment);
    } catch (const Error&) {
      fail(from, fmt::format("$ref '{}' holds no valid JSON pointer", reference));
    }
    const Tree& tree = start.value.document->tree;
    const Node* node = start.value.node;
    std::string base = base_of(start.value), at = start.pointer;
    for (const std::string& token : pointer.tokens()) {
      node = json::Pointer::of({token}).find(tree, *node);
      if (!node) fail(from, fmt::format("$ref '{}' leads to a place that does not exist", reference));
      at += escape_token(token);
      if (auto known = bases_.find(node); known != bases_.end()) base = known->second;
    }
    return compile({start.value.document, node}, base, at);
  }

  std::string base_of(const Value& value) const {
    auto found = bases_.find(value.node);
    return found == bases_.end() ? value.document->url : found->second;
  }

  void fetch(const Sub& from, const std::string& url) {
    std::optional<std::string> text = resolver_ ? resolver_(url) : std::nullopt;
    if (!text) fail(from, fmt::format("$ref leads to '{}', which is not available", url));
    load(url, *text);
  }

  // ---- one schema ----

  Sub* compile(const Value& value, const std::string& base, const std::string& pointer) {
    auto [known, fresh] = compiled_.try_emplace(value.node, nullptr);
    if (!fresh) return known->second;
    Sub& sub = model_.subs.emplace_back();
    known->second = &sub;
    sub.location = value.document->url + "#" + pointer;
    sub.source = value;
    if (value.node->kind == Kind::boolean) {
      sub.never = !value.node->truth;
      return &sub;
    }
    if (value.node->kind != Kind::object)
      fail(sub, fmt::format("a schema must be an object or a boolean, not {}", cut(value.node->raw)));
    std::string own_base = bases_.count(value.node) ? bases_[value.node] : base;
    Frame outer = std::exchange(frame_, Frame{&sub, own_base, pointer});
    for (const Node& child : value.document->tree.children(*value.node)) apply(sub, {value.document, &child});
    finish(sub);
    frame_ = std::move(outer);
    return &sub;
  }

  void apply(Sub& sub, const Value& value) {
    std::string_view name = value.node->key;
    if (const Keyword* keyword = find(name)) {
      if (keyword->apply) (this->*keyword->apply)(sub, value);
    } else if (name.starts_with("x-")) {
      sub.notes.extensions.emplace_back(name, value);
    } else {
      warn(fmt::format("unknown keyword '{}' at {} is ignored", name, sub.location), name);
    }
  }

  // Keywords whose meaning depends on their siblings.
  struct Frame {
    Sub* sub = nullptr;
    std::string base, pointer;
    std::map<std::string_view, Properties::Slot> properties = {};
    const Sub *items = nullptr, *additional_items = nullptr;
    bool items_is_tuple = false, has_prefix = false;
  };

  void finish(Sub& sub) {
    if (!frame_.properties.empty()) {
      std::vector<Properties::Slot> slots;
      for (auto& [name, slot] : frame_.properties) slots.push_back(slot);
      object(sub).properties.build(std::move(slots));
    }
    if (frame_.items_is_tuple && frame_.has_prefix)
      fail(sub, "items in its array form and prefixItems exclude each other");
    const Sub* rest = frame_.items_is_tuple ? frame_.additional_items : frame_.items;
    if (!rest) return;
    array(sub).rest = rest;
    array(sub).rest_keyword = frame_.items_is_tuple ? "additionalItems" : "items";
  }

  static const Keyword* find(std::string_view name);

  // ---- values of keywords ----

  [[noreturn]] void fail(const Sub& sub, std::string_view what) const {
    throw Error(Error::Kind::config, fmt::format("schema at {}: {}", sub.location, what));
  }
  [[noreturn]] void expected(const Sub& sub, const Value& v, std::string_view what) const {
    fail(sub, fmt::format("{} must be {}, not {}", v.node->key, what, cut(v.node->raw)));
  }
  void warn(std::string text, std::string_view subject) {
    if (warned_.emplace(subject).second) model_.warnings.push_back(std::move(text));
  }

  std::string_view string_of(const Sub& sub, const Value& v) const {
    if (v.node->kind != Kind::string) expected(sub, v, "a string");
    return v.node->text;
  }
  bool boolean_of(const Sub& sub, const Value& v) const {
    if (v.node->kind != Kind::boolean) expected(sub, v, "a boolean");
    return v.node->truth;
  }
  std::uint64_t count_of(const Sub& sub, const Value& v) const {
    if (v.node->kind == Kind::number) {
      json::Number n = json::number(v.node->text);
      if (n.type == json::Number::Type::unsigned_) return n.unsigned_;
      // "2.0" is an integer as well.
      if (n.type == json::Number::Type::floating && n.floating >= 0 && n.floating < 0x1p53 &&
          n.floating == static_cast<double>(static_cast<std::uint64_t>(n.floating)))
        return static_cast<std::uint64_t>(n.floating);
    }
    expected(sub, v, "a non-negative integer");
  }
  const Node* number_of(const Sub& sub, const Value& v, json::Number& value) const {
    if (v.node->kind != Kind::number) expected(sub, v, "a number");
    value = json::number(v.node->text);
    return v.node;
  }
  std::vector<std::string_view> strings_of(const Sub& sub, const Value& v) const {
    if (v.node->kind != Kind::array) expected(sub, v, "an array of strings");
    std::vector<std::string_view> out;
    for (const Node& child : v.document->tree.children(*v.node)) {
      if (child.kind != Kind::string) expected(sub, v, "an array of strings");
      out.push_back(child.text);
    }
    return out;
  }
  const Sub* schema_of(const Sub&, const Value& v) {
    return compile(v, frame_.base, frame_.pointer + escape_token(v.node->key));
  }
  std::vector<const Sub*> schemas_of(const Sub& sub, const Value& v) {
    if (v.node->kind != Kind::array) expected(sub, v, "an array of schemas");
    std::vector<const Sub*> out;
    std::string pointer = frame_.pointer + escape_token(v.node->key);
    for (const Node& child : v.document->tree.children(*v.node))
      out.push_back(compile({v.document, &child}, frame_.base, fmt::format("{}/{}", pointer, out.size())));
    return out;
  }
  std::vector<const Sub*> some_schemas_of(const Sub& sub, const Value& v) {
    std::vector<const Sub*> out = schemas_of(sub, v);
    if (out.empty()) expected(sub, v, "a non-empty array of schemas");
    return out;
  }
  std::vector<std::pair<std::string_view, const Sub*>> named_schemas_of(const Sub& sub, const Value& v) {
    if (v.node->kind != Kind::object) expected(sub, v, "an object of schemas");
    std::vector<std::pair<std::string_view, const Sub*>> out;
    std::string pointer = frame_.pointer + escape_token(v.node->key);
    for (const Node& child : v.document->tree.children(*v.node))
      out.emplace_back(child.key,
                       compile({v.document, &child}, frame_.base, pointer + escape_token(child.key)));
    return out;
  }

  template <class Rules>
  static Rules& made(std::unique_ptr<Rules>& rules) {
    if (!rules) rules = std::make_unique<Rules>();
    return *rules;
  }
  static NumberRules& number(Sub& sub) { return made(sub.number); }
  static StringRules& string(Sub& sub) { return made(sub.string); }
  static ArrayRules& array(Sub& sub) { return made(sub.array); }
  static ObjectRules& object(Sub& sub) { return made(sub.object); }
  static InPlace& in_place(Sub& sub) { return made(sub.in_place); }

  // ---- keywords ----

  void ref(Sub& s, const Value& v) {
    s.notes.reference = string_of(s, v);
    std::string base = frame_.base;
    in_place(s).ref = refer(s, base, s.notes.reference);
  }
  void definitions(Sub& s, const Value& v) { named_schemas_of(s, v); }
  void all_of(Sub& s, const Value& v) { in_place(s).all_of = some_schemas_of(s, v); }
  void any_of(Sub& s, const Value& v) { in_place(s).any_of = some_schemas_of(s, v); }
  void one_of(Sub& s, const Value& v) { in_place(s).one_of = some_schemas_of(s, v); }
  void negated(Sub& s, const Value& v) { in_place(s).negated = schema_of(s, v); }
  void condition(Sub& s, const Value& v) { in_place(s).condition = schema_of(s, v); }
  void then(Sub& s, const Value& v) { in_place(s).then = schema_of(s, v); }
  void otherwise(Sub& s, const Value& v) { in_place(s).otherwise = schema_of(s, v); }
  void dependent_schemas(Sub& s, const Value& v) {
    for (auto [name, sub] : named_schemas_of(s, v)) in_place(s).dependent.push_back({name, sub});
  }
  void dependent_required(Sub& s, const Value& v) {
    if (v.node->kind != Kind::object) expected(s, v, "an object of arrays of strings");
    for (const Node& child : v.document->tree.children(*v.node))
      object(s).dependent_required.push_back({child.key, strings_of(s, {v.document, &child})});
  }

  void properties(Sub& s, const Value& v) {
    object(s);
    for (auto [name, sub] : named_schemas_of(s, v)) {
      Properties::Slot& slot = frame_.properties[name];
      slot.name = name;
      slot.sub = sub;
    }
  }
  void required(Sub& s, const Value& v) {
    for (std::string_view name : strings_of(s, v)) {
      Properties::Slot& slot = frame_.properties[name];
      slot.name = name;
      slot.required = true;
    }
  }
  void pattern_properties(Sub& s, const Value& v) {
    for (auto [pattern, sub] : named_schemas_of(s, v))
      object(s).patterns.push_back({std::make_shared<const Regex>(regex(s, pattern)), sub});
  }
  void additional_properties(Sub& s, const Value& v) { object(s).additional = schema_of(s, v); }
  void unevaluated_properties(Sub& s, const Value& v) { s.unevaluated_properties = schema_of(s, v); }
  void unevaluated_items(Sub& s, const Value& v) { s.unevaluated_items = schema_of(s, v); }
  void property_names(Sub& s, const Value& v) { object(s).names = schema_of(s, v); }
  void min_properties(Sub& s, const Value& v) { object(s).min_properties = count_of(s, v); }
  void max_properties(Sub& s, const Value& v) { object(s).max_properties = count_of(s, v); }

  void items(Sub& s, const Value& v) {
    if (v.node->kind == Kind::array) {
      prefix(s, v);
      frame_.items_is_tuple = true;
    } else {
      frame_.items = schema_of(s, v);
    }
  }
  void prefix(Sub& s, const Value& v) {
    array(s).tuple = schemas_of(s, v);
    array(s).tuple_keyword = v.node->key;
  }
  void prefix_items(Sub& s, const Value& v) {
    prefix(s, v);
    frame_.has_prefix = true;
  }
  void additional_items(Sub& s, const Value& v) { frame_.additional_items = schema_of(s, v); }
  void contains(Sub& s, const Value& v) {
    array(s).contains = schema_of(s, v);
    const Tree& tree = s.source.document->tree;
    const Node* dialect = tree.find(tree.root(), "$schema");
    array(s).contains_evaluates = dialect && dialect->text.find("2020-12") != dialect->text.npos;
  }
  void min_contains(Sub& s, const Value& v) { array(s).min_contains = count_of(s, v); }
  void max_contains(Sub& s, const Value& v) { array(s).max_contains = count_of(s, v); }
  void min_items(Sub& s, const Value& v) { array(s).min_items = count_of(s, v); }
  void max_items(Sub& s, const Value& v) { array(s).max_items = count_of(s, v); }
  void unique_items(Sub& s, const Value& v) { array(s).unique = boolean_of(s, v); }

  void minimum(Sub& s, const Value& v) { number(s).minimum = number_of(s, v, number(s).minimum_value); }
  void maximum(Sub& s, const Value& v) { number(s).maximum = number_of(s, v, number(s).maximum_value); }
  void exclusive_minimum(Sub& s, const Value& v) {
    number(s).exclusive_minimum = number_of(s, v, number(s).exclusive_minimum_value);
  }
  void exclusive_maximum(Sub& s, const Value& v) {
    number(s).exclusive_maximum = number_of(s, v, number(s).exclusive_maximum_value);
  }
  void multiple_of(Sub& s, const Value& v) {
    json::Number value;
    number(s).multiple_of = number_of(s, v, value);
    bool positive = value.type == json::Number::Type::floating
                        ? value.floating > 0
                        : value.type == json::Number::Type::unsigned_ && value.unsigned_ > 0;
    if (!positive) expected(s, v, "a positive number");
  }

  void min_length(Sub& s, const Value& v) { string(s).min_length = count_of(s, v); }
  void max_length(Sub& s, const Value& v) { string(s).max_length = count_of(s, v); }
  void pattern(Sub& s, const Value& v) { string(s).pattern.emplace(regex(s, string_of(s, v))); }
  void format(Sub& s, const Value& v) {
    std::string_view name = string_of(s, v);
    if (const Format* format = Format::find(name)) {
      string(s).format = format;
      return;
    }
    s.notes.unknown_format = name;
    warn(fmt::format("unknown format '{}' at {} is not checked", name, s.location),
         fmt::format("format {}", name));
  }
  Regex regex(const Sub& s, std::string_view pattern) const {
    try {
      return Regex(pattern);
    } catch (Error& e) {
      e.add("schema at " + s.location);
      throw;
    }
  }

  void type(Sub& s, const Value& v) {
    if (v.node->kind == Kind::string) {
      s.types = type_named(s, v, v.node->text);
      return;
    }
    if (v.node->kind != Kind::array || v.node->count == 0)
      expected(s, v, "a type or a non-empty array of types");
    s.types = 0;
    for (const Node& child : v.document->tree.children(*v.node)) {
      if (child.kind != Kind::string) expected(s, v, "a type or a non-empty array of types");
      s.types |= type_named(s, v, child.text);
    }
  }
  Types type_named(const Sub& s, const Value& v, std::string_view name) const {
    constexpr std::pair<std::string_view, Types> names[] = {
        {"null", types::null},     {"boolean", types::boolean}, {"integer", types::integer},
        {"number", types::number}, {"string", types::string},   {"array", types::array},
        {"object", types::object}};
    for (auto& [known, bits] : names)
      if (known == name) return bits;
    expected(s, v, "of null, boolean, integer, number, string, array and object");
  }
  void constant(Sub& s, const Value& v) { s.constant = v; }
  void enumeration(Sub& s, const Value& v) {
    if (v.node->kind != Kind::array) expected(s, v, "an array");
    s.enumeration.emplace();
    for (const Node& child : v.document->tree.children(*v.node))
      s.enumeration->push_back({v.document, &child});
  }

  void title(Sub& s, const Value& v) { s.notes.title = string_of(s, v); }
  void description(Sub& s, const Value& v) { s.notes.description = string_of(s, v); }
  void default_value(Sub& s, const Value& v) { s.notes.default_value = v; }
  void secret(Sub& s, const Value& v) { s.notes.secret = boolean_of(s, v); }
  void content_encoding(Sub& s, const Value& v) { s.notes.content_encoding = string_of(s, v); }
  void content_media_type(Sub& s, const Value& v) { s.notes.content_media_type = string_of(s, v); }
  void anchor(Sub& s, const Value& v) { string_of(s, v); }

  void redact(Sub& s, const Value& v) {
    s.redact = annotation(s, v, parse_redaction);
    model_.redacts = true;
  }
  void reduce(Sub& s, const Value& v) {
    s.reduce = annotation(s, v, Reduction::parse);
    model_.reduces = true;
  }
  template <class T>
  T annotation(const Sub& s, const Value& v, T (*parse)(const Tree&, const Node&)) const {
    try {
      return parse(v.document->tree, *v.node);
    } catch (Error& e) {
      e.add("schema at " + s.location);
      throw;
    }
  }

  // ---- the whole ----

  template <class Visit>
  static void each_in_place(const Sub& sub, Visit&& visit) {
    if (!sub.in_place) return;
    const InPlace& p = *sub.in_place;
    for (const Sub* s : {p.ref, p.condition, p.then, p.otherwise, p.negated})
      if (s) visit(*s);
    for (auto* list : {&p.all_of, &p.any_of, &p.one_of})
      for (const Sub* s : *list) visit(*s);
    for (auto& dependent : p.dependent) visit(*dependent.sub);
  }
  template <class Visit>
  static void each_child(const Sub& sub, Visit&& visit) {
    for (const Sub* s : {sub.unevaluated_items, sub.unevaluated_properties})
      if (s) visit(*s);
    if (sub.array) {
      for (const Sub* s : sub.array->tuple) visit(*s);
      for (const Sub* s : {sub.array->rest, sub.array->contains})
        if (s) visit(*s);
    }
    if (!sub.object) return;
    for (auto& slot : sub.object->properties.slots())
      if (slot.sub) visit(*slot.sub);
    for (auto& pattern : sub.object->patterns) visit(*pattern.sub);
    if (sub.object->additional) visit(*sub.object->additional);
  }

  void check_loops() {
    std::map<const Sub*, bool> open;  // false once its in-place subschemas are known to end
    for (const Sub& sub : model_.subs) check_loops(sub, open);
  }
  void check_loops(const Sub& sub, std::map<const Sub*, bool>& open) {
    auto [state, fresh] = open.try_emplace(&sub, true);
    if (!fresh) {
      if (state->second) fail(sub, "the schema refers back to itself without descending into the document");
      return;
    }
    each_in_place(sub, [&](const Sub& s) { check_loops(s, open); });
    open[&sub] = false;
  }

  void mark_type_only() {
    for (Sub& sub : model_.subs) {
      if (sub.never || sub.reduce || sub.redact != Redaction::none || sub.constant || sub.enumeration ||
          sub.in_place)
        continue;
      auto free = [&](Kind kind, bool of_rules) {
        if (of_rules) sub.type_only |= static_cast<std::uint8_t>(1u << static_cast<unsigned>(kind));
      };
      free(Kind::null, true);
      free(Kind::boolean, true);
      free(Kind::number, !sub.number);
      free(Kind::string, !sub.string);
      free(Kind::array, !sub.array && !sub.unevaluated_items);
      free(Kind::object, !sub.object && !sub.unevaluated_properties);
    }
  }

  void mark_annotating() {
    for (bool changed = true; changed;) {
      changed = false;
      for (Sub& sub : model_.subs) {
        if (sub.annotates) continue;
        bool does = sub.reduce || sub.redact != Redaction::none;
        auto look = [&](const Sub& s) { does = does || s.annotates; };
        each_in_place(sub, look);
        each_child(sub, look);
        changed = changed || does;
        sub.annotates = does;
      }
    }
  }

  Model& model_;
  const Schema::Resolver& resolver_;
  std::map<std::string, Target> targets_;               // by absolute URL, with anchor
  std::unordered_map<const Node*, std::string> bases_;  // base URL of every indexed schema
  std::unordered_map<const Node*, Sub*> compiled_;
  std::set<std::string, std::less<>> warned_;
  Frame frame_;
};

const std::vector<Keyword>& keywords() {
  using enum Holds;
  using C = Compiler;
  static const std::vector<Keyword> table = [] {
    std::vector<Keyword> t = {
        {"$ref", nothing, &C::ref},
        {"$defs", named_schemas, &C::definitions},
        {"definitions", named_schemas, &C::definitions},
        {"$anchor", nothing, &C::anchor},
        {"$id", nothing, &C::anchor},
        {"allOf", schemas, &C::all_of},
        {"anyOf", schemas, &C::any_of},
        {"oneOf", schemas, &C::one_of},
        {"not", schema, &C::negated},
        {"if", schema, &C::condition},
        {"then", schema, &C::then},
        {"else", schema, &C::otherwise},
        {"dependentSchemas", named_schemas, &C::dependent_schemas},
        {"dependentRequired", nothing, &C::dependent_required},
        {"properties", named_schemas, &C::properties},
        {"required", nothing, &C::required},
        {"patternProperties", named_schemas, &C::pattern_properties},
        {"additionalProperties", schema, &C::additional_properties},
        {"unevaluatedProperties", schema, &C::unevaluated_properties},
        {"unevaluatedItems", schema, &C::unevaluated_items},
        {"propertyNames", schema, &C::property_names},
        {"minProperties", nothing, &C::min_properties},
        {"maxProperties", nothing, &C::max_properties},
        {"items", schema_or_schemas, &C::items},
        {"prefixItems", schemas, &C::prefix_items},
        {"additionalItems", schema, &C::additional_items},
        {"contains", schema, &C::contains},
        {"minContains", nothing, &C::min_contains},
        {"maxContains", nothing, &C::max_contains},
        {"minItems", nothing, &C::min_items},
        {"maxItems", nothing, &C::max_items},
        {"uniqueItems", nothing, &C::unique_items},
        {"minimum", nothing, &C::minimum},
        {"maximum", nothing, &C::maximum},
        {"exclusiveMinimum", nothing, &C::exclusive_minimum},
        {"exclusiveMaximum", nothing, &C::exclusive_maximum},
        {"multipleOf", nothing, &C::multiple_of},
        {"minLength", nothing, &C::min_length},
        {"maxLength", nothing, &C::max_length},
        {"pattern", nothing, &C::pattern},
        {"format", nothing, &C::format},
        {"type", nothing, &C::type},
        {"const", nothing, &C::constant},
        {"enum", nothing, &C::enumeration},
        {"title", nothing, &C::title},
        {"description", nothing, &C::description},
        {"default", nothing, &C::default_value},
        {"secret", nothing, &C::secret},
        {"airbyte_secret", nothing, &C::secret},
        {"contentEncoding", nothing, &C::content_encoding},
        {"contentMediaType", nothing, &C::content_media_type},
        {"reduce", nothing, &C::reduce},
        {"redact", nothing, &C::redact},
        {"$schema", nothing, nullptr},
        {"$vocabulary", nothing, nullptr},
        {"$comment", nothing, nullptr},
        {"examples", nothing, nullptr},
        {"readOnly", nothing, nullptr},
        {"writeOnly", nothing, nullptr},
        {"deprecated", nothing, nullptr},
        {"contentSchema", nothing, nullptr},
    };
    std::sort(t.begin(), t.end(), [](auto& a, auto& b) { return a.name < b.name; });
    return t;
  }();
  return table;
}

const Keyword* Compiler::find(std::string_view name) {
  const std::vector<Keyword>& all = keywords();
  auto found = std::lower_bound(all.begin(), all.end(), name, [](auto& k, auto n) { return k.name < n; });
  return found != all.end() && found->name == name ? &*found : nullptr;
}

}  // namespace

std::uint64_t Properties::hash(std::string_view name) {
  // Names of one schema differ in length or within the first or last eight bytes; if not, probing finds them.
  std::uint64_t first = 0, last = 0;
  if (name.size() >= 8) {
    std::memcpy(&first, name.data(), 8);
    std::memcpy(&last, name.data() + name.size() - 8, 8);
  } else if (name.size() >= 4) {
    std::uint32_t a, b;
    std::memcpy(&a, name.data(), 4);
    std::memcpy(&b, name.data() + name.size() - 4, 4);
    first = a, last = b;
  } else if (!name.empty()) {
    first = static_cast<unsigned char>(name[0]) | static_cast<unsigned>(name[name.size() / 2]) << 8;
    last = static_cast<unsigned char>(name.back());
  }
  std::uint64_t h = (first ^ name.size()) * 0x9e3779b97f4a7c15u;
  h = (h ^ last ^ h >> 29) * 0xbf58476d1ce4e5b9u;
  return h ^ h >> 32;
}

void Properties::build(std::vector<Slot> slots) {
  slots_ = std::move(slots);
  for (std::size_t i = 0; i < slots_.size() && i < 64; ++i)
    required_mask_ |= std::uint64_t{slots_[i].required} << i;
  for (Slot& slot : slots_) slot.prefix = text::prefix(slot.name);
  std::size_t size = 8;
  while (size < 2 * slots_.size()) size *= 2;
  table_.assign(size, 0);
  mask_ = size - 1;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    std::size_t at = hash(slots_[i].name) & mask_;
    while (table_[at] != 0) at = (at + 1) & mask_;
    table_[at] = static_cast<std::uint32_t>(i + 1);
  }
}

}  // namespace schema

Schema Schema::compile(std::string_view json, const Resolver& resolver) {
  auto model = std::make_shared<schema::Model>();
  schema::Compiler(*model, resolver).run(json);
  return Schema(std::move(model));
}

const std::string& Schema::text() const { return model_->documents.front().text; }
bool Schema::reduces() const { return model_->reduces; }
bool Schema::redacts() const { return model_->redacts; }
const std::vector<std::string>& Schema::warnings() const { return model_->warnings; }

}  // namespace sluice::runtime
