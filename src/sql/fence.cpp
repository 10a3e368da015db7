#include "sluice/sql/fence.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::sql {
namespace {

constexpr std::string_view forgotten_hint =
    "Open the former ranges and let them finish, or delete the rows of flow_checkpoints_v1 that no longer "
    "matter, or set the feature flag no_strict_shard_ranges to resume from the widest row and repeat what "
    "came "
    "after it.";

std::uint64_t width(const FenceRow& row) { return std::uint64_t{row.key_end} - row.key_begin; }
bool covers(const FenceRow& row, std::uint32_t begin, std::uint32_t end) {
  return row.key_begin <= begin && row.key_end >= end;
}
bool inside(const FenceRow& row, std::uint32_t begin, std::uint32_t end) {
  return row.key_begin >= begin && row.key_end <= end;
}
std::string range(std::uint32_t begin, std::uint32_t end) { return fmt::format("{:08x}-{:08x}", begin, end); }

[[noreturn]] void refuse(std::string_view task, const FenceRow& row, std::uint32_t begin, std::uint32_t end) {
  throw Error(Error::Kind::config,
              fmt::format("shard {} of '{}' would forget the progress of shard {}", range(begin, end), task,
                          range(row.key_begin, row.key_end)),
              std::string(forgotten_hint));
}

}  // namespace

std::optional<protocol::Checkpoint> Fence::runtime_checkpoint() const {
  if (checkpoint.empty()) return std::nullopt;
  std::optional<std::string> bytes = text::unbase64(checkpoint);
  if (!bytes)
    throw Error(Error::Kind::config, "the checkpoint stored in flow_checkpoints_v1 is not base64",
                "Restore the row, or delete it to start from the beginning.");
  if (bytes->empty()) return std::nullopt;
  return protocol::decode_checkpoint(*bytes);
}

Fence resolve_fence(std::string_view task, std::vector<FenceRow> rows, std::uint32_t begin, std::uint32_t end,
                    bool strict) {
  Fence fence;
  const FenceRow* found = nullptr;
  for (const FenceRow& row : rows)
    if (covers(row, begin, end) && (!found || width(row) < width(*found))) found = &row;
  if (found) {
    fence.fence = found->fence;
    fence.checkpoint = found->checkpoint;
  } else {
    fence.checkpoint = checkpoint_text(protocol::zero_checkpoint());
  }
  fence.insert = !found || found->key_begin != begin || found->key_end != end;
  if (!strict) return fence;
  for (FenceRow& row : rows) {
    if (covers(row, begin, end)) continue;
    if (!found || !inside(row, begin, end) || row.checkpoint != fence.checkpoint)
      refuse(task, row, begin, end);
    fence.remove.push_back(row);
  }
  return fence;
}

std::string checkpoint_text(const protocol::Checkpoint& checkpoint) {
  return text::base64(protocol::encode(checkpoint));
}

FenceSql fence_sql(const Dialect& dialect, const Path& checkpoints) {
  std::string table = dialect.name(checkpoints);
  auto p = [&](std::size_t n) { return dialect.parameter(n); };
  std::string overlapping =
      fmt::format("materialization = {} AND key_end >= {} AND key_begin <= {}", p(1), p(2), p(3));
  std::string exactly =
      fmt::format("materialization = {} AND key_begin = {} AND key_end = {}", p(1), p(2), p(3));
  FenceSql sql;
  sql.raise = fmt::format("UPDATE {} SET fence = fence + 1 WHERE {}", table, overlapping);
  sql.select =
      fmt::format("SELECT key_begin, key_end, fence, checkpoint FROM {} WHERE {}", table, overlapping);
  // Two starters may race for a missing row: the later one raises what the earlier one wrote.
  sql.insert = fmt::format(
      "INSERT INTO {} AS cp (materialization, key_begin, key_end, fence, checkpoint) "
      "VALUES ({}, {}, {}, {}, {}) ON CONFLICT (materialization, key_begin, key_end) "
      "DO UPDATE SET fence = cp.fence + 1 RETURNING fence, checkpoint",
      table, p(1), p(2), p(3), p(4), p(5));
  sql.remove = fmt::format("DELETE FROM {} WHERE {}", table, exactly);
  sql.check = fmt::format("SELECT fence FROM {} WHERE {}", table, exactly);
  sql.commit = fmt::format(
      "UPDATE {} SET checkpoint = {} WHERE materialization = {} AND key_begin = {} AND key_end = {} AND "
      "fence = {}",
      table, p(1), p(2), p(3), p(4), p(5));
  return sql;
}

void throw_fenced(std::string_view task, std::int64_t fence) {
  throw Error(Error::Kind::transient,
              fmt::format("'{}' was fenced off by another instance: fence {} is no longer the current one",
                          task, fence),
              "Another session of this task has taken over; this one has stopped and wrote nothing more.");
}

}  // namespace sluice::sql
