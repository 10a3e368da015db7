#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/protocol/messages.hpp"
#include "sluice/sql/dialect.hpp"

// The fence of remote-authoritative stores (materialize-sql.md §1.5): each session raises the fence of every
// overlapping row, so that an older session's commit, which names its own fence, matches no row.
namespace sluice::sql {

struct FenceRow {
  std::uint32_t key_begin = 0, key_end = 0;
  std::int64_t fence = 0;
  std::string checkpoint;  // base64
};

// What a session finds: its fence and checkpoint, and what to write before the installing transaction
// commits.
struct Fence {
  std::int64_t fence = 0;
  std::string checkpoint;        // base64
  bool insert = false;           // no row of exactly this range exists yet
  std::vector<FenceRow> remove;  // rows of former shards that this one has taken over
  // Unset if the row holds an empty text: then the runtime's own checkpoint counts.
  std::optional<protocol::Checkpoint> runtime_checkpoint() const;
};

// `rows` are those of the task whose range overlaps [begin, end], after their fences were raised. `strict`
// refuses to continue where a former shard's progress would be forgotten; off is what other implementations
// do. Throws Error{config}.
Fence resolve_fence(std::string_view task, std::vector<FenceRow> rows, std::uint32_t begin, std::uint32_t end,
                    bool strict);

std::string checkpoint_text(const protocol::Checkpoint& checkpoint);

// Parameters, in order, are noted behind each.
struct FenceSql {
  std::string raise;   // task, begin, end
  std::string select;  // task, begin, end: key_begin, key_end, fence, checkpoint of overlapping rows
  std::string insert;  // task, begin, end, fence, checkpoint: returns fence and checkpoint in effect
  std::string remove;  // task, begin, end
  std::string check;   // task, begin, end: fence
  std::string commit;  // checkpoint, task, begin, end, fence: must change one row
};
FenceSql fence_sql(const Dialect& dialect, const Path& checkpoints);

// What a session dies of when a newer one has taken over.
[[noreturn]] void throw_fenced(std::string_view task, std::int64_t fence);

}  // namespace sluice::sql
