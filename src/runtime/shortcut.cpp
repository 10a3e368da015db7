#include "shortcut.hpp"

#include <algorithm>
#include <functional>

#include "sluice/runtime/reduce.hpp"

namespace sluice::runtime {
namespace {

bool is_scalar(const json::Node& node) {
  return node.kind != json::Kind::array && node.kind != json::Kind::object;
}

// Of each node of the tree the number of the scalar of the text that it is.
std::vector<std::uint32_t> number_scalars(const json::Tree& tree, std::string_view text) {
  std::vector<std::uint32_t> numbers(tree.size(), Shortcut::missing);
  const char *begin = text.data(), *end = begin + text.size();
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < tree.size(); ++i) {
    const char* at = tree[i].raw.data();
    bool inserted = std::less<>()(at, begin) || !std::less<>()(at, end);
    if (!inserted && is_scalar(tree[i])) numbers[i] = count++;
  }
  return numbers;
}

}  // namespace

Shortcut::Shortcut(const json::Layouts& layouts, std::uint64_t layout, std::string_view text,
                   const json::Tree& tree, const Outcome& outcome, const std::vector<json::Pointer>& key,
                   const Insertion* insertion)
    : layout_(layout), replaces_(Reducer::takes_rhs(outcome)) {
  for (const json::Node& scalar : layouts.scalars()) kinds_.push_back(scalar.kind);
  if (insertion) {
    insertion_ = *insertion;
    place_ = layouts.anchor(insertion->place);
  }
  std::vector<std::uint32_t> numbers = number_scalars(tree, text);
  usable_ = take_checks(tree, outcome, numbers) && take_key(tree, key, numbers);
}

// What is asked of a member that was inserted comes out the same always.
bool Shortcut::take_checks(const json::Tree& tree, const Outcome& outcome,
                           const std::vector<std::uint32_t>& numbers) {
  for (schema::Check check : *outcome.checks()) {
    if (!is_scalar(tree[check.node])) return false;
    check.node = numbers[check.node];
    if (check.node != missing) checks_.push_back(check);
  }
  return true;
}

bool Shortcut::take_key(const json::Tree& tree, const std::vector<json::Pointer>& key,
                        const std::vector<std::uint32_t>& numbers) {
  for (const json::Pointer& location : key) {
    const json::Node* node = location.find(tree);
    key_.push_back(node ? numbers[tree.index(*node)] : missing);
    if (node && key_.back() == missing) return false;
  }
  return true;
}

bool Shortcut::is_for(std::uint64_t layout, const json::Layouts& layouts) const {
  auto same = [](json::Kind kind, const json::Node& scalar) { return kind == scalar.kind; };
  return layout == layout_ &&
         std::equal(kinds_.begin(), kinds_.end(), layouts.scalars().begin(), layouts.scalars().end(), same);
}

const Insertion* Shortcut::insertion(const json::Layouts& layouts) {
  if (!insertion_.member) return nullptr;
  insertion_.place = layouts.place(place_);
  return &insertion_;
}

}  // namespace sluice::runtime
