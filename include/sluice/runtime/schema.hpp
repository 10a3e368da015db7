#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/json/tree.hpp"
#include "sluice/runtime/reduction.hpp"

namespace sluice::runtime {

namespace schema {
struct Check;
struct Model;
}  // namespace schema

// A compiled JSON schema of the dialect of runtime.md §3: 2019-09, `prefixItems` of 2020-12, asserted formats
// and the annotations of collections. Immutable and cheap to copy; threads share it freely.
class Schema {
 public:
  // The text behind an absolute URL that `$ref` names and the schema does not hold itself, or nothing.
  using Resolver = std::function<std::optional<std::string>(std::string_view url)>;

  // Throws Error{config} that names the place in the schema on a keyword with a bad value, a reference that
  // leads nowhere, or one that leads back to itself without descending into the document.
  static Schema compile(std::string_view json, const Resolver& resolver = {});

  // The schema's source text.
  const std::string& text() const;
  // What was ignored, once each: unknown keywords and formats.
  const std::vector<std::string>& warnings() const;
  // Does any part of it carry that annotation?
  bool reduces() const;
  bool redacts() const;
  const schema::Model& model() const { return *model_; }

 private:
  explicit Schema(std::shared_ptr<const schema::Model> model) : model_(std::move(model)) {}
  std::shared_ptr<const schema::Model> model_;  // shared by copies of the handle and their threads
};

// What one evaluation found. Node numbers are indices into the evaluated tree. Annotations are meaningful
// only if the document is valid; those of subschemas that did not hold are left out, those of in-place
// subschemas
// ($ref, allOf, anyOf, oneOf, then, else, dependentSchemas, in this order) override their parent's.
class Outcome {
 public:
  bool valid() const { return valid_; }
  // Null where no annotation applies. Lives as long as the schema.
  const Reduction* reduction(std::uint32_t node) const {
    return node < reductions_.size() ? reductions_[node] : nullptr;
  }
  Redaction redact(std::uint32_t node) const {
    return node < redacts_.size() ? redacts_[node] : Redaction::none;
  }
  // Does any value of the document ask for redaction?
  bool redacts() const { return any_redact_; }
  // The same number, of one validator, for documents whose values have the same kinds, names and nesting, as
  // far as it noticed; 0 if it did not.
  std::uint64_t structure() const { return structure_; }
  // What was asked of the values of the document. Another one of the same structure, of which all of it comes
  // out the same, has this outcome, too. Null if that is not known; lives until the next evaluation.
  const std::vector<schema::Check>* checks() const { return checks_; }

 private:
  friend class Validator;
  bool valid_ = false;
  bool any_redact_ = false;
  std::uint64_t structure_ = 0;
  const std::vector<schema::Check>* checks_ = nullptr;
  std::vector<const Reduction*> reductions_;
  std::vector<Redaction> redacts_;
};

// Evaluates documents against one schema. One per thread; its buffers are reused, so that evaluating a valid
// document allocates nothing once warm (objects in `enum`, `const` and `uniqueItems` excepted).
class Validator {
 public:
  explicit Validator(Schema schema);
  ~Validator();
  Validator(Validator&&) noexcept;
  Validator& operator=(Validator&&) noexcept;

  const Schema& schema() const;
  // The outcome is valid until the next call.
  const Outcome& validate(const json::Tree& tree);
  // Do checks of scalars come out as they did? Their nodes are indices into `scalars`, which need no tree.
  bool repeats(const std::vector<schema::Check>& checks, std::span<const json::Node> scalars);
  // Why the document is not valid, as the "basic" output of JSON schema: an array of objects with
  // keywordLocation, instanceLocation and error, cut after 20. `[]` for a valid document.
  std::string explain(const json::Tree& tree);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::runtime
