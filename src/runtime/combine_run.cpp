#include "combine_run.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "sluice/base/error.hpp"
#include "sluice/base/write.hpp"

namespace sluice::runtime {
namespace {

constexpr int compression_level = 1;

struct RecordHeader {
  std::uint32_t binding, key_size, json_size, uuid_at;
  std::uint8_t bits;
};
struct BlockHeader {
  std::uint32_t compressed_size, size;
};

[[noreturn]] void fail(std::string_view what) {
  throw Error(Error::Kind::transient, fmt::format("{}: {}", what, std::strerror(errno)),
              "Combining needs free space in the folder of temporary files beyond its memory budget.");
}

int open_unnamed(const std::filesystem::path& folder) {
  int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return fd;
  // Not every file system has O_TMPFILE.
  std::string name = folder / "sluice-combine-XXXXXX";
  fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) fail(fmt::format("cannot create a temporary file in {}", folder.string()));
  ::unlink(name.c_str());
  return fd;
}

void read_all(int fd, char* out, std::size_t size, std::uint64_t offset) {
  while (size > 0) {
    ssize_t n = ::pread(fd, out, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot read a sorted run from its temporary file");
    if (n == 0) throw Error(Error::Kind::transient, "a sorted run ends within a block");
    out += n;
    offset += static_cast<std::uint64_t>(n);
    size -= static_cast<std::size_t>(n);
  }
}

std::size_t check_zstd(std::size_t result) {
  if (ZSTD_isError(result))
    throw Error(Error::Kind::transient,
                fmt::format("a sorted run is corrupt: {}", ZSTD_getErrorName(result)));
  return result;
}

template <class T>
void append_bytes(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

Run::~Run() {
  if (fd_ >= 0) ::close(fd_);
}
Run::Run(Run&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), bytes_(other.bytes_), level_(other.level_) {}
Run& Run::operator=(Run&& other) noexcept {
  std::swap(fd_, other.fd_);
  bytes_ = other.bytes_;
  level_ = other.level_;
  return *this;
}

struct RunCodec::Impl {
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> compressor{ZSTD_createCCtx(), ZSTD_freeCCtx};
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> decompressor{ZSTD_createDCtx(), ZSTD_freeDCtx};
};

RunCodec::RunCodec() : impl_(std::make_unique<Impl>()) {}
RunCodec::~RunCodec() = default;
RunCodec::RunCodec(RunCodec&&) noexcept = default;
RunCodec& RunCodec::operator=(RunCodec&&) noexcept = default;

void RunCodec::compress(std::string& out, std::string_view block, std::size_t room) {
  out.resize(room + ZSTD_compressBound(block.size()));
  std::size_t size =
      check_zstd(ZSTD_compressCCtx(impl_->compressor.get(), out.data() + room, out.size() - room,
                                   block.data(), block.size(), compression_level));
  out.resize(room + size);
}

void RunCodec::decompress(std::string& out, std::string_view compressed) {
  std::size_t size = check_zstd(ZSTD_decompressDCtx(impl_->decompressor.get(), out.data(), out.size(),
                                                    compressed.data(), compressed.size()));
  if (size != out.size()) throw Error(Error::Kind::transient, "a sorted run is corrupt: a block is cut");
}

RunWriter::RunWriter(RunCodec& codec, const std::filesystem::path& folder)
    : codec_(codec), fd_(open_unnamed(folder)) {}
RunWriter::~RunWriter() {
  if (fd_ >= 0) ::close(fd_);
}

void RunWriter::add(std::uint32_t binding, std::string_view key, const DocumentView& document) {
  RecordHeader header{binding, static_cast<std::uint32_t>(key.size()),
                      static_cast<std::uint32_t>(document.json.size()), document.uuid_at, document.bits};
  append_bytes(block_, header);
  block_.append(key).append(document.json);
  if (block_.size() >= run_block_bytes) flush();
}

void RunWriter::flush() {
  if (block_.empty()) return;
  codec_.compress(compressed_, block_, sizeof(BlockHeader));
  BlockHeader header{static_cast<std::uint32_t>(compressed_.size() - sizeof header),
                     static_cast<std::uint32_t>(block_.size())};
  std::memcpy(compressed_.data(), &header, sizeof header);
  if (write_all(fd_, compressed_) != 0) fail("cannot write a sorted run to its temporary file");
  bytes_ += compressed_.size();
  block_.clear();
}

Run RunWriter::finish(int level) {
  flush();
  return Run(std::exchange(fd_, -1), bytes_, level);
}

bool RunReader::fill() {
  if (read_ == run_.bytes()) return false;
  BlockHeader header;
  read_all(run_.fd(), reinterpret_cast<char*>(&header), sizeof header, read_);
  compressed_.resize(header.compressed_size);
  read_all(run_.fd(), compressed_.data(), compressed_.size(), read_ + sizeof header);
  read_ += sizeof header + header.compressed_size;
  block_.resize(header.size);
  codec_->decompress(block_, compressed_);
  at_ = 0;
  return true;
}

bool RunReader::next() {
  if (at_ == block_.size() && !fill()) return false;
  RecordHeader header;
  std::memcpy(&header, block_.data() + at_, sizeof header);
  std::string_view rest = std::string_view(block_).substr(at_ + sizeof header);
  binding_ = header.binding;
  key_ = rest.substr(0, header.key_size);
  document_ = {rest.substr(header.key_size, header.json_size), header.uuid_at, header.bits};
  at_ += sizeof header + header.key_size + header.json_size;
  return true;
}

}  // namespace sluice::runtime
