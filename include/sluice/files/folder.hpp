#pragma once
#include <cstddef>
#include <filesystem>
#include <string>

#include "sluice/async/channel.hpp"
#include "sluice/async/cpu.hpp"
#include "sluice/async/task.hpp"
#include "sluice/data/batch.hpp"

namespace sluice::files {

// A file on its way through a pipeline: its name, not its content.
struct File {
  explicit File(std::filesystem::path p) : path(std::move(p)) {}
  std::filesystem::path path;
  std::size_t bytes() const { return sizeof *this + path.native().size(); }
};

// The regular files of `folder`, by name; then the end. Throws Error{config} if it cannot be read.
Task<> list(std::string folder, Writer<File> out);

// The lines of each file, as batches of about 256 KiB; a batch never spans files, and carries the file's path
// as its checkpoint when it ends one. The line end (\n or \r\n) is left out; empty lines are. Reads on the
// pool.
Task<> lines(CpuPool& pool, Reader<File> in, Writer<Batch> out);

}  // namespace sluice::files
