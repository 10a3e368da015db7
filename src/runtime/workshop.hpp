#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "combine_table.hpp"
#include "shortcut.hpp"
#include "sluice/json/layouts.hpp"
#include "sluice/json/locations.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/json/write.hpp"
#include "sluice/runtime/combine.hpp"
#include "sluice/runtime/inference.hpp"
#include "sluice/runtime/reduce.hpp"
#include "sluice/runtime/schema.hpp"

namespace sluice::runtime {

// A document under way, in a buffer of its own unless its views last.
struct Held {
  DocumentView document;
  bool deleted = false;
  std::string buffer;

  void hold(const DocumentView& view, bool stable) {
    document = view;
    deleted = false;
    if (stable) return;
    buffer.assign(view.json);
    document.json = buffer;
  }
};

// The bindings of a combiner and what parses, validates and folds their documents.
class Workshop {
 public:
  explicit Workshop(std::vector<CombineBinding> bindings);

  std::size_t size() const { return bindings_.size(); }
  const CombineBinding& operator[](std::uint32_t binding) const { return bindings_[binding].spec; }

  json::Layouts& layouts(std::uint32_t binding) { return layouts_[binding % layouts_.size()]; }

  // Takes a document up: what is below is about it. Its shortcut, if the document can go that way.
  Shortcut* begin(std::uint32_t binding, std::string_view json);
  // Of a document that goes by its shortcut.
  void pack_key(std::uint32_t binding, const Shortcut& shortcut, std::string& out);
  DocumentView text(std::uint32_t binding, Shortcut& shortcut);
  // For one that goes the long way.
  void parse(std::uint32_t binding);
  // Throws unless the document is valid.
  const Outcome& validate(std::uint32_t binding);
  // Lets inference see the document, which is valid.
  void observe(std::uint32_t binding);
  // Finds the shortcut for documents like this one, which is validated and observed.
  void learn(std::uint32_t binding, const Outcome& outcome);

  // Of the parsed document.
  const json::Node* insert_placeholder(std::uint32_t binding);
  void pack_key(std::uint32_t binding, std::string& out);
  // Its canonical text, in the parsed text itself or in a buffer that the next fold or call overwrites.
  DocumentView text(const json::Node* uuid);

  // Is there nothing to do for a valid document that is not folded?
  bool may_stay_unread(std::uint32_t index) const {
    const CombineBinding& binding = bindings_[index].spec;
    return !binding.placeholder && !binding.inference && !binding.schema.redacts();
  }
  // Finds key and values of a canonical document. False if the document has to be parsed. The view lives
  // until the next call.
  bool scan(std::uint32_t binding, std::string_view json, std::string& key, DocumentView& document);

  // Folds the parsed document, of which `annotations` are, into `left`. Nothing if they do not associate.
  std::optional<Fold> fold_parsed(std::uint32_t binding, std::string_view left, const Outcome& annotations,
                                  Mode mode, std::string& out);
  // The same with a document of the table or a run. False if they do not associate.
  bool fold(std::uint32_t binding, Held& left, const DocumentView& right, bool stable, Mode mode);
  // Validates what was folded, and redacts.
  void complete(std::uint32_t binding, Held& held);
  // Redacts a document that leaves memory but is not complete.
  void redact(std::uint32_t binding, Held& held);

 private:
  static constexpr int cost_of_learning = 4, most_credit = 4 * cost_of_learning;
  struct Binding {
    CombineBinding spec;
    Validator validator;
    std::optional<Validator> former;
    json::Locations key, key_and_values;
    bool finds_values = true;        // do texts show the values?
    std::optional<NameCheck> names;  // from the first document on
    std::uint64_t known = 0;         // the structure of which `names` knew all names last
    std::vector<Shortcut> shortcuts;
    std::size_t recent = 0;    // the shortcut that was taken last
    int credit = most_credit;  // each document that takes one gains one; learning costs some
    unsigned missed = 0;       // documents that nothing was learned from for want of credit
  };
  void match(std::uint32_t binding, std::string_view json);
  Shortcut* find_shortcut(Binding& binding, const json::Layouts& layouts);
  // Parses and validates. Throws unless the document is valid.
  const Outcome& check(std::uint32_t binding, std::string_view json);
  Insertion added(std::uint32_t object, std::uint32_t node, const std::string& member) const;
  DocumentView with(std::string_view text, const Insertion& insertion);
  template <class Pack>
  void pack_locations(const CombineBinding& spec, std::string& out, Pack pack);
  void pack_missing(const CombineBinding& spec, std::size_t location, std::string& out);
  [[noreturn]] void fail_validation(Binding& binding);
  void redact(Binding& binding, Held& held, const Outcome& outcome);
  std::uint32_t find_placeholder(const Binding& binding, const Held& held);

  std::vector<Binding> bindings_;
  std::vector<json::Layouts> layouts_;  // of binding i at i modulo their number
  Reducer reducer_;
  std::string_view json_;     // the document
  std::uint64_t layout_ = 0;  // its number; 0: not known
  json::Tree tree_, default_;
  std::optional<Insertion> insertion_;  // into the parsed document, which was canonical
  json::Canonical canonical_;
  std::string scratch_;
  std::vector<json::Locations::Extent> extents_;
  std::uint64_t structure_ = 0;  // of the parsed document, by the validator of its binding; 0: unknown
};

}  // namespace sluice::runtime
