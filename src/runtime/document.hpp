#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/json/tree.hpp"
#include "sluice/runtime/catalog.hpp"

namespace sluice::runtime {

// A value of a YAML or JSON file with its line. Scalars have their type by the core schema of YAML 1.2: `yes`
// is a string, and numbers keep their digits.
struct Value {
  json::Kind kind = json::Kind::null;
  std::string text;  // of strings the content, of other scalars their JSON token
  int line = 0;
  std::vector<Value> items;
  std::vector<std::pair<std::string, Value>> members;

  static Value of_string(std::string text);
  static Value of_number(std::uint64_t number);
  static Value of_boolean(bool value);
  static Value of_json(std::string_view json);
  static Value array();
  static Value object();

  bool is(json::Kind k) const { return kind == k; }
  const Value* find(std::string_view name) const;
  Value* find(std::string_view name);
  // The member `name`, which is added if it is missing.
  Value& operator[](std::string_view name);
  void erase(std::string_view name);
};

// By the extension of `path`: .json, else YAML. Throws Error{config} with file and line; also on a key that
// occurs twice.
Value parse_document(std::string_view text, const std::string& path);
void write_json(std::string& out, const Value& value);
std::string to_json(const Value& value);
// Block style, as a person would write it. Reads back as the same value.
std::string to_yaml(const Value& value);

[[noreturn]] void fail(const Place& place, std::string_view what, std::string hint = {});

}  // namespace sluice::runtime
