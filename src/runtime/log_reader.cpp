#include "sluice/runtime/log_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "file.hpp"
#include "locate_uuid.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t block_bytes = 1_MiB;
constexpr std::size_t kept_bytes = 8_MiB;  // a larger buffer is freed after use
// scan() ends at the first boundary after this much of the log, and looks at this much in one go.
constexpr std::uint64_t window_bytes = 256_KiB;
constexpr std::uint64_t piece_bytes = 8_MiB;
// A log of many gigabytes is read once, as a rule soon after it was written: it should not push everything
// else out of the system's memory. This much stays for readers that are somewhat behind.
constexpr std::uint64_t remembered_bytes = 256_MiB;
constexpr std::uint64_t forgotten_at_once = 32_MiB;

// Lines of a file through one buffer.
class Lines {
 public:
  Lines(std::filesystem::path path, std::uint64_t begin) : path_(std::move(path)), forgotten_(begin) {}
  const std::filesystem::path& path() const { return path_; }
  // Keeps neither memory nor a descriptor until it reads again: thousands of idle logs cost nothing.
  void release() {
    file_.reset();
    std::string().swap(buffer_);
    size_ = 0;
  }

  // What lies before is not read again.
  void leave(std::uint64_t offset) {
    if (!file_ || offset < forgotten_ + remembered_bytes + forgotten_at_once) return;
    file_->forget(forgotten_, offset - remembered_bytes - forgotten_);
    forgotten_ = offset - remembered_bytes;
  }

  // The line at `offset` with its newline, if it ends below `limit`.
  std::optional<std::string_view> at(std::uint64_t offset, std::uint64_t limit) {
    std::string_view rest = buffered(offset);
    const void* newline = std::memchr(rest.data(), '\n', rest.size());
    for (std::size_t want = block_bytes; !newline; want *= 2) {
      if (offset + rest.size() >= limit) return std::nullopt;
      rest = fill(offset, std::min<std::uint64_t>(want, limit - offset));
      newline = std::memchr(rest.data(), '\n', rest.size());
    }
    std::size_t size = static_cast<std::size_t>(static_cast<const char*>(newline) - rest.data()) + 1;
    if (offset + size > limit) return std::nullopt;
    return rest.substr(0, size);
  }

 private:
  std::string_view buffered(std::uint64_t offset) const {
    if (offset < begin_ || offset >= begin_ + size_) return std::string_view(buffer_.data(), 0);
    return std::string_view(buffer_).substr(offset - begin_, size_ - (offset - begin_));
  }
  std::string_view fill(std::uint64_t offset, std::size_t size) {
    if (size <= block_bytes && buffer_.size() > kept_bytes) std::string().swap(buffer_);
    if (buffer_.size() < size) buffer_.resize(size);
    if (!file_) file_.emplace(path_, File::Mode::read);
    size_ = file_->read_at(offset, buffer_.data(), size);
    begin_ = offset;
    if (size_ < size)
      throw Error(Error::Kind::transient, fmt::format("{} ends at byte {}, before byte {} that was announced",
                                                      path().native(), offset + size_, offset + size));
    return std::string_view(buffer_).substr(0, size_);
  }
  std::filesystem::path path_;
  std::optional<File> file_;
  std::string buffer_;
  std::uint64_t begin_ = 0;
  std::size_t size_ = 0;
  std::uint64_t forgotten_;
};

}  // namespace

struct LogReader::Impl {
  Impl(const std::filesystem::path& file, const protocol::CheckpointSource& resume)
      : lines(file, static_cast<std::uint64_t>(resume.read_through)), sequencer(resume) {}

  Uuid uuid_of(std::string_view line, std::uint64_t offset) const {
    auto place = locate_uuid(line);
    auto uuid = place ? parse_uuid(line.substr(*place, uuid_length)) : std::nullopt;
    if (!uuid)
      throw Error(Error::Kind::config,
                  fmt::format("{} holds a document without a UUID at byte {}", lines.path().native(), offset),
                  "Restore the file, or start over with a new state folder.");
    return *uuid;
  }
  // Is the line at `at`, of a stretch that is not pure, one of its documents?
  bool belongs(std::string_view line) {
    Uuid uuid = uuid_of(line, at);
    const CommittedRange& range = ranges[current];
    if (uuid.producer != range.producer || (uuid.flags & Uuid::ack_txn)) return false;
    if (uuid.clock <= floor || uuid.clock > range.through) return false;
    floor = uuid.clock;
    return true;
  }
  void enter(std::size_t range) {
    current = range;
    if (range == ranges.size()) return;
    at = ranges[range].begin;
    floor = ranges[range].after;
  }

  Lines lines;
  Sequencer sequencer;
  std::vector<CommittedRange> ranges;
  std::uint64_t limit = 0;  // of the last scan()
  std::uint64_t newest = 0;
  std::size_t current = 0;  // the range that next() is in
  std::uint64_t at = 0;     // and where
  std::uint64_t floor = 0;  // clock of the last document given of this range
};

LogReader::LogReader(const std::filesystem::path& file, const protocol::CheckpointSource& resume)
    : impl_(std::make_unique<Impl>(file, resume)) {}
LogReader::LogReader(LogReader&&) noexcept = default;
LogReader::~LogReader() = default;

LogReader::Scan LogReader::scan(std::uint64_t limit, std::span<const KnownTransaction> known) {
  SLUICE_CHECK(at_boundary());
  Impl& impl = *impl_;
  impl.limit = limit;
  std::uint64_t begin = impl.sequencer.resume_offset(), offset = begin;
  for (const KnownTransaction& transaction : known) {
    if (offset - begin >= window_bytes || transaction.next > limit || !impl.sequencer.add(transaction)) break;
    offset = transaction.next;
  }
  bool ended = false;
  while (offset - begin < (impl.sequencer.empty() ? piece_bytes : window_bytes)) {
    auto line = offset < limit ? impl.lines.at(offset, limit) : std::nullopt;
    ended = !line;
    if (ended) break;
    impl.sequencer.add(impl.uuid_of(*line, offset), offset, offset + line->size());
    offset += line->size();
  }
  impl.ranges = impl.sequencer.take();
  impl.enter(0);
  if (!impl.ranges.empty()) {
    impl.newest = impl.ranges.back().through;
    return Scan::found;
  }
  if (!ended) return Scan::more;
  impl.lines.release();
  return Scan::none;
}

std::optional<std::string_view> LogReader::next() {
  Impl& impl = *impl_;
  while (!at_boundary()) {
    const CommittedRange& range = impl.ranges[impl.current];
    if (impl.at >= range.end) {
      impl.enter(impl.current + 1);
      continue;
    }
    auto line = impl.lines.at(impl.at, impl.limit);  // a range may be a part of what is read in one go
    SLUICE_CHECK(line && impl.at + line->size() <= range.end);
    bool given = range.pure || impl.belongs(*line);
    impl.at += line->size();
    impl.lines.leave(impl.at);
    if (given) return line->substr(0, line->size() - 1);
  }
  if (impl.sequencer.resume_offset() >= impl.limit) impl.lines.release();
  return std::nullopt;
}

bool LogReader::at_boundary() const { return impl_->current == impl_->ranges.size(); }

protocol::CheckpointSource LogReader::checkpoint() const {
  SLUICE_CHECK(at_boundary());
  return impl_->sequencer.checkpoint();
}

std::uint64_t LogReader::newest_clock() const { return impl_->newest; }

std::uint64_t LogReader::offset() const {
  return at_boundary() ? impl_->sequencer.resume_offset() : impl_->at;
}

}  // namespace sluice::runtime
