#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::runtime {

struct DocsAndBytes {
  std::uint64_t docs = 0;
  std::uint64_t bytes = 0;  // of JSON text
  void add(std::uint64_t size) {
    ++docs;
    bytes += size;
  }
  DocsAndBytes& operator+=(const DocsAndBytes& other) {
    docs += other.docs;
    bytes += other.bytes;
    return *this;
  }
};

// What passed a binding, in the words of stats documents (runtime.md §14.2).
struct BindingStats {
  DocsAndBytes left;   // materialization: loaded
  DocsAndBytes right;  // received from the connector, or read from the log
  DocsAndBytes out;    // written to the log, or stored
  BindingStats& operator+=(const BindingStats& other) {
    left += other.left;
    right += other.right;
    out += other.out;
    return *this;
  }
};

// What a task is doing, kept by its session and shown by the engine. Used on the loop only.
struct Progress {
  std::string phase = "starting";
  std::uint64_t transactions = 0;      // committed
  std::vector<BindingStats> bindings;  // of committed transactions
  std::uint64_t received_docs = 0;     // since the session opened, committed or not
  std::uint64_t received_bytes = 0;
  std::uint64_t behind_bytes = 0;   // materialization: published and not yet committed
  std::int64_t newest_unix_ns = 0;  // publication time of the newest document committed, 0 none
  double open_seconds = 0;          // sum over committed transactions
};

}  // namespace sluice::runtime
