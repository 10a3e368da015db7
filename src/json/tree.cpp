#include "sluice/json/tree.hpp"

#include <fmt/format.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>

#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/short_text.hpp"
#include "sluice/json/layouts.hpp"
#include "token.hpp"

namespace sluice::json {
namespace {

namespace ondemand = simdjson::ondemand;

// A document above this size does not leave its buffers behind for the small ones that follow.
constexpr std::size_t kept_bytes = 4_MiB;

constexpr bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// Thrown inside this file only, while the position is known by its token.
struct Rejected {
  const char* what;
  const char* at;
};

// simdjson says little about what is wrong and of encodings not even where, so a text it rejected is read
// again by a parser that does. `what` and `offset` stand for what only this file objects to.
[[noreturn]] void fail(std::string_view text, std::size_t offset, std::string what) {
  constexpr unsigned flags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag |
                             rapidjson::kParseNumbersAsStringsFlag;
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::Reader reader;
  rapidjson::BaseReaderHandler<> ignore;
  auto result = reader.Parse<flags>(stream, ignore);
  if (result.IsError() && result.Code() != rapidjson::kParseErrorNumberTooBig) {
    offset = std::min(result.Offset(), text.size());
    what = rapidjson::GetParseError_En(result.Code());
  }
  if (what.ends_with('.')) what.pop_back();
  if (!what.empty() && what[0] >= 'A' && what[0] <= 'Z') what[0] |= 0x20;
  throw Error(Error::Kind::config, fmt::format("invalid JSON at byte {}: {}", offset, what));
}

}  // namespace

struct Tree::Impl {
  // A container around the current value, and what is known of its children so far.
  struct Open {
    std::uint32_t node, last;  // its own and that of the last child
    bool sorted, canonical;
    std::uint64_t prefix;  // of the last name
    std::size_t size;      // in canonical form
  };
  ondemand::parser parser;
  std::string padded;  // the text and what simdjson may read beyond it
  std::array<Open, max_depth> open;
};

// Lays out the nodes in one walk over simdjson's tokens. simdjson has checked the encoding, that quotes pair
// and that strings hold no raw control characters.
class Tree::Builder {
 public:
  Builder(Impl& impl, std::vector<Node>& nodes, std::vector<char>& decoded, std::string_view text)
      : impl_(impl),
        nodes_(nodes),
        decoded_memory_(decoded),
        text_(text),
        padded_(impl.padded.data()),
        any_escape_(std::memchr(text.data(), '\\', text.size()) != nullptr) {}

  void run() {
    simdjson::padded_string_view input(padded_, text_.size(), impl_.padded.size());
    if (auto error = impl_.parser.iterate_raw(input).get(tokens_))
      throw Rejected{simdjson::error_message(error), padded_};
    std::string_view key;
    bool fresh;
    do fresh = value(key);
    while (another(fresh, key));
    if (peek() != padded_ + text_.size()) throw Rejected{"more follows the value", peek()};
  }

 private:
  // Past the last token this is the zero behind the text, which no rule accepts.
  const char* peek() const { return reinterpret_cast<const char*>(tokens_.peek()); }
  const char* take() { return reinterpret_cast<const char*>(tokens_.return_current_and_advance()); }
  std::string_view source(const char* first, const char* last) const {
    return {text_.data() + (first - padded_), static_cast<std::size_t>(last - first)};
  }
  // The end of the scalar token that was just taken.
  const char* end_of_token() const {
    const char* end = peek();
    while (is_space(end[-1])) --end;
    return end;
  }
  std::uint32_t size() const { return static_cast<std::uint32_t>(nodes_.size()); }

  // Is it a container, now open?
  bool value(std::string_view key) {
    const char* token = take();
    switch (*token) {
      case '{':
        open(key, Kind::object, token);
        return true;
      case '[':
        open(key, Kind::array, token);
        return true;
      case '"': {
        std::string_view raw, text = string(token, raw);
        complete(add(key, text, raw, Kind::string), is_plain(text, raw));
        return false;
      }
      case 't':
        complete(add(key, {}, literal(token, "true"), Kind::boolean)).truth = true;
        return false;
      case 'f':
        complete(add(key, {}, literal(token, "false"), Kind::boolean));
        return false;
      case 'n':
        complete(add(key, {}, literal(token, "null"), Kind::null));
        return false;
      default: {
        std::string_view text = number(token);
        complete(add(key, text, text, Kind::number));
        return false;
      }
    }
  }
  // Member by member, in place: what was just written in parts is slow to read back as a whole.
  Node& add(std::string_view key, std::string_view text, std::string_view raw, Kind kind) {
    Node& node = nodes_.emplace_back();
    node.key = key;
    node.text = text;
    node.raw = raw;
    node.end = size();
    node.kind = kind;
    return node;
  }
  // Without an escape, which is longer than what it stands for.
  static bool is_plain(std::string_view text, std::string_view raw) { return text.size() + 2 == raw.size(); }
  Node& complete(Node& node, bool canonical = true) {
    node.canonical = canonical;
    if (depth_ == 0) return node;
    Impl::Open& parent = impl_.open[depth_ - 1];
    parent.canonical &= canonical;
    parent.size += node.raw.size();
    return node;
  }
  void open(std::string_view key, Kind kind, const char* token) {
    if (depth_ == max_depth) throw Rejected{"nested deeper than 1000 levels", token};
    impl_.open[depth_++] = {
        .node = size(), .last = 0, .sorted = true, .canonical = true, .prefix = 0, .size = 1};
    add(key, {}, source(token, token + 1), kind);
  }
  std::string_view literal(const char* token, std::string_view expected) const {
    std::string_view raw = source(token, end_of_token());
    if (raw != expected) throw Rejected{"no JSON value", token};
    return raw;
  }
  std::string_view number(const char* token) const {
    const char* end = end_of_token();
    if (number_end(token, end) != end) throw Rejected{"no JSON value", token};
    return source(token, end);
  }
  std::string_view string(const char* token, std::string_view& raw) {
    const char* end = end_of_token();
    raw = source(token, end);
    if (end - token < 2 || end[-1] != '"') throw Rejected{"a string without end", token};
    if (!any_escape_ || !std::memchr(token, '\\', raw.size())) return raw.substr(1, raw.size() - 2);
    return unescape(token);
  }
  [[gnu::noinline]] std::string_view unescape(const char* token) {
    if (!decoded_) {
      // No content outgrows its source, so one buffer of the size of the text holds them all.
      if (decoded_memory_.size() < impl_.padded.size()) decoded_memory_.resize(impl_.padded.size());
      decoded_ = reinterpret_cast<std::uint8_t*>(decoded_memory_.data());
    }
    std::string_view content;
    ondemand::raw_json_string in(reinterpret_cast<const std::uint8_t*>(token + 1));
    if (impl_.parser.unescape(in, decoded_).get(content))
      throw Rejected{"an invalid escape in a string", token};
    return content;
  }

  // Closes what ends here and reads up to the next value. `fresh`: the last one is a container that was just
  // opened. False once the root is complete.
  bool another(bool fresh, std::string_view& key) {
    for (; depth_ > 0; fresh = false) {
      Impl::Open& open = impl_.open[depth_ - 1];
      Node& parent = nodes_[open.node];
      const char* token = peek();
      bool object = parent.kind == Kind::object;
      if (*token == (object ? '}' : ']')) {
        take();
        close(parent, token);
        continue;
      }
      if (!fresh) {
        if (*token != ',') throw Rejected{"a comma or the end of the container is missing", token};
        take();
      }
      ++parent.count;
      ++open.size;  // the comma before it, or the bracket at the end
      key = object ? member(open, fresh) : std::string_view();
      open.last = size();
      return true;
    }
    return false;
  }
  void close(Node& node, const char* token) {
    node.end = size();
    node.raw = {node.raw.data(), source(token, token + 1).data() + 1};
    const Impl::Open& open = impl_.open[--depth_];
    node.sorted = open.sorted;
    // There is no space between its tokens if it is as long as they are.
    complete(node, open.canonical && open.sorted && node.raw.size() == open.size + (node.count == 0));
  }
  std::string_view member(Impl::Open& object, bool first) {
    const char* token = take();
    std::string_view raw;
    if (*token != '"') throw Rejected{"a property name is missing", token};
    std::string_view name = string(token, raw);
    if (*peek() != ':') throw Rejected{"a colon is missing after a property name", peek()};
    take();
    std::uint64_t prefix = text::prefix(name);
    if (!first && prefix <= object.prefix && (prefix < object.prefix || name <= nodes_[object.last].key))
      object.sorted = false;
    object.prefix = prefix;
    object.size += raw.size() + 1;
    object.canonical &= is_plain(name, raw);
    return name;
  }

  Impl& impl_;
  std::vector<Node>& nodes_;
  std::vector<char>& decoded_memory_;
  std::string_view text_;
  const char* padded_;
  ondemand::json_iterator tokens_;
  std::uint8_t* decoded_ = nullptr;  // where the next content goes
  std::size_t depth_ = 0;
  bool any_escape_;
};

Tree::Tree() = default;
Tree::~Tree() = default;
Tree::Tree(Tree&&) noexcept = default;
Tree& Tree::operator=(Tree&&) noexcept = default;

void Tree::parse(std::string_view text, Layouts& layouts) {
  if (layouts.match(text) != 0) return lay_out(layouts);
  parse(text);
  layouts.remember(text, *this);
}

void Tree::lay_out(const Layouts& layouts) {
  make_small_for(layouts.text_);
  inserted_bytes_ = 0;
  layouts.lay_out(nodes_);
}

void Tree::parse(std::string_view text) {
  make_small_for(text);
  if (!impl_) impl_ = std::make_unique<Impl>();
  nodes_.clear();
  inserted_bytes_ = 0;
  if (text.empty()) fail(text, 0, "");
  if (std::size_t need = text.size() + simdjson::SIMDJSON_PADDING; impl_->padded.size() < need) {
    std::size_t size = std::bit_ceil(std::max<std::size_t>(need, 4_KiB));
    impl_->padded.resize(size);
    if (auto error = impl_->parser.allocate(size)) fail(text, 0, simdjson::error_message(error));
  }
  std::memcpy(impl_->padded.data(), text.data(), text.size());
  impl_->padded[text.size()] = '\0';
  try {
    Builder(*impl_, nodes_, decoded_, text).run();
  } catch (const Rejected& rejected) {
    nodes_.clear();
    fail(text, static_cast<std::size_t>(rejected.at - impl_->padded.data()), rejected.what);
  }
}

// Gives back what a huge document left behind.
void Tree::make_small_for(std::string_view text) {
  if (!impl_ || impl_->padded.size() <= kept_bytes || text.size() >= kept_bytes / 4) return;
  impl_.reset();
  std::vector<Node>().swap(nodes_);
  std::vector<char>().swap(decoded_);
}

void Tree::settle() {
  impl_.reset();
  nodes_.shrink_to_fit();
}

const Node* Tree::find(const Node& node, std::string_view name) const {
  if (node.kind != Kind::object) return nullptr;
  const Node* found = nullptr;
  for (const Node& child : children(node)) {
    if (!text::same(child.key, name)) continue;
    found = &child;
    if (node.sorted) break;  // no other follows
  }
  return found;
}

std::uint32_t Tree::insert(std::uint32_t parent, std::string_view key, Kind kind, std::string_view raw) {
  std::uint32_t at = parent + 1;
  while (at < nodes_[parent].end && nodes_[at].key < key) at = nodes_[at].end;
  for (std::uint32_t i = 0; i <= parent; ++i) {
    if (nodes_[i].end <= parent) continue;
    ++nodes_[i].end;  // encloses the new node
    nodes_[i].canonical = false;
  }
  if (at + 1 < nodes_[parent].end && nodes_[at].key == key) nodes_[parent].sorted = false;
  for (std::uint32_t i = at; i < size(); ++i) ++nodes_[i].end;
  ++nodes_[parent].count;
  Node node{.key = key, .text = {}, .raw = raw, .end = at + 1, .kind = kind, .canonical = true};
  if (kind == Kind::string) node.text = raw.substr(1, raw.size() - 2);
  nodes_.insert(nodes_.begin() + at, node);
  inserted_bytes_ += key.size() + raw.size() + 4;
  return at;
}

void Tree::erase(std::uint32_t at) {
  std::uint32_t end = nodes_[at].end, removed = end - at;
  std::uint32_t parent = at - 1;
  while (nodes_[parent].end < end) --parent;
  --nodes_[parent].count;
  nodes_.erase(nodes_.begin() + at, nodes_.begin() + end);
  for (std::uint32_t i = 0; i < size(); ++i) {
    Node& node = nodes_[i];
    if (node.end < end) continue;
    node.end -= removed;
    if (i < at) node.canonical = false;  // enclosed it
  }
}

namespace {

std::strong_ordering order(const Member& a, const Member& b) {
  return a.prefix != b.prefix ? a.prefix <=> b.prefix : a.node->key <=> b.node->key;
}

}  // namespace

void append_members(std::vector<Member>& out, const Tree& tree, const Node& object) {
  std::size_t base = out.size();
  out.resize(base + object.count);
  Member* next = out.data() + base;
  for (const Node& child : tree.children(object)) *next++ = {text::prefix(child.key), &child};
  if (object.sorted) return;
  // Nodes lie in the order of the text, so their addresses tell which of equal names comes last.
  auto first = out.begin() + static_cast<std::ptrdiff_t>(base);
  std::sort(first, out.end(), [](const Member& a, const Member& b) {
    auto by_name = order(a, b);
    return by_name != 0 ? by_name < 0 : a.node > b.node;
  });
  auto same = [](const Member& a, const Member& b) { return order(a, b) == 0; };
  out.erase(std::unique(first, out.end(), same), out.end());
}

}  // namespace sluice::json
