#include "sluice/runtime/reduction.hpp"

#include <fmt/format.h>

#include "sluice/base/error.hpp"

namespace sluice::runtime {
namespace {

using Strategy = Reduction::Strategy;

struct Entry {
  std::string_view name;
  Strategy strategy;
  bool key, del, associative;  // options it has
};
constexpr Entry strategies[] = {
    {"append", Strategy::append, false, false, false},
    {"firstWriteWins", Strategy::first_write_wins, false, false, false},
    {"jsonSchemaMerge", Strategy::json_schema_merge, false, false, false},
    {"lastWriteWins", Strategy::last_write_wins, false, true, true},
    {"maximize", Strategy::maximize, true, false, false},
    {"merge", Strategy::merge, true, true, false},
    {"minimize", Strategy::minimize, true, false, false},
    {"set", Strategy::set, true, false, false},
    {"sum", Strategy::sum, false, false, false},
};

[[noreturn]] void bad(std::string_view keyword, const json::Node& annotation, const std::string& why) {
  throw Error(Error::Kind::config, fmt::format("the annotation \"{}\": {} {}", keyword, annotation.raw, why));
}

std::string_view strategy_of(std::string_view keyword, const json::Tree& tree, const json::Node& annotation) {
  if (annotation.kind != json::Kind::object) bad(keyword, annotation, "is no object");
  const json::Node* strategy = tree.find(annotation, "strategy");
  if (!strategy || strategy->kind != json::Kind::string) bad(keyword, annotation, "names no strategy");
  return strategy->text;
}

bool flag(const json::Node& annotation, const json::Node& option) {
  if (option.kind != json::Kind::boolean)
    bad("reduce", annotation, fmt::format("has an option '{}' that is no boolean", option.key));
  return option.truth;
}

std::vector<json::Pointer> pointers(const json::Tree& tree, const json::Node& annotation,
                                    const json::Node& option) {
  std::vector<json::Pointer> out;
  if (option.kind != json::Kind::array)
    bad("reduce", annotation, "has a key that is no array of JSON pointers");
  for (const json::Node& item : tree.children(option)) {
    if (item.kind != json::Kind::string)
      bad("reduce", annotation, "has a key that is no array of JSON pointers");
    out.emplace_back(item.text);
  }
  return out;
}

}  // namespace

std::string_view name(Strategy strategy) {
  for (const Entry& entry : strategies)
    if (entry.strategy == strategy) return entry.name;
  return {};
}

Reduction Reduction::parse(const json::Tree& tree, const json::Node& annotation) {
  std::string_view wanted = strategy_of("reduce", tree, annotation);
  const Entry* entry = nullptr;
  for (const Entry& e : strategies)
    if (e.name == wanted) entry = &e;
  if (!entry) bad("reduce", annotation, "names an unknown strategy");

  Reduction out;
  out.strategy = entry->strategy;
  for (const json::Node& option : tree.children(annotation)) {
    if (option.key == "strategy") continue;
    if (option.key == "key" && entry->key)
      out.key = pointers(tree, annotation, option);
    else if (option.key == "delete" && entry->del)
      out.del = flag(annotation, option);
    else if (option.key == "associative" && entry->associative)
      out.associative = flag(annotation, option);
    else
      bad("reduce", annotation, fmt::format("has an option '{}' that {} lacks", option.key, entry->name));
  }
  return out;
}

Redaction parse_redaction(const json::Tree& tree, const json::Node& annotation) {
  std::string_view wanted = strategy_of("redact", tree, annotation);
  if (annotation.count != 1) bad("redact", annotation, "has options, though no strategy has any");
  if (wanted == "block") return Redaction::block;
  if (wanted == "sha256") return Redaction::sha256;
  bad("redact", annotation, "names an unknown strategy");
}

}  // namespace sluice::runtime
