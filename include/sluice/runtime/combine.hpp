#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/json/locations.hpp"
#include "sluice/json/pointer.hpp"
#include "sluice/runtime/reduce.hpp"
#include "sluice/runtime/schema.hpp"

namespace sluice::json {
class Layouts;
}

namespace sluice::runtime {

class Inference;

// How the documents of one binding are combined (runtime.md §8.2).
struct CombineBinding {
  std::string name;  // of the collection, for errors
  std::vector<json::Pointer> key;
  std::vector<std::string> defaults;  // JSON for key locations that are missing, in the order of `key`; empty
                                      // text, or fewer entries than the key has: null
  Schema schema;
  Mode mode = Mode::full;
  bool placeholder = false;           // captures: insert uuid_placeholder at /_meta/uuid
  std::string salt;                   // of `redact`
  Inference* inference = nullptr;     // sees every document, unless null; outlives the combiner
  std::vector<json::Pointer> values;  // found together with the key, where that costs no parse
  std::optional<Schema> former;       // documents that are not valid for `schema` may be valid for this one
};

// A document that leaves the combiner. Views live until the next call of the combiner.
struct Combined {
  std::uint32_t binding = 0;
  std::string_view key;   // packed
  std::string_view json;  // canonical
  bool front = false;     // a stored document took part
  bool deleted = false;   // the last reduction deleted it (full mode)
  // Where in `json` the 36 characters of the placeholder are; npos for bindings without.
  std::size_t uuid_at = std::string_view::npos;
  // Where the values of the binding are in `json`; empty if they have to be looked for.
  std::span<const json::Locations::Extent> values;
};

// Orders documents by (binding, packed key) and folds those of a key: in full mode into one, in partial mode
// into at most two and what does not associate. Keeps about `budget_bytes` in memory, and beyond that sorted
// runs in unlinked files of `folder`. What comes out does not depend on when that happens, but for the last
// digit of sums of fractions and, in partial mode, for where what does not associate is split. Nothing is
// allocated per document. Used by one thread at a time: the calls are plain functions for the CPU pool.
//
// All of add, finish and next throw Error{config} with the collection, the document and the reasons if one is
// not valid for its schema or cannot be folded, Error{transient} if a run cannot be written or read. The
// combiner is to be cleared then.
class Combiner {
 public:
  Combiner(std::vector<CombineBinding> bindings, std::size_t budget_bytes,
           std::filesystem::path folder = std::filesystem::temp_directory_path());
  ~Combiner();
  Combiner(Combiner&&) noexcept;
  Combiner& operator=(Combiner&&) noexcept;

  // `front` marks the stored document of its key, the left-most operand wherever it arrives; the last one
  // counts. Returns the packed key, which lives until the next call.
  std::string_view add(std::uint32_t binding, std::string_view json, bool front = false);
  // The same for a document in canonical form that is known to be valid for the binding's schema: it is
  // parsed only if it has to be folded.
  std::string_view add_valid(std::uint32_t binding, std::string_view json);
  // Ends adding; needed before next().
  void finish();
  // The next document in order, or null after the last, when the combiner is empty and may be added to again.
  const Combined* next();
  // Drops all content.
  void clear();

  // Of what was added for a binding, for its users: what leaves is laid out like it.
  json::Layouts& layouts(std::uint32_t binding);

  bool empty() const;
  // In memory now, and what may be there before it is written to a run.
  std::size_t bytes() const;
  std::size_t capacity() const;
  // Written to runs since the combiner was last empty.
  std::size_t spilled_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::runtime
