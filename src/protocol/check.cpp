#include "sluice/protocol/check.hpp"

#include <fmt/format.h>

#include <set>

#include "sluice/protocol/codec.hpp"
#include "wrong.hpp"

namespace sluice::protocol {
namespace {

template <class Spec>
void check_spec(const Spec& spec) {
  if (spec.protocol != protocol_version)
    wrong(fmt::format("connector returned an unexpected protocol version {} (expected {})", spec.protocol,
                      protocol_version));
  if (spec.config_schema_json.empty()) wrong("connector Spec lacks configSchema");
  if (spec.resource_config_schema_json.empty()) wrong("connector Spec lacks resourceConfigSchema");
  if (spec.documentation_url.empty()) wrong("connector Spec lacks documentationUrl");
}

template <class Validate, class Validated>
void check_validated(const Validate& request, const Validated& validated) {
  if (validated.bindings.size() != request.bindings.size())
    wrong(fmt::format("connector Validated has {} bindings, but the request had {}",
                      validated.bindings.size(), request.bindings.size()));
  std::set<std::vector<std::string>> seen;
  for (std::size_t i = 0; i < validated.bindings.size(); ++i) {
    const std::vector<std::string>& path = validated.bindings[i].resource_path;
    if (path.empty()) wrong(fmt::format("connector Validated binding {} has an empty resourcePath", i));
    for (const std::string& component : path)
      if (component.empty())
        wrong(fmt::format("connector Validated binding {} has an empty component in its resourcePath '{}'", i,
                          text::join(path, "/")));
    if (!seen.insert(path).second)
      wrong(fmt::format("connector Validated bindings share the resourcePath '{}'", text::join(path, "/")));
  }
}

void check_constraint(std::size_t binding, const std::string& field,
                      const materialize::Constraint& constraint) {
  int type = static_cast<int>(constraint.type);
  if (type <= static_cast<int>(materialize::ConstraintType::invalid) ||
      type > static_cast<int>(materialize::ConstraintType::unsatisfiable))
    wrong(fmt::format("connector Validated binding {} has an invalid constraint type {} for field '{}'",
                      binding, type, field));
}

}  // namespace

void check(const capture::Spec& spec) { check_spec(spec); }
void check(const materialize::Spec& spec) { check_spec(spec); }

void check(const capture::Discovered& discovered) {
  for (std::size_t i = 0; i < discovered.bindings.size(); ++i) {
    const capture::DiscoveredBinding& binding = discovered.bindings[i];
    auto lacks = [&](std::string_view what) {
      wrong(
          fmt::format("connector Discovered binding {} ('{}') lacks {}", i, binding.recommended_name, what));
    };
    if (binding.recommended_name.empty()) lacks("recommendedName");
    if (binding.document_schema_json.empty()) lacks("documentSchema");
    if (binding.resource_config_json.empty()) lacks("resourceConfig");
  }
}

void check(const capture::Validate& request, const capture::Validated& validated) {
  check_validated(request, validated);
}

void check(const materialize::Validate& request, const materialize::Validated& validated) {
  check_validated(request, validated);
  for (std::size_t i = 0; i < validated.bindings.size(); ++i) {
    const materialize::ValidatedBinding& binding = validated.bindings[i];
    for (const materialize::ProjectionConstraint& named : binding.projection_constraints) {
      if (!named.constraint)
        wrong(fmt::format("connector Validated binding {} has no constraint for field '{}'", i, named.field));
      check_constraint(i, named.field, *named.constraint);
    }
    if (!binding.projection_constraints.empty()) continue;
    for (const auto& [field, constraint] : binding.constraints) check_constraint(i, field, constraint);
  }
}

// ---- capture ----

void CaptureChecker::check_binding(std::uint32_t binding) const {
  if (binding >= bindings_) wrong(fmt::format("invalid captured binding {}", binding));
}

void CaptureChecker::output(const CaptureOutput& output) {
  if (output.opened) {
    if (opened_)
      wrong_message("Captured, SourcedSchema, or Checkpoint", to_json(capture::Response(*output.opened)));
    opened_ = true;
    explicit_acknowledgements_ = output.opened->explicit_acknowledgements;
  }
  for (const capture::SourcedSchema& schema : output.sourced_schemas) {
    if (!opened_) wrong_message("Opened", to_json(capture::Response(schema)));
    if (schema.binding >= bindings_) wrong(fmt::format("invalid sourced schema binding {}", schema.binding));
    if (schema.schema_json.empty())
      wrong(fmt::format("connector sent an empty sourced schema of binding {}", schema.binding));
    in_checkpoint_ = true;
  }
  for (std::size_t i = 0; i < output.documents.size(); ++i) {
    Batch::Document document = output.documents.doc(i);
    if (!opened_)
      wrong_message(
          "Opened",
          to_json(capture::Response(capture::Captured{document.binding, std::string(document.json)})));
    check_binding(document.binding);
    if (document.json.empty())
      wrong(fmt::format("connector captured an empty document of binding {}", document.binding));
    in_checkpoint_ = true;
  }
  if (!output.checkpoint) return;
  capture::CheckpointMessage message{output.checkpoint};
  if (!opened_) wrong_message("Opened", to_json(capture::Response(std::move(message))));
  if (output.checkpoint->updated_json.empty())
    wrong_message("Checkpoint with an updated state", to_json(capture::Response(std::move(message))));
  in_checkpoint_ = false;
}

void CaptureChecker::end() const {
  if (!opened_) wrong_end("Opened");
  if (in_checkpoint_) wrong("unexpected capture connector EOF while within a checkpoint");
}

// ---- materialize ----

namespace {

std::string to_json(const MaterializeOutput& output) {
  auto response = [](const auto& message) -> materialize::Response {
    if constexpr (std::is_same_v<decltype(message), const LoadedDocuments&>) {
      materialize::Loaded loaded;
      if (!message.documents.empty()) {
        loaded.binding = message.documents.doc(0).binding;
        loaded.doc_json = message.documents.doc(0).json;
      }
      return loaded;
    } else {
      return message;
    }
  };
  return protocol::to_json(std::visit(response, output.value));
}

}  // namespace

const char* MaterializeChecker::expected() const {
  if (stopped_) return state_ == State::transaction && !acknowledged_ ? "Acknowledged or EOF" : "EOF";
  switch (state_) {
    case State::opening:
      return "Opened";
    case State::idle:
      return "no response before Acknowledge";
    case State::transaction:
      return acknowledged_ ? "Loaded or Flushed" : "Acknowledged";
    case State::storing:
      return "no response before StartCommit";
    case State::committing:
      return "StartedCommit";
  }
  return "";
}

void MaterializeChecker::unexpected(const MaterializeOutput& output) const {
  wrong_message(expected(), to_json(output));
}

void MaterializeChecker::request(const MaterializeInput& input) {
  SLUICE_CHECK(!stopped_ && state_ != State::opening);
  if (std::holds_alternative<materialize::Acknowledge>(input.value)) {
    SLUICE_CHECK(state_ == State::idle);
    state_ = State::transaction;
    acknowledged_ = loads_ = flush_ = false;
  } else if (std::holds_alternative<Loads>(input.value)) {
    SLUICE_CHECK(state_ == State::transaction && !flush_);
    loads_ = true;
  } else if (std::holds_alternative<materialize::Flush>(input.value)) {
    SLUICE_CHECK(state_ == State::transaction && acknowledged_ && !flush_);
    flush_ = true;
  } else if (std::holds_alternative<StoreBatch>(input.value)) {
    SLUICE_CHECK(state_ == State::storing);
  } else {
    SLUICE_CHECK(state_ == State::storing);
    state_ = State::committing;
  }
}

void MaterializeChecker::stop() {
  SLUICE_CHECK(state_ == State::opening || state_ == State::idle ||
               (state_ == State::transaction && !loads_ && !flush_));
  stopped_ = true;
}

void MaterializeChecker::response(const MaterializeOutput& output) {
  if (state_ == State::storing) wrong("no response or EOF during Store phase");
  if (std::holds_alternative<materialize::Opened>(output.value)) {
    if (state_ != State::opening) unexpected(output);
    state_ = State::idle;
  } else if (std::holds_alternative<materialize::StartedCommit>(output.value)) {
    if (state_ != State::committing) unexpected(output);
    state_ = State::idle;
  } else if (state_ != State::transaction) {
    unexpected(output);
  } else if (std::holds_alternative<materialize::Acknowledged>(output.value)) {
    acknowledged();
  } else if (stopped_) {
    unexpected(output);
  } else if (auto* documents = std::get_if<LoadedDocuments>(&output.value)) {
    loaded(documents->documents);
  } else {
    flushed();
  }
}

void MaterializeChecker::acknowledged() {
  if (acknowledged_) wrong("connector sent duplicate Acknowledge");
  acknowledged_ = true;
}

void MaterializeChecker::loaded(const Batch& documents) const {
  if (!acknowledged_) wrong("connector sent Loaded before Acknowledged");
  for (std::size_t i = 0; i < documents.size(); ++i) {
    Batch::Document document = documents.doc(i);
    if (document.binding >= bindings_) wrong(fmt::format("invalid loaded binding {}", document.binding));
    if (document.json.empty())
      wrong(fmt::format("connector loaded an empty document of binding {}", document.binding));
  }
}

void MaterializeChecker::flushed() {
  if (!acknowledged_) wrong("connector sent Flushed before Acknowledged");
  if (!flush_) wrong("connector sent Flushed before Flush");
  state_ = State::storing;
}

void MaterializeChecker::end() const {
  if (state_ == State::storing) wrong("no response or EOF during Store phase");
  if (state_ == State::opening) wrong_end("Opened");
  if (!stopped_) wrong_end(state_ == State::idle ? "Acknowledge" : expected());
}

}  // namespace sluice::protocol
