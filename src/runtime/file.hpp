#pragma once
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <utility>

namespace sluice::runtime {

// A file of the state folder, owner only (0600). Every failure throws an Error that names path and cause; a
// full disk is transient and says what to do.
class File {
 public:
  enum class Mode { create, read };
  File(std::filesystem::path path, Mode mode);
  File(File&& other) noexcept : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&&) = delete;
  ~File();

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const;
  void write_at(std::uint64_t offset, std::string_view bytes);
  // Reads until `size` bytes or the end of the file; returns how many.
  std::size_t read_at(std::uint64_t offset, char* into, std::size_t size) const;
  // What of this range is on the disk need not be kept in the system's memory.
  void forget(std::uint64_t offset, std::uint64_t size) const;
  void truncate(std::uint64_t size);
  // Content and length are on the disk when it returns.
  void sync();
  // Takes the file for this process until it is closed; false if another process has it.
  bool try_lock();

 private:
  [[noreturn]] void fail(std::string_view doing) const;
  std::filesystem::path path_;
  int fd_ = -1;
};

// Makes the entries of a folder durable.
void sync_folder(const std::filesystem::path& folder);

}  // namespace sluice::runtime
