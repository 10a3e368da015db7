#include <algorithm>

#include "sluice/json/write.hpp"

namespace sluice::json {
namespace {

using Order = std::strong_ordering;

Order compare(double a, double b) { return a < b ? Order::less : a > b ? Order::greater : Order::equal; }

Order compare(std::uint64_t a, double b) {
  if (b < 0) return Order::greater;
  if (b >= 0x1p64) return Order::less;
  auto whole = static_cast<std::uint64_t>(b);
  if (a != whole) return a <=> whole;
  return b > static_cast<double>(whole) ? Order::less : Order::equal;
}

Order reverse(Order order) { return 0 <=> order; }

Order compare(const Number& a, double b) {
  if (a.type == Number::Type::unsigned_) return compare(a.unsigned_, b);
  if (b >= 0) return Order::less;
  return reverse(compare(std::uint64_t{0} - static_cast<std::uint64_t>(a.negative), -b));
}

Order compare_arrays(const Tree& a, const Node& x, const Tree& b, const Node& y) {
  auto left = a.children(x), right = b.children(y);
  auto i = left.begin(), j = right.begin();
  for (; i != left.end() && j != right.end(); ++i, ++j)
    if (Order order = json::compare(a, *i, b, *j); order != 0) return order;
  return x.count <=> y.count;
}

Order compare_objects(const Tree& a, const Node& x, const Tree& b, const Node& y) {
  std::vector<Member> left, right;
  append_members(left, a, x);
  append_members(right, b, y);
  for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    if (Order order = left[i].node->key <=> right[i].node->key; order != 0) return order;
    if (Order order = json::compare(a, *left[i].node, b, *right[i].node); order != 0) return order;
  }
  return left.size() <=> right.size();
}

}  // namespace

std::strong_ordering compare(const Number& a, const Number& b) {
  using enum Number::Type;
  if (a.type == floating && b.type == floating) return compare(a.floating, b.floating);
  if (b.type == floating) return compare(a, b.floating);
  if (a.type == floating) return reverse(compare(b, a.floating));
  if (a.type != b.type) return a.type == negative ? Order::less : Order::greater;
  return a.type == negative ? a.negative <=> b.negative : a.unsigned_ <=> b.unsigned_;
}

std::strong_ordering compare(const Tree& a, const Node& x, const Tree& b, const Node& y) {
  if (x.kind != y.kind) return x.kind <=> y.kind;
  switch (x.kind) {
    case Kind::null:
      return Order::equal;
    case Kind::boolean:
      return x.truth <=> y.truth;
    case Kind::number:
      return compare(number(x.text), number(y.text));
    case Kind::string:
      return x.text <=> y.text;
    case Kind::array:
      return compare_arrays(a, x, b, y);
    case Kind::object:
      return compare_objects(a, x, b, y);
  }
  return Order::equal;
}

}  // namespace sluice::json
