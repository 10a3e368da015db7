#include "display.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sluice/base/text.hpp"
#include "sluice/base/write.hpp"

namespace sluice::tools {
namespace {

// What fails has nowhere left to say so.
void put(std::string_view bytes) { write_all(STDERR_FILENO, bytes); }

std::size_t columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

Display::~Display() {
  // The last state of the block stays on the screen.
  if (terminal_ && drawn_ > 0) put("\n");
}

std::string Display::erase() {
  std::string out;
  if (drawn_ > 0) out = fmt::format("\r\x1b[{}A\x1b[J", drawn_ - 1);
  if (drawn_ == 1) out = "\r\x1b[J";
  drawn_ = 0;
  return out;
}

std::string Display::draw() const {
  std::string out;
  std::size_t width = columns() - 1;
  for (const std::string& line : block_) {
    if (!out.empty()) out += '\n';
    out += text::cut_utf8(line, width);
  }
  return out;
}

void Display::log(std::string_view line) {
  std::lock_guard lock(mutex_);
  if (!terminal_) return put(line);
  std::string out = erase();
  out += line;
  out += draw();
  drawn_ = block_.size();
  put(out);
}

void Display::show(std::vector<std::string> lines) {
  std::lock_guard lock(mutex_);
  std::string out = erase();
  block_ = std::move(lines);
  out += draw();
  drawn_ = block_.size();
  put(out);
}

}  // namespace sluice::tools
