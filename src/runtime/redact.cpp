#include "redact.hpp"

#include <openssl/evp.h>

#include <array>
#include <bit>
#include <cmath>
#include <vector>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::runtime {
namespace {

using json::Kind;
using json::Node;
using json::Number;

constexpr std::string_view hash_prefix = "sha256:";
constexpr std::size_t hashed_size = hash_prefix.size() + 64;

bool is_hashed(std::string_view text) {
  return text.size() == hashed_size && text.starts_with(hash_prefix) &&
         text.find_first_not_of("0123456789abcdefABCDEF", hash_prefix.size()) == text.npos;
}

std::string little_endian(std::uint64_t bits) {
  std::string out(8, '\0');
  for (char& byte : out) {
    byte = static_cast<char>(bits & 0xff);
    bits >>= 8;
  }
  return out;
}

std::string number_bytes(const Number& n) {
  constexpr double exact = 0x1p53;
  if (n.type == Number::Type::unsigned_) return little_endian(n.unsigned_);
  if (n.type == Number::Type::negative) return little_endian(static_cast<std::uint64_t>(n.negative));
  if (std::trunc(n.floating) == n.floating && std::abs(n.floating) <= exact)
    return little_endian(static_cast<std::uint64_t>(static_cast<std::int64_t>(n.floating)));
  return little_endian(std::bit_cast<std::uint64_t>(n.floating));
}

std::string hashed_bytes(const json::Tree& tree, const Node& node) {
  switch (node.kind) {
    case Kind::null:
      return {};
    case Kind::boolean:
      return std::string(1, node.truth ? '\1' : '\0');
    case Kind::number:
      return number_bytes(json::number(node.text));
    case Kind::string:
      return std::string(node.text);
    case Kind::array:
    case Kind::object:
      break;
  }
  std::string out;
  json::write_canonical(out, tree, node);
  return out;
}

class Redactor {
 public:
  Redactor(std::string& out, const json::Tree& tree, const Outcome& annotations, std::string_view salt)
      : out_(out), tree_(tree), annotations_(annotations), salt_(salt) {}

  void value(const Node& node) {
    if (of(node) == Redaction::sha256 && !(node.kind == Kind::string && is_hashed(node.text)))
      return hash(node);
    if (node.kind == Kind::object) return object(node);
    if (node.kind == Kind::array) return array(node);
    json::write_canonical(out_, tree_, node);
  }
  Redaction of(const Node& node) const { return annotations_.redact(tree_.index(node)); }

 private:
  void hash(const Node& node) {
    std::string bytes = std::string(salt_) + hashed_bytes(tree_, node);
    std::array<unsigned char, 32> digest;
    unsigned size = 0;
    SLUICE_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
    std::string_view view(reinterpret_cast<const char*>(digest.data()), digest.size());
    json::write_string(out_, std::string(hash_prefix) + text::hex(view));
  }
  void object(const Node& node) {
    std::vector<json::Member> members;
    json::append_members(members, tree_, node);
    bool first = true;
    out_ += '{';
    for (const json::Member& member : members) {
      if (of(*member.node) == Redaction::block) continue;
      if (!first) out_ += ',';
      json::write_string(out_, member.node->key);
      out_ += ':';
      value(*member.node);
      first = false;
    }
    out_ += '}';
  }
  void array(const Node& node) {
    bool first = true;
    out_ += '[';
    for (const Node& item : tree_.children(node)) {
      if (of(item) == Redaction::block) continue;
      if (!first) out_ += ',';
      value(item);
      first = false;
    }
    out_ += ']';
  }

  std::string& out_;
  const json::Tree& tree_;
  const Outcome& annotations_;
  std::string_view salt_;
};

}  // namespace

void write_redacted(std::string& out, const json::Tree& tree, const Outcome& annotations,
                    std::string_view salt) {
  Redactor redactor(out, tree, annotations, salt);
  if (redactor.of(tree.root()) == Redaction::block)
    throw Error(Error::Kind::config, "redact strategy 'block' applies to a whole document",
                "Block properties or items, not the root of the schema.");
  redactor.value(tree.root());
}

}  // namespace sluice::runtime
