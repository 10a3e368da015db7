#include "sluice/runtime/connector_state.hpp"

#include <algorithm>
#include <vector>

#include "sluice/json/tree.hpp"
#include "sluice/json/write.hpp"

namespace sluice::runtime {
namespace {

using json::Kind;
using json::Node;
using json::Tree;

// The members of an object in ascending order of their names, the last of equal names.
std::vector<const Node*> members(const Tree& tree, const Node* object) {
  std::vector<const Node*> found;
  if (!object || object->kind != Kind::object) return found;
  for (const Node& member : tree.children(*object)) found.push_back(&member);
  auto earlier = [](const Node* a, const Node* b) { return a->key < b->key; };
  std::stable_sort(found.begin(), found.end(), earlier);
  std::vector<const Node*> last;
  for (const Node* member : found) {
    if (!last.empty() && last.back()->key == member->key) last.pop_back();
    last.push_back(member);
  }
  return last;
}

class Merge {
 public:
  Merge(const Tree& base, const Tree& patch, bool keep_nulls, bool& foldable)
      : base_(base), patch_(patch), keep_nulls_(keep_nulls), foldable_(foldable) {}

  void write(std::string& out, const Node* base, const Node& patch) {
    if (patch.kind != Kind::object) {
      json::write_canonical(out, patch_, patch);
      return;
    }
    std::vector<const Node*> old_members = members(base_, base), new_members = members(patch_, &patch);
    auto old_at = old_members.begin();
    bool first = true;
    out += '{';
    for (const Node* change : new_members) {
      for (; old_at != old_members.end() && (*old_at)->key < change->key; ++old_at)
        keep(out, **old_at, first);
      const Node* before = nullptr;
      if (old_at != old_members.end() && (*old_at)->key == change->key) before = *old_at++;
      if (change->kind == Kind::null && !keep_nulls_) continue;
      if (keep_nulls_ && before && before->kind == Kind::null && change->kind == Kind::object)
        foldable_ = false;
      name(out, change->key, first);
      write(out, before, *change);
    }
    for (; old_at != old_members.end(); ++old_at) keep(out, **old_at, first);
    out += '}';
  }

 private:
  static void name(std::string& out, std::string_view key, bool& first) {
    if (!std::exchange(first, false)) out += ',';
    json::write_string(out, key);
    out += ':';
  }
  void keep(std::string& out, const Node& member, bool& first) const {
    name(out, member.key, first);
    json::write_canonical(out, base_, member);
  }

  const Tree& base_;
  const Tree& patch_;
  bool keep_nulls_;
  bool& foldable_;
};

}  // namespace

std::string merge_patch(std::string_view base, std::string_view patch) {
  Tree base_tree, patch_tree;
  base_tree.parse(base);
  patch_tree.parse(patch);
  std::string out;
  bool foldable = true;
  Merge(base_tree, patch_tree, false, foldable).write(out, &base_tree.root(), patch_tree.root());
  return out;
}
std::optional<std::string> fold_patches(std::string_view base, std::string_view patch) {
  Tree base_tree, patch_tree;
  base_tree.parse(base);
  patch_tree.parse(patch);
  std::string out;
  bool foldable = true;
  Merge(base_tree, patch_tree, true, foldable).write(out, &base_tree.root(), patch_tree.root());
  if (!foldable) return std::nullopt;
  return out;
}

void StateUpdate::add(const protocol::ConnectorState& state) {
  if (!state.merge_patch) {
    patches_ = {merge_patch("null", state.updated_json)};
    replaces_ = true;
  } else if (patches_.empty()) {
    patches_ = {json::canonical(state.updated_json)};
  } else if (replaces_ && patches_.size() == 1) {
    patches_.back() = merge_patch(patches_.back(), state.updated_json);
  } else if (auto folded = fold_patches(patches_.back(), state.updated_json)) {
    patches_.back() = std::move(*folded);
  } else {
    patches_.push_back(json::canonical(state.updated_json));
  }
}

std::string StateUpdate::apply_to(std::string_view base) const {
  std::string state(replaces_ ? std::string_view("null") : base);
  for (const std::string& patch : patches_) state = merge_patch(state, patch);
  return state;
}

std::string StateUpdate::patches() const {
  if (empty()) return {};
  std::string out = replaces_ ? "[null," : "[";
  for (const std::string& patch : patches_) out.append(patch) += ',';
  out.back() = ']';
  return out;
}

}  // namespace sluice::runtime
