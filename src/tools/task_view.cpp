#include "task_view.hpp"

#include <fmt/format.h>

#include <charconv>

namespace sluice::tools {
namespace {

double seconds(Clock::Duration duration) { return std::chrono::duration<double>(duration).count(); }

// The P of "… (backfilled P% of N tables)" (capture-postgres §7.3), or -1.
int backfilled_percent(std::string_view status) {
  constexpr std::string_view word = "(backfilled ";
  std::size_t at = status.find(word);
  if (at == status.npos) return -1;
  int percent = -1;
  std::from_chars(status.data() + at + word.size(), status.data() + status.size(), percent);
  return percent;
}

}  // namespace

void TaskView::status(std::string_view text, Clock::TimePoint now) {
  status_ = text;
  backfill_percent_ = backfilled_percent(text);
  bool backfilling = text.find("ackfill") != text.npos;
  if (!backfilling) backfill_since_.reset();
  if (backfilling && !backfill_since_) backfill_since_ = now;
}

void TaskView::phase(std::string text) {
  progress_.phase = std::move(text);
  status_.clear();
  backfill_since_.reset();
}

TaskView::Figures TaskView::look(Clock& clock) {
  Figures figures;
  figures.phase = capture_ && !status_.empty() ? status_ : progress_.phase;
  runtime::BindingStats sum;
  for (const runtime::BindingStats& binding : progress_.bindings) sum += binding;
  figures.rows = sum.out.docs;
  Clock::TimePoint now = clock.now();
  if (looked_ && now > *looked_) {
    double elapsed = seconds(now - *looked_);
    // A session that was restarted counts from zero again.
    std::uint64_t rows = sum.out.docs >= rows_ ? sum.out.docs - rows_ : sum.out.docs;
    std::uint64_t bytes = sum.out.bytes >= bytes_ ? sum.out.bytes - bytes_ : sum.out.bytes;
    figures.rows_per_s = static_cast<double>(rows) / elapsed;
    figures.mb_per_s = static_cast<double>(bytes) / elapsed / 1e6;
    if (rows > 0 && progress_.newest_unix_ns > 0)
      figures.lag_s = static_cast<double>(clock.unix_nanoseconds() - progress_.newest_unix_ns) / 1e9;
  }
  looked_ = now;
  rows_ = sum.out.docs;
  bytes_ = sum.out.bytes;
  figures.behind_bytes = progress_.behind_bytes;
  if (backfill_since_ && backfill_percent_ > 0)
    figures.remaining_s = seconds(now - *backfill_since_) * (100 - backfill_percent_) / backfill_percent_;
  return figures;
}

std::string TaskView::line(const std::string& name, const Figures& figures) {
  std::string line = fmt::format("{}: {}, {} rows, {:.0f} rows/s, {:.1f} MB/s", name, figures.phase,
                                 figures.rows, figures.rows_per_s, figures.mb_per_s);
  if (figures.lag_s) line += fmt::format(", lag {:.1f} s", *figures.lag_s);
  if (figures.behind_bytes > 0)
    line += fmt::format(", {:.1f} MB behind", static_cast<double>(figures.behind_bytes) / 1e6);
  if (figures.remaining_s) line += fmt::format(", about {:.0f} s left", *figures.remaining_s);
  return line;
}

}  // namespace sluice::tools
