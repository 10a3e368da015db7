#include "sluice/files/folder.hpp"

#include <fmt/format.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <utility>

#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"

namespace sluice::files {
namespace {

constexpr std::size_t batch_bytes = 256_KiB;

Error unreadable(const std::filesystem::path& path, int code) {
  return Error(Error::Kind::config, fmt::format("cannot read '{}': {}", path.string(), std::strerror(code)),
               "Check that it exists and that this user may read it.");
}

class LineReader {
 public:
  explicit LineReader(std::filesystem::path path) : path_(std::move(path)), in_(path_, std::ios::binary) {
    if (!in_) throw unreadable(path_, errno);
  }
  // The next lines; the last batch has the checkpoint.
  Batch next() {
    Batch batch;
    while (batch.text_bytes() < batch_bytes && std::getline(in_, line_)) {
      if (line_.ends_with('\r')) line_.pop_back();
      if (!line_.empty()) batch.add(line_);
    }
    if (in_.bad()) throw unreadable(path_, errno);
    if (!in_) batch.checkpoint = path_.string();
    return batch;
  }

 private:
  std::filesystem::path path_;
  std::ifstream in_;
  std::string line_;
};

Batch read_some(std::shared_ptr<LineReader> reader) { return reader->next(); }

}  // namespace

Task<> list(std::string folder, Writer<File> out) {
  std::set<std::filesystem::path> found;
  std::error_code failure;
  std::filesystem::directory_iterator entries(folder, failure);
  if (failure) throw unreadable(folder, failure.value());
  for (const auto& entry : entries)
    if (entry.is_regular_file()) found.insert(entry.path());
  for (const std::filesystem::path& path : found) co_await out.send(File(path));
  out.close();
}

Task<> lines(CpuPool& pool, Reader<File> in, Writer<Batch> out) {
  while (auto file = co_await in.next()) {
    auto reader = std::make_shared<LineReader>(file->path);  // shared with the job on the pool
    for (bool more = true; more;) {
      Batch batch = co_await on_cpu(pool, read_some, reader);
      more = !batch.checkpoint;
      co_await out.send(std::move(batch));
    }
  }
  out.close();
}

}  // namespace sluice::files
