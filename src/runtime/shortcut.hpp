#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "check.hpp"
#include "sluice/json/layouts.hpp"
#include "sluice/json/pointer.hpp"
#include "sluice/runtime/schema.hpp"

namespace sluice::runtime {

// A member that is put into an object of a canonical text.
struct Insertion {
  const char* place = nullptr;  // in the text
  const std::string* member = nullptr;
  bool comma_before = false, comma_after = false;
};

// What was found out about a canonical and valid document, for others of its layout whose scalars have the
// same kinds: if the checks of their values come out the same, they are valid with the same annotations, and
// need neither a tree nor an evaluation.
class Shortcut {
 public:
  // From the document that `layouts` matched last, as `layout`, and from what its way was: `tree` is its
  // parse with what was inserted.
  Shortcut(const json::Layouts& layouts, std::uint64_t layout, std::string_view text, const json::Tree& tree,
           const Outcome& outcome, const std::vector<json::Pointer>& key, const Insertion* insertion);

  // Is this the one for the document that `layouts` matched last, if its values are?
  bool is_for(std::uint64_t layout, const json::Layouts& layouts) const;
  // False: its key or what is checked is not in scalars of the text, so that it is only known to be no
  // shortcut.
  bool usable() const { return usable_; }
  const std::vector<schema::Check>& checks() const { return checks_; }  // of scalars by their number
  // Does the document replace what is there of its key?
  bool replaces() const { return replaces_; }
  // The number of the scalar at each location of the key, or `missing`.
  const std::vector<std::uint32_t>& key() const { return key_; }
  static constexpr std::uint32_t missing = ~std::uint32_t{0};
  // For the document that was matched last; null if nothing is inserted.
  const Insertion* insertion(const json::Layouts& layouts);

 private:
  bool take_checks(const json::Tree& tree, const Outcome& outcome, const std::vector<std::uint32_t>& numbers);
  bool take_key(const json::Tree& tree, const std::vector<json::Pointer>& key,
                const std::vector<std::uint32_t>& numbers);

  std::uint64_t layout_;
  std::vector<json::Kind> kinds_;  // of the scalars
  std::vector<schema::Check> checks_;
  std::vector<std::uint32_t> key_;
  Insertion insertion_;
  json::Layouts::Anchor place_;
  bool usable_ = false, replaces_ = false;
};

}  // namespace sluice::runtime
