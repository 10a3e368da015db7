#include "faulty_vfs.hpp"

#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <string>

namespace sluice::testing {
namespace {

Fault fault = Fault::kill;
long fault_at = 0;
std::atomic<long> seen = 0;
std::mutex images_mutex;
std::map<std::string, std::string> images;  // by path: what the disk holds for sure

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

[[noreturn]] void die() {
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

void lose_power() {
  std::lock_guard lock(images_mutex);
  for (const auto& [path, image] : images) std::ofstream(path, std::ios::binary | std::ios::trunc) << image;
}

// SQLITE_OK if the change may happen.
int before_change() {
  if (++seen != fault_at) return SQLITE_OK;
  switch (fault) {
    case Fault::kill:
      die();
    case Fault::full:
      return SQLITE_FULL;
    case Fault::io_error:
      return SQLITE_IOERR_WRITE;
    case Fault::power_loss:
      lose_power();
      die();
  }
  return SQLITE_OK;
}

struct File {
  sqlite3_file base;
  const char* path;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
File* self(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
sqlite3_file* real(sqlite3_file* file) { return self(file)->real(); }
const sqlite3_io_methods* methods(sqlite3_file* file) { return real(file)->pMethods; }

int write(sqlite3_file* f, const void* data, int size, sqlite3_int64 at) {
  if (int code = before_change()) return code;
  return methods(f)->xWrite(real(f), data, size, at);
}
int truncate(sqlite3_file* f, sqlite3_int64 size) {
  if (int code = before_change()) return code;
  return methods(f)->xTruncate(real(f), size);
}
int sync(sqlite3_file* f, int flags) {
  if (int code = before_change()) return code;
  int code = methods(f)->xSync(real(f), flags);
  if (code == SQLITE_OK && self(f)->path) {
    std::lock_guard lock(images_mutex);
    images[self(f)->path] = content(self(f)->path);
  }
  return code;
}

const sqlite3_io_methods faulty_methods{
    2,
    [](sqlite3_file* f) { return methods(f)->xClose(real(f)); },
    [](sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
      return methods(f)->xRead(real(f), to, size, at);
    },
    write,
    truncate,
    sync,
    [](sqlite3_file* f, sqlite3_int64* size) { return methods(f)->xFileSize(real(f), size); },
    [](sqlite3_file* f, int level) { return methods(f)->xLock(real(f), level); },
    [](sqlite3_file* f, int level) { return methods(f)->xUnlock(real(f), level); },
    [](sqlite3_file* f, int* out) { return methods(f)->xCheckReservedLock(real(f), out); },
    [](sqlite3_file* f, int op, void* argument) { return methods(f)->xFileControl(real(f), op, argument); },
    [](sqlite3_file* f) { return methods(f)->xSectorSize(real(f)); },
    [](sqlite3_file* f) { return methods(f)->xDeviceCharacteristics(real(f)); },
    [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
      return methods(f)->xShmMap(real(f), page, size, extend, out);
    },
    [](sqlite3_file* f, int offset, int n, int flags) {
      return methods(f)->xShmLock(real(f), offset, n, flags);
    },
    [](sqlite3_file* f) { methods(f)->xShmBarrier(real(f)); },
    [](sqlite3_file* f, int remove) { return methods(f)->xShmUnmap(real(f), remove); },
    nullptr,
    nullptr,
};

sqlite3_vfs* unix_vfs = nullptr;
sqlite3_vfs faulty;

int open(sqlite3_vfs*, const char* path, sqlite3_file* f, int flags, int* out) {
  f->pMethods = nullptr;
  int code = unix_vfs->xOpen(unix_vfs, path, real(f), flags, out);
  if (!real(f)->pMethods) return code;
  f->pMethods = &faulty_methods;
  bool kept = flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL);
  self(f)->path = kept ? path : nullptr;
  if (kept) {
    std::lock_guard lock(images_mutex);
    images.try_emplace(path, content(path));
  }
  return code;
}

int remove(sqlite3_vfs*, const char* path, int sync_folder) {
  if (int code = before_change()) return code;
  int code = unix_vfs->xDelete(unix_vfs, path, sync_folder);
  std::lock_guard lock(images_mutex);
  images.erase(path);
  return code;
}

}  // namespace

void install_faulty_vfs(Fault what, long at) {
  fault = what;
  fault_at = at;
  unix_vfs = sqlite3_vfs_find("unix");
  faulty = *unix_vfs;
  faulty.zName = "faulty";
  faulty.szOsFile = static_cast<int>(sizeof(File)) + unix_vfs->szOsFile;
  faulty.xOpen = open;
  faulty.xDelete = remove;
  sqlite3_vfs_register(&faulty, 1);
}

long changes_seen() { return seen; }

}  // namespace sluice::testing
