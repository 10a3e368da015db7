#include <fmt/format.h>

#include <algorithm>

#include "sluice/async/event.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"
#include "sluice/connector/transactor.hpp"

namespace sluice::connector {
namespace {

using protocol::LoadedDocuments;
using protocol::Loads;
using protocol::MaterializeInput;
using protocol::MaterializeIo;
using protocol::MaterializeOutput;
using protocol::StoreBatch;
namespace materialize = protocol::materialize;

std::string_view name_of(const MaterializeInput& input) {
  constexpr std::string_view names[] = {"Acknowledge", "Load", "Flush", "Store", "StartCommit"};
  return names[input.value.index()];
}

[[noreturn]] void unexpected(std::string_view expected, const MaterializeInput& input) {
  throw Error(Error::Kind::transient,
              fmt::format("protocol error: expected {}, but the runtime sent {}", expected, name_of(input)));
}

// One session: its state is the place in the code (flow-protocol §8.4, IDLE, TXN, STORING).
class Session {
 public:
  Session(Context& context, Transactor& transactor, MaterializeIo io, std::size_t bindings)
      : context_(context), transactor_(transactor), io_(std::move(io)), bindings_(bindings) {}

  Task<> run(materialize::Open open) {
    materialize::Opened opened = co_await transactor_.open(std::move(open));
    co_await send(std::move(opened));
    context_.log.status("Running");
    for (bool more = true; more;) more = co_await transaction();
    io_.out.close();
  }

 private:
  // False at the end of the session.
  Task<bool> transaction() {
    std::optional<MaterializeInput> input = co_await io_.in.next();
    if (!input) co_return false;
    auto* request = std::get_if<materialize::Acknowledge>(&input->value);
    if (!request) unexpected("Acknowledge", *input);
    bool flush = co_await acknowledge_and_stage(std::move(request->state_patches_json));
    if (!flush) co_return false;
    co_await load();
    materialize::Flushed flushed;
    flushed.state = co_await transactor_.flush();
    co_await send(std::move(flushed));
    co_await store_and_commit();
    co_return true;
  }

  // TXN until Flush (true) or a legal end (false).
  Task<bool> acknowledge_and_stage(std::string state_patches_json) {
    bool flush = false;
    auto [keys, staged] = channel<Batch>(context_.executor, budget());
    co_await all(acknowledge(std::move(state_patches_json)), transactor_.stage_loads(std::move(staged)),
                 read_loads(std::move(keys), flush));
    co_return flush;
  }

  Task<> acknowledge(std::string state_patches_json) {
    materialize::Acknowledged acknowledged;
    acknowledged.state = co_await transactor_.acknowledge(std::move(state_patches_json));
    co_await send(std::move(acknowledged));
  }

  Task<> read_loads(Writer<Batch> keys, bool& flush) {
    bool loads = false;
    while (auto input = co_await io_.in.next()) {
      if (auto* load = std::get_if<Loads>(&input->value)) {
        for (std::size_t i = 0; i < load->keys.size(); ++i) check_binding("Load", load->keys.doc(i).binding);
        loads = loads || !load->keys.empty();
        co_await keys.send(std::move(load->keys));
        continue;
      }
      if (!std::holds_alternative<materialize::Flush>(input->value)) unexpected("Load or Flush", *input);
      flush = true;
      break;
    }
    if (!flush && loads) throw Error(Error::Kind::transient, "unexpected EOF when there are loaded keys");
    keys.close();
  }

  Task<> load() {
    auto [found, loaded] = channel<Batch>(context_.executor, budget());
    co_await all(transactor_.load(std::move(found)), send_loaded(std::move(loaded)));
  }

  Task<> send_loaded(Reader<Batch> loaded) {
    while (auto documents = co_await loaded.next())
      if (!documents->empty()) co_await send(LoadedDocuments(std::move(*documents)));
  }

  Task<> store_and_commit() {
    materialize::StartCommit request;
    auto [stores, documents] = channel<StoreBatch>(context_.executor, budget());
    co_await all(transactor_.store(std::move(documents)), read_stores(std::move(stores), request));
    materialize::StartedCommit started;
    started.state = co_await transactor_.start_commit(std::move(request));
    co_await send(std::move(started));
  }

  Task<> read_stores(Writer<StoreBatch> stores, materialize::StartCommit& request) {
    for (;;) {
      std::optional<MaterializeInput> input = co_await io_.in.next();
      if (!input) throw Error(Error::Kind::transient, "unexpected EOF before StartCommit");
      if (auto* batch = std::get_if<StoreBatch>(&input->value)) {
        for (std::size_t i = 0; i < batch->size(); ++i) check_binding("Store", (*batch)[i].binding);
        co_await stores.send(std::move(*batch));
        continue;
      }
      auto* commit = std::get_if<materialize::StartCommit>(&input->value);
      if (!commit) unexpected("Store or StartCommit", *input);
      request = std::move(*commit);
      break;
    }
    stores.close();
  }

  void check_binding(std::string_view message, std::uint32_t binding) const {
    if (binding >= bindings_)
      throw Error(
          Error::Kind::transient,
          fmt::format("protocol error: {} of binding {}, but only {} are open", message, binding, bindings_));
  }
  Task<> send(MaterializeOutput::Value value) { return io_.out.send(MaterializeOutput(std::move(value))); }
  // Of the channel between the transport's and the transactor's.
  std::size_t budget() const { return context_.memory_bytes / 16; }

  Context& context_;
  Transactor& transactor_;
  MaterializeIo io_;
  std::size_t bindings_;
};

// flow-protocol §4.6 and §8.4. Without a range a materialization has the whole of both.
void check_range(const std::optional<protocol::RangeSpec>& range) {
  constexpr std::uint32_t most = 0xffffffff;
  if (!range) return;
  if (range->key_begin > range->key_end)
    throw Error(Error::Kind::transient,
                fmt::format("protocol error: Open with the inverted key range {:08x}-{:08x}",
                            range->key_begin, range->key_end));
  if (range->r_clock_begin != 0 || range->r_clock_end != most)
    throw Error(Error::Kind::transient,
                fmt::format("protocol error: a materialization must be opened with the full r-clock range, "
                            "not {:08x}-{:08x}",
                            range->r_clock_begin, range->r_clock_end));
}

}  // namespace

Task<> drive(Context& context, Transactor& transactor, materialize::Open open, MaterializeIo io) {
  if (!open.materialization)
    throw Error(Error::Kind::transient, "protocol error: Open without a materialization");
  check_range(open.range);
  Session session(context, transactor, std::move(io), open.materialization->bindings.size());
  co_await session.run(std::move(open));
}

}  // namespace sluice::connector
