#include "sluice/runtime/apply.hpp"

#include <utility>

#include "sluice/base/text.hpp"
#include "sluice/runtime/connector_state.hpp"

namespace sluice::runtime {
namespace {

using protocol::CaptureSpec;
using protocol::MaterializationSpec;

constexpr std::size_t longest_action = 1u << 18;  // of the log line
// An apply loop that goes on for so long is a connector that repeats itself.
constexpr int most_rounds = 100;

std::optional<std::string> get(StateStore* store, std::string task, std::string key) {
  return store->get(task, key);
}
void put(StateStore* store, StateCommit commit) { store->commit(commit); }

protocol::capture::Apply request(CaptureSpec spec, std::optional<std::string> last) {
  protocol::capture::Apply apply;
  apply.capture = std::move(spec);
  if (last) apply.last_capture = protocol::decode_capture_spec(*last);
  return apply;
}
protocol::materialize::Apply request(MaterializationSpec spec, std::optional<std::string> last) {
  protocol::materialize::Apply apply;
  apply.materialization = std::move(spec);
  if (last) apply.last_materialization = protocol::decode_materialization_spec(*last);
  return apply;
}

// The two protocols differ in names only.
template <class Connector, class Spec>
Task<> apply_spec(Context& context, StateStore& store, Connector& connector, const Spec& spec,
                  std::string config_json, std::string version, const char* applied_message) {
  auto last = co_await on_cpu(context.cpu, get, &store, spec.name, std::string(keys::last_applied));
  auto last_version = co_await on_cpu(context.cpu, get, &store, spec.name, std::string(keys::last_version));
  Spec inner = spec;
  inner.config_json = std::move(config_json);
  std::string encoded = protocol::encode(spec);
  if (last != encoded) {
    StateCommit begun(spec.name);
    begun.put(keys::applying, encoded);
    co_await commit(context, store, std::move(begun));
  }
  auto message = request(std::move(inner), std::move(last));
  message.version = version;
  message.last_version = last_version.value_or("");
  message.state_json = co_await connector_state(context, store, spec.name);
  std::string actions;
  for (int round = 0;; ++round) {
    if (round == most_rounds)
      throw Error(Error::Kind::transient, "the connector answers every Apply with a change of its state");
    auto applied = co_await connector.apply(message);
    if (!applied.action_description.empty()) actions += applied.action_description + '\n';
    if (!applied.state) break;
    StateUpdate update;
    update.add(*applied.state);
    message.state_json = update.apply_to(message.state_json);
    StateCommit change(spec.name);
    change.put(keys::connector_state, message.state_json);
    co_await commit(context, store, std::move(change));
  }
  StateCommit done(spec.name);
  done.put(keys::last_applied, std::move(encoded));
  done.put(keys::last_version, version);
  done.erase(keys::applying);
  co_await commit(context, store, std::move(done));
  std::string_view action = text::cut_utf8(text::trim(actions), longest_action);
  if (!action.empty() || last_version != version)
    context.log.info(applied_message, kv("action", action), kv("last_version", last_version.value_or("")),
                     kv("version", version));
}

}  // namespace

std::string keys::max_key(const std::string& state_key) { return "MK-v2:" + state_key; }

Task<std::string> connector_state(Context& context, StateStore& store, std::string task) {
  auto state = co_await on_cpu(context.cpu, get, &store, std::move(task), std::string(keys::connector_state));
  co_return state.value_or("{}");
}

Task<> commit(Context& context, StateStore& store, StateCommit commit) {
  co_await on_cpu(context.cpu, put, &store, std::move(commit));
}

Task<> apply(Context& context, StateStore& store, protocol::Capture& connector, const CaptureSpec& spec,
             std::string config_json, std::string version) {
  return apply_spec(context, store, connector, spec, std::move(config_json), std::move(version),
                    "capture was applied");
}

Task<> apply(Context& context, StateStore& store, protocol::Materialize& connector,
             const MaterializationSpec& spec, std::string config_json, std::string version) {
  return apply_spec(context, store, connector, spec, std::move(config_json), std::move(version),
                    "materialization was applied");
}

}  // namespace sluice::runtime
