#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sluice/async/context.hpp"
#include "sluice/connector/transactor.hpp"
#include "sluice/protocol/session.hpp"
#include "sluice/runtime/faults.hpp"

namespace sluice::runtime::testing {

// A collection of documents {"id", "count", "last", "text"}, in which equal ids are merged, counts added up
// and the last of the others kept: a document lost or doubled shows in a count.
protocol::CollectionSpec counted_collection(std::string name);
// Gives a collection with that write schema the read schema of inferred ones, and a field of the binding, if
// there is one, for "extra" once the schema has that.
void infer(protocol::CollectionSpec& collection, const std::string* inferred,
           protocol::MaterializationBinding* binding = nullptr);
protocol::CaptureSpec capture_spec(std::string task, std::vector<std::string> collections);
protocol::MaterializationSpec materialization_spec(std::string task, std::vector<std::string> collections);

// What a CountingCapture says: `transactions` of `documents` each, one checkpoint a transaction. Document n
// goes to binding n % bindings with id (n / bindings) % ids.
struct CaptureScript {
  int transactions = 10;
  int documents = 10;
  int ids = 7;
  int bindings = 1;
  int batch = 4;           // documents in one output
  std::string text = "x";  // of every document
  // From these transactions on documents have a member "extra", which no schema names, and is the source said
  // to have it, in a checkpoint of its own before.
  int extra_from = never, sourced_at = never;
  static constexpr int never = 1 << 30;
  bool explicit_acknowledgements = true;
};

// A capture whose state is the number of the next transaction.
class CountingCapture final : public protocol::Capture {
 public:
  CountingCapture(Context& context, CaptureScript script) : context_(context), script_(std::move(script)) {}
  Task<protocol::capture::Spec> spec(protocol::capture::SpecRequest request) override;
  Task<protocol::capture::Discovered> discover(protocol::capture::Discover request) override;
  Task<protocol::capture::Validated> validate(protocol::capture::Validate request) override;
  Task<protocol::capture::Applied> apply(protocol::capture::Apply request) override;
  Task<> run(protocol::capture::Open open, protocol::CaptureIo io) override;

  int acknowledged = 0;  // checkpoints, of this session
  int applied = 0;
  std::vector<std::string> opened_with;  // states

 private:
  Task<> talk(int next, Writer<protocol::CaptureOutput>& out);
  Task<> say_schemas(int next, Writer<protocol::CaptureOutput>& out);
  Task<> listen(Reader<protocol::Acknowledged>& in);
  Context& context_;
  CaptureScript script_;
};

// A destination in a file that is replaced at each commit: what a database with transactions is to a
// connector.
class Endpoint {
 public:
  enum class Authority {
    remote,    // keeps the runtime's checkpoint with the rows
    recovery,  // rows become visible at Acknowledge, as the connector state says; repeating it changes
               // nothing
  };
  Endpoint(std::filesystem::path file, Authority authority, Faults faults = {})
      : file_(std::move(file)), authority_(authority), faults_(std::move(faults)) {}

  // Rows by binding and packed key: the stored document.
  using Rows = std::map<std::pair<std::uint32_t, std::string>, std::string>;
  struct Content {
    Rows rows;
    std::string checkpoint;     // encoded; empty none
    std::uint64_t applied = 0;  // Authority::recovery: number of the last change
  };
  Content read() const;
  void write(const Content& content) const;
  Authority authority() const { return authority_; }
  const std::filesystem::path& file() const { return file_; }
  const Faults& faults() const { return faults_; }

 private:
  std::filesystem::path file_;
  Authority authority_;
  Faults faults_;
};

// What a session asked of its endpoint.
struct Traffic {
  int transactions = 0;
  std::uint64_t loads = 0, loaded = 0, stores = 0, inserts = 0;
  std::vector<std::string> flush_patches, commit_patches, acknowledge_patches;
};

class EndpointMaterialize final : public protocol::Materialize {
 public:
  EndpointMaterialize(Context& context, Endpoint& endpoint) : context_(context), endpoint_(endpoint) {}
  Task<protocol::materialize::Spec> spec(protocol::materialize::SpecRequest request) override;
  Task<protocol::materialize::Validated> validate(protocol::materialize::Validate request) override;
  Task<protocol::materialize::Applied> apply(protocol::materialize::Apply request) override;
  Task<> run(protocol::materialize::Open open, protocol::MaterializeIo io) override;

  Traffic traffic;
  bool disable_load_optimization = false;
  Clock::Duration acknowledge_time{};

 private:
  Context& context_;
  Endpoint& endpoint_;
};

// The counts by (binding, id) that the rows hold, and those that the script makes.
std::map<std::pair<std::uint32_t, std::int64_t>, std::int64_t> counts_of(const Endpoint::Rows& rows);
std::map<std::pair<std::uint32_t, std::int64_t>, std::int64_t> counts_of(const CaptureScript& script);

}  // namespace sluice::runtime::testing
