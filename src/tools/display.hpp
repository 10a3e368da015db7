#pragma once
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::tools {

// Standard error shared by log lines and, on a terminal, a block of progress lines that stays below them. May
// be used from several threads.
class Display {
 public:
  explicit Display(bool terminal) : terminal_(terminal) {}
  ~Display();
  bool terminal() const { return terminal_; }
  // A log line, with its newline.
  void log(std::string_view line);
  // Replaces the block.
  void show(std::vector<std::string> lines);

 private:
  std::string erase();
  std::string draw() const;

  const bool terminal_;
  std::mutex mutex_;
  std::vector<std::string> block_;
  std::size_t drawn_ = 0;
};

}  // namespace sluice::tools
