#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "sluice/async/channel.hpp"
#include "sluice/data/batch.hpp"
#include "sluice/protocol/messages.hpp"

// A connector as seen by whoever drives it, the same on both sides of every transport: a source implements
// Capture, serve() puts one on stdin and stdout, and a child process or a linked-in connector is a Capture to
// the runtime. Hot messages travel in batches; nothing is serialized unless a wire lies between.
namespace sluice::protocol {

// A stretch of what a capture says, in this order: opened (once, first of all), sourced schemas, documents,
// and the checkpoint that makes everything since the previous one committable (flow-protocol §8.3).
struct CaptureOutput {
  CaptureOutput() = default;
  std::optional<capture::Opened> opened;
  std::vector<capture::SourcedSchema> sourced_schemas;
  Batch documents;
  std::optional<ConnectorState> checkpoint;
  std::size_t bytes() const;
};

// capture::Acknowledge in a channel.
struct Acknowledged {
  explicit Acknowledged(std::uint32_t n) : checkpoints(n) {}
  std::uint32_t checkpoints;
  std::size_t bytes() const { return sizeof *this; }
};

// The two directions of a capture session as the connector holds them. `out.close()` says a graceful end,
// legal only right after a checkpoint or before any document; the end of `acknowledgements` means: please
// stop.
struct CaptureIo {
  CaptureIo(Writer<CaptureOutput> w, Reader<Acknowledged> r, bool once)
      : out(std::move(w)), acknowledgements(std::move(r)), stop_when_caught_up(once) {}
  Writer<CaptureOutput> out;
  Reader<Acknowledged> acknowledgements;
  // End by itself when all that existed at the start was captured (environment SHUTDOWN_AFTER_POLLING=yes).
  bool stop_when_caught_up;
};

// A capture connector. Unary calls may come in any number and order; run() is one session and ends it.
class Capture {
 public:
  virtual ~Capture() = default;
  virtual Task<capture::Spec> spec(capture::SpecRequest request) = 0;
  virtual Task<capture::Discovered> discover(capture::Discover request) = 0;
  virtual Task<capture::Validated> validate(capture::Validate request) = 0;
  virtual Task<capture::Applied> apply(capture::Apply request) = 0;
  // Sends Opened, then documents and checkpoints until cancelled, asked to stop, or caught up if so told.
  virtual Task<> run(capture::Open open, CaptureIo io) = 0;
};

// Store requests in one buffer; views live as long as the batch is not added to.
class StoreBatch {
 public:
  struct Document {
    std::uint32_t binding = 0;
    std::string_view key_packed, values_packed;
    std::string_view doc;  // empty if the binding has no document field
    bool exists = false;
    bool is_delete = false;
  };
  StoreBatch() = default;
  StoreBatch(StoreBatch&&) = default;
  StoreBatch& operator=(StoreBatch&&) = default;
  StoreBatch(const StoreBatch&) = delete;
  StoreBatch& operator=(const StoreBatch&) = delete;

  void add(const Document& document) {
    entries_.push_back({bytes_.size(), document.key_packed.size(), document.values_packed.size(),
                        document.doc.size(), document.binding, document.exists, document.is_delete});
    bytes_.append(document.key_packed).append(document.values_packed).append(document.doc);
  }
  void reserve(std::size_t bytes, std::size_t documents) {
    bytes_.reserve(bytes);
    entries_.reserve(documents);
  }
  // Gives memory back if not even half of it is in use.
  void trim() {
    if (bytes_.capacity() > 2 * bytes_.size()) bytes_.shrink_to_fit();
    if (entries_.capacity() > 2 * entries_.size()) entries_.shrink_to_fit();
  }
  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  Document operator[](std::size_t i) const {
    const Entry& e = entries_[i];
    std::string_view all = std::string_view(bytes_).substr(e.offset);
    return {e.binding, all.substr(0, e.key), all.substr(e.key, e.values), all.substr(e.key + e.values, e.doc),
            e.exists,  e.is_delete};
  }
  std::size_t bytes() const { return bytes_.size() + entries_.size() * sizeof(Entry) + sizeof *this; }
  void clear() {
    bytes_.clear();
    entries_.clear();
  }

 private:
  struct Entry {
    std::size_t offset, key, values, doc;
    std::uint32_t binding;
    bool exists, is_delete;
  };
  std::string bytes_;
  std::vector<Entry> entries_;
};

// Load requests: a Batch whose "documents" are packed keys. Loaded responses: a Batch of stored documents.
struct Loads {
  explicit Loads(Batch b) : keys(std::move(b)) {}
  Batch keys;
};
struct LoadedDocuments {
  explicit LoadedDocuments(Batch b) : documents(std::move(b)) {}
  Batch documents;
};

// What a runtime says to a materialization after Open, in order (flow-protocol §8.4).
struct MaterializeInput {
  using Value =
      std::variant<materialize::Acknowledge, Loads, materialize::Flush, StoreBatch, materialize::StartCommit>;
  explicit MaterializeInput(Value v) : value(std::move(v)) {}
  Value value;
  std::size_t bytes() const;
};
// And what it answers; Opened first.
struct MaterializeOutput {
  using Value = std::variant<materialize::Opened, materialize::Acknowledged, LoadedDocuments,
                             materialize::Flushed, materialize::StartedCommit>;
  explicit MaterializeOutput(Value v) : value(std::move(v)) {}
  Value value;
  std::size_t bytes() const;
};

struct MaterializeIo {
  MaterializeIo(Reader<MaterializeInput> r, Writer<MaterializeOutput> w)
      : in(std::move(r)), out(std::move(w)) {}
  Reader<MaterializeInput> in;
  Writer<MaterializeOutput> out;
};

// A materialization connector; see Capture.
class Materialize {
 public:
  virtual ~Materialize() = default;
  virtual Task<materialize::Spec> spec(materialize::SpecRequest request) = 0;
  virtual Task<materialize::Validated> validate(materialize::Validate request) = 0;
  virtual Task<materialize::Applied> apply(materialize::Apply request) = 0;
  // Runs transactions until the input ends at a legal point; then closes `io.out`.
  virtual Task<> run(materialize::Open open, MaterializeIo io) = 0;
};

}  // namespace sluice::protocol
