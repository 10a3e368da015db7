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

runtime::DocsAndBytes committed(const runtime::Progress& progress) {
  runtime::DocsAndBytes sum;
  for (const runtime::BindingStats& binding : progress.bindings) sum += binding.out;
  return sum;
}

std::string shown(std::optional<double> rate, int digits) {
  return rate ? fmt::format("{:.{}f}", *rate, digits) : "?";
}

}  // namespace

void TaskView::begin() {
  former_ += committed(progress_);
  progress_ = {};
}

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
  runtime::DocsAndBytes sum = former_;
  sum += committed(progress_);
  figures.rows = sum.docs;
  Clock::TimePoint now = clock.now();
  if (looked_ && now > *looked_) {
    double elapsed = seconds(now - *looked_);
    std::uint64_t rows = sum.docs - seen_.docs;
    figures.rows_per_s = static_cast<double>(rows) / elapsed;
    figures.mb_per_s = static_cast<double>(sum.bytes - seen_.bytes) / elapsed / 1e6;
    if (rows > 0 && progress_.newest_unix_ns > 0)
      figures.lag_s = static_cast<double>(clock.unix_nanoseconds() - progress_.newest_unix_ns) / 1e9;
  }
  looked_ = now;
  seen_ = sum;
  figures.behind_bytes = progress_.behind_bytes;
  if (backfill_since_ && backfill_percent_ > 0)
    figures.remaining_s = seconds(now - *backfill_since_) * (100 - backfill_percent_) / backfill_percent_;
  return figures;
}

std::string TaskView::line(const std::string& name, const Figures& figures) {
  std::string line = fmt::format("{}: {}, {} rows, {} rows/s, {} MB/s", name, figures.phase, figures.rows,
                                 shown(figures.rows_per_s, 0), shown(figures.mb_per_s, 1));
  if (figures.lag_s) line += fmt::format(", lag {:.1f} s", *figures.lag_s);
  if (figures.behind_bytes > 0)
    line += fmt::format(", {:.1f} MB behind", static_cast<double>(figures.behind_bytes) / 1e6);
  if (figures.remaining_s) line += fmt::format(", about {:.0f} s left", *figures.remaining_s);
  return line;
}

}  // namespace sluice::tools
