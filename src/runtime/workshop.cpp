#include "workshop.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "redact.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/data/packed.hpp"
#include "sluice/runtime/uuid.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t shown_bytes = 4_KiB;  // of a document in an error
// Some tens of KiB each, of wide tables; where there are more bindings they share them.
constexpr std::size_t most_layouts = 64;
// A binding has; as many as its validator remembers structures.
constexpr std::size_t most_shortcuts = 4;

const std::string placeholder_json = '"' + std::string(uuid_placeholder) + '"';
const std::string uuid_member = "\"uuid\":" + placeholder_json;
const std::string meta_member = "\"_meta\":{" + uuid_member + '}';

}  // namespace

Workshop::Workshop(std::vector<CombineBinding> bindings) {
  for (CombineBinding& binding : bindings) {
    Validator validator(binding.schema);
    std::optional<Validator> former;
    if (binding.former) former.emplace(*binding.former);
    std::vector<json::Pointer> wanted = binding.key;
    wanted.insert(wanted.end(), binding.values.begin(), binding.values.end());
    json::Locations key(binding.key), key_and_values(wanted);
    bindings_.push_back({std::move(binding), std::move(validator), std::move(former), std::move(key),
                         std::move(key_and_values)});
  }
  layouts_.resize(std::clamp<std::size_t>(bindings_.size(), 1, most_layouts));
}

void Workshop::match(std::uint32_t binding, std::string_view json) {
  json_ = json;
  layout_ = layouts(binding).match(json);
}

Shortcut* Workshop::begin(std::uint32_t index, std::string_view json) {
  match(index, json);
  return layout_ == 0 ? nullptr : find_shortcut(bindings_[index], layouts(index));
}

Shortcut* Workshop::find_shortcut(Binding& binding, const json::Layouts& layouts) {
  for (std::size_t i = 0; i < binding.shortcuts.size(); ++i) {
    std::size_t at = (binding.recent + i) % binding.shortcuts.size();
    Shortcut& shortcut = binding.shortcuts[at];
    if (!shortcut.is_for(layout_, layouts)) continue;
    if (!shortcut.usable() || !binding.validator.repeats(shortcut.checks(), layouts.scalars())) continue;
    binding.recent = at;
    binding.credit = std::min(binding.credit + 1, most_credit);
    return &shortcut;
  }
  return nullptr;
}

void Workshop::parse(std::uint32_t binding) {
  insertion_.reset();
  if (layout_ != 0) return tree_.lay_out(layouts(binding));
  try {
    tree_.parse(json_);
    layouts(binding).remember(json_, tree_);
  } catch (Error& e) {
    e.add(bindings_[binding].spec.name + " document");
    throw;
  }
}

const Outcome& Workshop::check(std::uint32_t binding, std::string_view json) {
  match(binding, json);
  parse(binding);
  return validate(binding);
}

const Outcome& Workshop::validate(std::uint32_t index) {
  Binding& binding = bindings_[index];
  const Outcome* outcome = &binding.validator.validate(tree_);
  structure_ = outcome->structure();
  if (!outcome->valid() && binding.former) outcome = &binding.former->validate(tree_);
  if (!outcome->valid()) fail_validation(binding);
  return *outcome;
}

void Workshop::observe(std::uint32_t index) {
  Binding& binding = bindings_[index];
  Inference* inference = binding.spec.inference;
  if (!inference || (structure_ != 0 && structure_ == binding.known)) return;
  if (!binding.names) binding.names.emplace(inference->names());
  if (binding.names->knows(tree_))
    binding.known = structure_;
  else
    inference->widen(tree_);
}

void Workshop::learn(std::uint32_t index, const Outcome& outcome) {
  Binding& binding = bindings_[index];
  bool canonical = binding.spec.placeholder ? insertion_.has_value() : tree_.root().canonical;
  bool whole = tree_.root().raw.size() == json_.size();
  bool observed = !binding.spec.inference || structure_ == binding.known;
  if (layout_ == 0 || structure_ == 0 || !canonical || !whole || !observed || outcome.redacts()) return;
  for (const Shortcut& known : binding.shortcuts)
    if (!known.usable() && known.is_for(layout_, layouts(index))) return;
  if (binding.credit < cost_of_learning && ++binding.missed % 16 != 0) return;
  binding.credit -= std::min(binding.credit, cost_of_learning);
  Shortcut shortcut(layouts(index), layout_, json_, tree_, outcome, binding.spec.key,
                    insertion_ ? &*insertion_ : nullptr);
  if (binding.shortcuts.size() < most_shortcuts) {
    binding.recent = binding.shortcuts.size();
    binding.shortcuts.push_back(std::move(shortcut));
  } else {
    binding.recent = (binding.recent + 1) % most_shortcuts;
    binding.shortcuts[binding.recent] = std::move(shortcut);
  }
}

// Takes the placeholder, which the source knows nothing of, out of a canonical document.
void remove_placeholder(std::string& json) {
  for (const std::string& member : {meta_member, uuid_member}) {
    std::size_t at = json.find(member), end = at + member.size();
    if (at == json.npos) continue;
    if (json[end] == ',')
      ++end;
    else if (json[at - 1] == ',')
      --at;
    json.erase(at, end - at);
    return;
  }
}

void Workshop::fail_validation(Binding& binding) {
  std::string json;
  canonical_.write(json, tree_, tree_.root());
  if (binding.spec.placeholder) remove_placeholder(json);
  std::string_view cut = text::cut_utf8(json, shown_bytes);
  throw Error(Error::Kind::config,
              fmt::format("{} document failed validation against its schema: {}{}: {}", binding.spec.name,
                          cut, cut.size() < json.size() ? "…" : "", binding.validator.explain(tree_)),
              "If its source has changed, discover it again to have the schema take the change over.");
}

// `node` is now in `object`, whose text is without it.
Insertion Workshop::added(std::uint32_t object, std::uint32_t node, const std::string& member) const {
  const json::Node& around = tree_[object];
  std::uint32_t next = tree_[node].end;
  bool last = next == around.end;
  const char* place = last ? around.raw.data() + around.raw.size() - 1 : tree_[next].key.data() - 1;
  return {place, &member, last && around.count > 1, !last};
}

const json::Node* Workshop::insert_placeholder(std::uint32_t binding) {
  if (tree_.root().kind != json::Kind::object)
    throw Error(Error::Kind::config, fmt::format("{} document is no object: {}", bindings_[binding].spec.name,
                                                 text::cut_utf8(tree_.root().raw, shown_bytes)));
  const json::Node* meta = tree_.find(tree_.root(), "_meta");
  if (meta && meta->kind != json::Kind::object && meta->kind != json::Kind::null)
    throw Error(
        Error::Kind::config,
        fmt::format("{} document has a '_meta' that is no object, so it cannot hold the document's UUID: {}",
                    bindings_[binding].spec.name, text::cut_utf8(meta->raw, shown_bytes)));
  if (meta && meta->kind == json::Kind::null) {
    tree_.erase(tree_.index(*meta));
    return insert_placeholder(binding);
  }
  std::uint32_t object = meta ? tree_.index(*meta) : 0;
  while (const json::Node* uuid = meta ? tree_.find(tree_[object], "uuid") : nullptr)
    tree_.erase(tree_.index(*uuid));
  bool canonical = tree_.root().canonical;
  if (!meta) object = tree_.insert(0, "_meta", json::Kind::object, "{}");
  std::uint32_t at = tree_.insert(object, "uuid", json::Kind::string, placeholder_json);
  if (canonical) insertion_ = meta ? added(object, at, uuid_member) : added(0, object, meta_member);
  return &tree_[at];
}

// `pack` says false of a location that is missing.
template <class Pack>
void Workshop::pack_locations(const CombineBinding& spec, std::string& out, Pack pack) {
  out.clear();
  for (std::size_t i = 0; i < spec.key.size(); ++i)
    if (!pack(i)) pack_missing(spec, i, out);
}

void Workshop::pack_key(std::uint32_t binding, std::string& out) {
  const CombineBinding& spec = bindings_[binding].spec;
  pack_locations(spec, out, [&](std::size_t i) {
    const json::Node* node = spec.key[i].find(tree_);
    if (node) data::pack(out, tree_, node);
    return node != nullptr;
  });
}

void Workshop::pack_key(std::uint32_t binding, const Shortcut& shortcut, std::string& out) {
  std::span<const json::Node> scalars = layouts(binding).scalars();
  pack_locations(bindings_[binding].spec, out, [&](std::size_t i) {
    std::uint32_t scalar = shortcut.key()[i];
    if (scalar != Shortcut::missing) data::pack_canonical(out, scalars[scalar]);
    return scalar != Shortcut::missing;
  });
}

void Workshop::pack_missing(const CombineBinding& spec, std::size_t location, std::string& out) {
  if (location >= spec.defaults.size() || spec.defaults[location].empty()) return data::pack_null(out);
  default_.parse(spec.defaults[location]);
  data::pack(out, default_, &default_.root());
}

bool Workshop::scan(std::uint32_t index, std::string_view json, std::string& key, DocumentView& document) {
  Binding& binding = bindings_[index];
  document = {json};
  if (std::memchr(json.data(), '\\', json.size())) return false;
  bool found_all = binding.finds_values && binding.key_and_values.scan(json, layouts(index), tree_);
  if (found_all) {
    binding.key_and_values.extents(extents_, json);
    document.values = std::span(extents_).subspan(binding.key.size());
  } else {
    if (!binding.key.scan(json, layouts(index), tree_)) return false;
    binding.finds_values = false;  // for good: one is in an array, and is looked for when it is stored
  }
  const json::Locations& found = found_all ? binding.key_and_values : binding.key;
  pack_locations(binding.spec, key, [&](std::size_t i) {
    if (found[i]) data::pack_canonical(key, *found[i]);
    return found[i] != nullptr;
  });
  return true;
}

DocumentView Workshop::text(const json::Node* uuid) {
  if (tree_.root().canonical) return {tree_.root().raw};
  if (uuid && insertion_) return with(tree_.root().raw, *insertion_);
  scratch_.clear();
  std::size_t at = canonical_.write(scratch_, tree_, tree_.root(), uuid);
  return {scratch_, uuid ? static_cast<std::uint32_t>(at + 1) : 0};
}

DocumentView Workshop::text(std::uint32_t binding, Shortcut& shortcut) {
  const Insertion* insertion = shortcut.insertion(layouts(binding));
  return insertion ? with(json_, *insertion) : DocumentView{json_};
}

DocumentView Workshop::with(std::string_view text, const Insertion& insertion) {
  auto at = static_cast<std::size_t>(insertion.place - text.data());
  scratch_.assign(text.substr(0, at));
  if (insertion.comma_before) scratch_ += ',';
  std::size_t uuid = scratch_.size() + insertion.member->find(uuid_placeholder);
  scratch_ += *insertion.member;
  if (insertion.comma_after) scratch_ += ',';
  scratch_ += text.substr(at);
  return {scratch_, static_cast<std::uint32_t>(uuid)};
}

std::optional<Fold> Workshop::fold_parsed(std::uint32_t binding, std::string_view left,
                                          const Outcome& annotations, Mode mode, std::string& out) {
  out.clear();
  try {
    Fold fold = reducer_.reduce(&left, tree_, annotations, mode, out);
    if (fold == Fold::not_associative) return {};
    return fold;
  } catch (Error& e) {
    e.add("combining " + bindings_[binding].spec.name);
    throw;
  }
}

bool Workshop::fold(std::uint32_t binding, Held& left, const DocumentView& right, bool stable, Mode mode) {
  auto front = static_cast<std::uint8_t>(left.document.bits & front_bit);
  if (right.bits & replaces_bit) {
    left.hold(right, stable);
    left.document.bits |= front;
    return true;
  }
  const Outcome& outcome = check(binding, right.json);
  auto fold = fold_parsed(binding, left.document.json, outcome, mode, scratch_);
  if (!fold) return false;
  auto redact = static_cast<std::uint8_t>((left.document.bits | right.bits) & redact_bit);
  left.buffer.swap(scratch_);
  left.document = {left.buffer, 0, static_cast<std::uint8_t>(front | redact | reduced_bit)};
  left.deleted = *fold == Fold::deleted;
  return true;
}

void Workshop::complete(std::uint32_t index, Held& held) {
  if (!(held.document.bits & (reduced_bit | redact_bit))) return;
  Binding& binding = bindings_[index];
  const Outcome& outcome = check(index, held.document.json);
  if (outcome.redacts())
    redact(binding, held, outcome);
  else if (binding.spec.placeholder)
    held.document.uuid_at = find_placeholder(binding, held);
  observe(index);
}

void Workshop::redact(std::uint32_t index, Held& held) {
  if (!(held.document.bits & redact_bit) || held.document.bits & front_bit) return;
  redact(bindings_[index], held, check(index, held.document.json));
}

void Workshop::redact(Binding& binding, Held& held, const Outcome& outcome) {
  scratch_.clear();
  write_redacted(scratch_, tree_, outcome, binding.spec.salt);
  held.buffer.swap(scratch_);
  held.document.json = held.buffer;
  held.document.values = {};
  tree_.parse(held.buffer);
  structure_ = 0;
  if (binding.spec.placeholder) held.document.uuid_at = find_placeholder(binding, held);
}

std::uint32_t Workshop::find_placeholder(const Binding& binding, const Held& held) {
  const json::Node* meta = tree_.find(tree_.root(), "_meta");
  const json::Node* uuid = meta ? tree_.find(*meta, "uuid") : nullptr;
  if (!uuid || uuid->text != uuid_placeholder)
    throw Error(Error::Kind::config,
                fmt::format("{} document lost its '/_meta/uuid' by reduction or redaction: {}",
                            binding.spec.name, text::cut_utf8(held.document.json, shown_bytes)),
                "Annotate neither /_meta nor /_meta/uuid with a strategy that removes or changes strings.");
  return static_cast<std::uint32_t>(uuid->text.data() - held.document.json.data());
}

}  // namespace sluice::runtime
