#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "sluice/async/clock.hpp"
#include "sluice/runtime/progress.hpp"

namespace sluice::tools {

// What is shown of one task, and the figures that take two looks: rates and what is left.
class TaskView {
 public:
  TaskView(std::string name, bool capture) : name_(std::move(name)), capture_(capture) {}

  const std::string& name() const { return name_; }
  // Of the present session.
  runtime::Progress& progress() { return progress_; }
  // A session begins; what the ones before it committed still counts.
  void begin();
  // What the connector says it is doing.
  void status(std::string_view text, Clock::TimePoint now);
  // Between sessions, and at the end: what the connector said last is over.
  void phase(std::string text);

  struct Figures {
    std::string phase;
    std::uint64_t rows = 0;
    std::optional<double> rows_per_s, mb_per_s;  // none at the first look
    std::optional<double> lag_s;                 // age of the newest committed document, while documents flow
    std::optional<double> remaining_s;           // of a backfill
    std::uint64_t behind_bytes = 0;              // a materialization's distance to the end of its logs
  };
  // Rates are since the previous call.
  Figures look(Clock& clock);
  static std::string line(const std::string& name, const Figures& figures);

 private:
  std::string name_;
  bool capture_;
  runtime::Progress progress_;
  std::string status_;
  std::optional<Clock::TimePoint> backfill_since_, looked_;
  int backfill_percent_ = -1;
  runtime::DocsAndBytes former_, seen_;  // of the sessions before, and at the last look
};

}  // namespace sluice::tools
