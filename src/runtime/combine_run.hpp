#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "combine_table.hpp"

namespace sluice::runtime {

// A sorted sequence of documents in a file without a name, which is gone once it is closed.
class Run {
 public:
  Run(int fd, std::uint64_t bytes, int level) : fd_(fd), bytes_(bytes), level_(level) {}
  ~Run();
  Run(Run&& other) noexcept;
  Run& operator=(Run&& other) noexcept;

  int fd() const { return fd_; }
  std::uint64_t bytes() const { return bytes_; }
  // How many merges its oldest document went through.
  int level() const { return level_; }

 private:
  int fd_;
  std::uint64_t bytes_;
  int level_;
};

// What a block of a run holds before compression, one large document aside; readers and writers hold one.
inline constexpr std::size_t run_block_bytes = 64 << 10;

// The state of the compressor, shared by the readers and the writer of one combiner.
class RunCodec {
 public:
  RunCodec();
  ~RunCodec();
  RunCodec(RunCodec&&) noexcept;
  RunCodec& operator=(RunCodec&&) noexcept;

  // Replaces `out` by the compressed block behind `room` bytes.
  void compress(std::string& out, std::string_view block, std::size_t room);
  // Replaces the content of `out`, which has the right size.
  void decompress(std::string& out, std::string_view compressed);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class RunWriter {
 public:
  RunWriter(RunCodec& codec, const std::filesystem::path& folder);
  ~RunWriter();
  RunWriter(const RunWriter&) = delete;
  RunWriter& operator=(const RunWriter&) = delete;

  void add(std::uint32_t binding, std::string_view key, const DocumentView& document);
  Run finish(int level);

 private:
  void flush();

  RunCodec& codec_;
  int fd_;
  std::uint64_t bytes_ = 0;
  std::string block_, compressed_;
};

class RunReader {
 public:
  RunReader(RunCodec& codec, Run run) : codec_(&codec), run_(std::move(run)) {}

  // Advances; false at the end. Views live until the next call.
  bool next();
  std::uint32_t binding() const { return binding_; }
  std::string_view key() const { return key_; }
  const DocumentView& document() const { return document_; }

 private:
  bool fill();

  RunCodec* codec_;
  Run run_;
  std::uint64_t read_ = 0;
  std::string block_, compressed_;
  std::size_t at_ = 0;
  std::uint32_t binding_ = 0;
  std::string_view key_;
  DocumentView document_;
};

}  // namespace sluice::runtime
