#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/json/tree.hpp"

namespace sluice::runtime {

class Outcome;

// How far a reduction goes (runtime.md §8.2). Partial ones keep what only the stored document can settle:
// `delete` is ignored and operands that do not associate are left apart.
enum class Mode : std::uint8_t { partial, full };

enum class Fold : std::uint8_t {
  reduced,
  deleted,          // full mode: the annotation of the root says `delete`. The document is kept all the same
  not_associative,  // partial mode: nothing was appended, the operands must stay apart
};

// Folds documents: reduce(lhs, rhs) of runtime.md §9, written as canonical text. Keeps its buffers, so
// folding allocates nothing once warm (merges of JSON schemas and sums of numeric strings excepted).
class Reducer {
 public:
  Reducer();
  ~Reducer();
  Reducer(Reducer&&) noexcept;
  Reducer& operator=(Reducer&&) noexcept;

  // Appends to `out`. `annotations` are those of `rhs`; `lhs` is JSON text or null if it is missing. Throws
  // Error{config} that names the location and both operands if a strategy cannot apply; `out` then holds a
  // part of the result.
  Fold reduce(const std::string_view* lhs, const json::Tree& rhs, const Outcome& annotations, Mode mode,
              std::string& out);

  // Does reduce() ignore `lhs`, as for a schema without annotations? The result is then `rhs` itself.
  static bool takes_rhs(const Outcome& annotations);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Connector state (runtime.md §12.3): RFC 7396.
// `base` with `patch` applied; both are JSON.
std::string merge_patch(std::string_view base, std::string_view patch);
// One patch that does what `first` and then `second` do, nulls kept; nothing if there is none, as of
// {"a":null} and {"a":{"b":1}}.
std::optional<std::string> fold_patches(std::string_view first, std::string_view second);

}  // namespace sluice::runtime
