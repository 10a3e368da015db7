#include "sluice/runtime/combine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "combine_run.hpp"
#include "combine_table.hpp"
#include "redact.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/short_text.hpp"
#include "sluice/base/text.hpp"
#include "sluice/data/packed.hpp"
#include "sluice/json/layouts.hpp"
#include "sluice/json/locations.hpp"
#include "sluice/json/write.hpp"
#include "sluice/runtime/inference.hpp"
#include "sluice/runtime/uuid.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t most_document_bytes = 1_GiB;
constexpr std::size_t shown_bytes = 4_KiB;  // of a document in an error
constexpr std::size_t most_runs_at_once = 32;
// Some tens of KiB each, of wide tables; where there are more bindings they share them.
constexpr std::size_t most_layouts = 64;

const std::string placeholder_json = '"' + std::string(uuid_placeholder) + '"';
const std::string uuid_member = "\"uuid\":" + placeholder_json;
const std::string meta_member = "\"_meta\":{" + uuid_member + '}';

// The documents of the table in the order of its keys.
class TableCursor {
 public:
  explicit TableCursor(CombineTable& table) : order_(&table.sort()) {}

  bool next() {
    if (document_) document_ = document_ == entry().front ? entry().first : document_->next;
    while (!document_) {
      if (++at_ == order_->size()) return false;
      document_ = entry().front ? entry().front : entry().first;
    }
    view_ = document_->view();
    return true;
  }
  std::uint32_t binding() const { return entry().binding; }
  std::string_view key() const { return entry().key(); }
  const DocumentView& document() const { return view_; }

 private:
  const CombineTable::Entry& entry() const { return *(*order_)[at_].entry; }

  const std::vector<CombineTable::Place>* order_;
  std::size_t at_ = static_cast<std::size_t>(-1);
  const CombineTable::Document* document_ = nullptr;
  DocumentView view_;
};

class Source {
 public:
  explicit Source(CombineTable& table) : from_(TableCursor(table)) {}
  explicit Source(RunReader reader) : from_(std::move(reader)) {}

  bool next() {
    return std::visit([](auto& from) { return from.next(); }, from_);
  }
  std::uint32_t binding() const {
    return std::visit([](auto& from) { return from.binding(); }, from_);
  }
  std::string_view key() const {
    return std::visit([](auto& from) { return from.key(); }, from_);
  }
  const DocumentView& document() const {
    return std::visit([](auto& from) -> const DocumentView& { return from.document(); }, from_);
  }
  // Do views outlive next()?
  bool stable() const { return std::holds_alternative<TableCursor>(from_); }

 private:
  std::variant<TableCursor, RunReader> from_;
};

// Documents of several sources by (binding, key, front first, age of the source).
class Merge {
  auto later() const {
    return [this](std::size_t i, std::size_t j) {
      const Source &a = sources_[i], &b = sources_[j];
      if (a.binding() != b.binding()) return a.binding() > b.binding();
      if (auto order = a.key() <=> b.key(); order != 0) return order > 0;
      int front = (a.document().bits & front_bit) - (b.document().bits & front_bit);
      return front != 0 ? front < 0 : i > j;
    };
  }

 public:
  // `sources` from old to new.
  explicit Merge(std::vector<Source> sources) : sources_(std::move(sources)) {
    for (std::size_t i = 0; i < sources_.size(); ++i)
      if (sources_[i].next()) push(i);
  }

  // The next document's source, or null after the last.
  const Source* top() const { return heap_.empty() ? nullptr : &sources_[heap_.front()]; }
  void pop() {
    if (heap_.size() == 1) {
      if (!sources_[heap_.front()].next()) heap_.clear();
      return;
    }
    std::pop_heap(heap_.begin(), heap_.end(), later());
    std::size_t i = heap_.back();
    heap_.pop_back();
    if (sources_[i].next()) push(i);
  }

 private:
  void push(std::size_t i) {
    heap_.push_back(i);
    std::push_heap(heap_.begin(), heap_.end(), later());
  }
  std::vector<Source> sources_;
  std::vector<std::size_t> heap_;
};

// A document under way, in a buffer of its own unless its views last.
struct Held {
  DocumentView document;
  bool deleted = false;
  std::string buffer;

  void hold(const DocumentView& view, bool stable) {
    document = view;
    deleted = false;
    if (stable) return;
    buffer.assign(view.json);
    document.json = buffer;
  }
};

// The bindings and what parses, validates and folds their documents.
class Workshop {
 public:
  explicit Workshop(std::vector<CombineBinding> bindings) {
    for (CombineBinding& binding : bindings) {
      Validator validator(binding.schema);
      std::optional<Validator> former;
      if (binding.former) former.emplace(*binding.former);
      json::Locations key(binding.key);
      bindings_.push_back(
          {std::move(binding), std::move(validator), std::move(former), std::move(key), {}, 0});
    }
    layouts_.resize(std::clamp<std::size_t>(bindings_.size(), 1, most_layouts));
  }

  std::size_t size() const { return bindings_.size(); }
  const CombineBinding& operator[](std::uint32_t binding) const { return bindings_[binding].spec; }

  // Parses and validates. Throws unless the document is valid.
  const Outcome& check(std::uint32_t binding, std::string_view json) {
    parse(binding, json);
    return validate(binding);
  }
  void parse(std::uint32_t binding, std::string_view json);
  const Outcome& validate(std::uint32_t binding);
  const json::Tree& tree() const { return tree_; }
  // Lets inference see the parsed document, which is valid.
  void observe(std::uint32_t binding);

  // Of the parsed document.
  const json::Node* insert_placeholder(std::uint32_t binding);
  void pack_key(std::uint32_t binding, std::string& out);
  // Its canonical text, in the parsed text itself or in a buffer that the next fold or call overwrites.
  DocumentView text(const json::Node* uuid);

  // Is there nothing to do for a valid document that is not folded?
  bool may_stay_unread(std::uint32_t index) const {
    const CombineBinding& binding = bindings_[index].spec;
    return !binding.placeholder && !binding.inference && !binding.schema.redacts();
  }
  // The key of a canonical document. False if the document has to be parsed.
  bool scan_key(std::uint32_t binding, std::string_view json, std::string& out);

  // Folds the parsed document, of which `annotations` are, into `left`. Nothing if they do not associate.
  std::optional<Fold> fold_parsed(std::uint32_t binding, std::string_view left, const Outcome& annotations,
                                  Mode mode, std::string& out);
  // The same with a document of the table or a run. False if they do not associate.
  bool fold(std::uint32_t binding, Held& left, const DocumentView& right, bool stable, Mode mode);
  // Validates what was folded, and redacts.
  void complete(std::uint32_t binding, Held& held);
  // Redacts a document that leaves memory but is not complete.
  void redact(std::uint32_t binding, Held& held);

 private:
  struct Binding {
    CombineBinding spec;
    Validator validator;
    std::optional<Validator> former;
    json::Locations key;
    std::optional<NameCheck> names;  // from the first document on
    std::uint64_t known = 0;         // the structure of which `names` knew all names last
  };
  // A member that was put into an object of canonical text, and the text of it.
  struct Added {
    std::uint32_t object, node;
    const std::string* member;
  };
  DocumentView with(const Added& added);
  void pack_missing(const CombineBinding& spec, std::size_t location, std::string& out);
  [[noreturn]] void fail_validation(Binding& binding);
  void redact(Binding& binding, Held& held, const Outcome& outcome);
  std::uint32_t find_placeholder(const Binding& binding, const Held& held);

  std::vector<Binding> bindings_;
  std::vector<json::Layouts> layouts_;  // of binding i at i modulo their number
  Reducer reducer_;
  json::Tree tree_, default_;
  std::optional<Added> added_;  // to the parsed document, which was canonical
  json::Canonical canonical_;
  std::string scratch_;
  std::uint64_t structure_ = 0;  // of the parsed document, by the validator of its binding; 0: unknown
};

void Workshop::parse(std::uint32_t binding, std::string_view json) {
  added_.reset();
  try {
    tree_.parse(json, layouts_[binding % layouts_.size()]);
  } catch (Error& e) {
    e.add(bindings_[binding].spec.name + " document");
    throw;
  }
}

const Outcome& Workshop::validate(std::uint32_t index) {
  Binding& binding = bindings_[index];
  const Outcome* outcome = &binding.validator.validate(tree_);
  structure_ = outcome->structure();
  if (!outcome->valid() && binding.former) outcome = &binding.former->validate(tree_);
  if (!outcome->valid()) fail_validation(binding);
  return *outcome;
}

void Workshop::observe(std::uint32_t index) {
  Binding& binding = bindings_[index];
  Inference* inference = binding.spec.inference;
  if (!inference || (structure_ != 0 && structure_ == binding.known)) return;
  if (!binding.names) binding.names.emplace(inference->names());
  if (binding.names->knows(tree_))
    binding.known = structure_;
  else
    inference->widen(tree_);
}

// Takes the placeholder, which the source knows nothing of, out of a canonical document.
void remove_placeholder(std::string& json) {
  for (const std::string& member : {meta_member, uuid_member}) {
    std::size_t at = json.find(member), end = at + member.size();
    if (at == json.npos) continue;
    if (json[end] == ',')
      ++end;
    else if (json[at - 1] == ',')
      --at;
    json.erase(at, end - at);
    return;
  }
}

void Workshop::fail_validation(Binding& binding) {
  std::string json;
  canonical_.write(json, tree_, tree_.root());
  if (binding.spec.placeholder) remove_placeholder(json);
  std::string_view cut = text::cut_utf8(json, shown_bytes);
  throw Error(Error::Kind::config,
              fmt::format("{} document failed validation against its schema: {}{}: {}", binding.spec.name,
                          cut, cut.size() < json.size() ? "…" : "", binding.validator.explain(tree_)),
              "If its source has changed, discover it again to have the schema take the change over.");
}

const json::Node* Workshop::insert_placeholder(std::uint32_t binding) {
  if (tree_.root().kind != json::Kind::object)
    throw Error(Error::Kind::config, fmt::format("{} document is no object: {}", bindings_[binding].spec.name,
                                                 text::cut_utf8(tree_.root().raw, shown_bytes)));
  const json::Node* meta = tree_.find(tree_.root(), "_meta");
  if (meta && meta->kind != json::Kind::object && meta->kind != json::Kind::null)
    throw Error(
        Error::Kind::config,
        fmt::format("{} document has a '_meta' that is no object, so it cannot hold the document's UUID: {}",
                    bindings_[binding].spec.name, text::cut_utf8(meta->raw, shown_bytes)));
  if (meta && meta->kind == json::Kind::null) {
    tree_.erase(tree_.index(*meta));
    return insert_placeholder(binding);
  }
  std::uint32_t object = meta ? tree_.index(*meta) : 0;
  while (const json::Node* uuid = meta ? tree_.find(tree_[object], "uuid") : nullptr)
    tree_.erase(tree_.index(*uuid));
  bool canonical = tree_.root().canonical;
  if (!meta) object = tree_.insert(0, "_meta", json::Kind::object, "{}");
  std::uint32_t at = tree_.insert(object, "uuid", json::Kind::string, placeholder_json);
  if (canonical) added_ = meta ? Added{object, at, &uuid_member} : Added{0, object, &meta_member};
  return &tree_[at];
}

void Workshop::pack_key(std::uint32_t binding, std::string& out) {
  const CombineBinding& spec = bindings_[binding].spec;
  out.clear();
  for (std::size_t i = 0; i < spec.key.size(); ++i) {
    if (const json::Node* node = spec.key[i].find(tree_))
      data::pack(out, tree_, node);
    else
      pack_missing(spec, i, out);
  }
}

void Workshop::pack_missing(const CombineBinding& spec, std::size_t location, std::string& out) {
  if (location >= spec.defaults.size() || spec.defaults[location].empty()) return data::pack_null(out);
  default_.parse(spec.defaults[location]);
  data::pack(out, default_, &default_.root());
}

bool Workshop::scan_key(std::uint32_t index, std::string_view json, std::string& out) {
  Binding& binding = bindings_[index];
  if (!binding.key.scan(json)) return false;
  out.clear();
  for (std::size_t i = 0; i < binding.key.size(); ++i) {
    if (const json::Node* node = binding.key[i])
      data::pack_canonical(out, *node);
    else
      pack_missing(binding.spec, i, out);
  }
  return true;
}

DocumentView Workshop::text(const json::Node* uuid) {
  if (tree_.root().canonical) return {tree_.root().raw};
  if (uuid && added_) return with(*added_);
  scratch_.clear();
  std::size_t at = canonical_.write(scratch_, tree_, tree_.root(), uuid);
  return {scratch_, uuid ? static_cast<std::uint32_t>(at + 1) : 0};
}

DocumentView Workshop::with(const Added& added) {
  const json::Node& object = tree_[added.object];
  std::string_view text = tree_.root().raw;
  std::uint32_t next = tree_[added.node].end;
  bool last = next == object.end;
  const char* place = last ? object.raw.data() + object.raw.size() - 1 : tree_[next].key.data() - 1;
  auto at = static_cast<std::size_t>(place - text.data());
  scratch_.assign(text.substr(0, at));
  if (last && object.count > 1) scratch_ += ',';
  std::size_t uuid = scratch_.size() + added.member->find(uuid_placeholder);
  scratch_ += *added.member;
  if (!last) scratch_ += ',';
  scratch_ += text.substr(at);
  return {scratch_, static_cast<std::uint32_t>(uuid)};
}

std::optional<Fold> Workshop::fold_parsed(std::uint32_t binding, std::string_view left,
                                          const Outcome& annotations, Mode mode, std::string& out) {
  out.clear();
  try {
    Fold fold = reducer_.reduce(&left, tree_, annotations, mode, out);
    if (fold == Fold::not_associative) return {};
    return fold;
  } catch (Error& e) {
    e.add("combining " + bindings_[binding].spec.name);
    throw;
  }
}

bool Workshop::fold(std::uint32_t binding, Held& left, const DocumentView& right, bool stable, Mode mode) {
  auto front = static_cast<std::uint8_t>(left.document.bits & front_bit);
  if (right.bits & replaces_bit) {
    left.hold(right, stable);
    left.document.bits |= front;
    return true;
  }
  const Outcome& outcome = check(binding, right.json);
  auto fold = fold_parsed(binding, left.document.json, outcome, mode, scratch_);
  if (!fold) return false;
  auto redact = static_cast<std::uint8_t>((left.document.bits | right.bits) & redact_bit);
  left.buffer.swap(scratch_);
  left.document = {left.buffer, 0, static_cast<std::uint8_t>(front | redact | reduced_bit)};
  left.deleted = *fold == Fold::deleted;
  return true;
}

void Workshop::complete(std::uint32_t index, Held& held) {
  if (!(held.document.bits & (reduced_bit | redact_bit))) return;
  Binding& binding = bindings_[index];
  const Outcome& outcome = check(index, held.document.json);
  if (outcome.redacts())
    redact(binding, held, outcome);
  else if (binding.spec.placeholder)
    held.document.uuid_at = find_placeholder(binding, held);
  observe(index);
}

void Workshop::redact(std::uint32_t index, Held& held) {
  if (!(held.document.bits & redact_bit) || held.document.bits & front_bit) return;
  redact(bindings_[index], held, check(index, held.document.json));
}

void Workshop::redact(Binding& binding, Held& held, const Outcome& outcome) {
  scratch_.clear();
  write_redacted(scratch_, tree_, outcome, binding.spec.salt);
  held.buffer.swap(scratch_);
  held.document.json = held.buffer;
  tree_.parse(held.buffer);
  structure_ = 0;
  if (binding.spec.placeholder) held.document.uuid_at = find_placeholder(binding, held);
}

std::uint32_t Workshop::find_placeholder(const Binding& binding, const Held& held) {
  const json::Node* meta = tree_.find(tree_.root(), "_meta");
  const json::Node* uuid = meta ? tree_.find(*meta, "uuid") : nullptr;
  if (!uuid || uuid->text != uuid_placeholder)
    throw Error(Error::Kind::config,
                fmt::format("{} document lost its '/_meta/uuid' by reduction or redaction: {}",
                            binding.spec.name, text::cut_utf8(held.document.json, shown_bytes)),
                "Annotate neither /_meta nor /_meta/uuid with a strategy that removes or changes strings.");
  return static_cast<std::uint32_t>(uuid->text.data() - held.document.json.data());
}

// Folds the sorted documents of each key as far as the mode goes.
class Grouping {
 public:
  // Merging runs, `consolidate`, does what does not foreclose anything: the front document and the first one
  // after it are left alone.
  Grouping(Workshop& workshop, std::vector<Source> sources, bool consolidate)
      : workshop_(workshop), merge_(std::move(sources)), consolidate_(consolidate) {}

  // The next result, until the next call; null at the end.
  Held* next() {
    const Source* top = merge_.top();
    if (!top) return nullptr;
    if (!same(*top)) {
      start(*top);
      alone_ = consolidate_ || mode() == Mode::partial;
    } else {
      alone_ = consolidate_ && held_.document.bits & front_bit;
    }
    held_.hold(top->document(), top->stable());
    merge_.pop();
    while ((top = merge_.top()) && same(*top) && absorb(*top)) merge_.pop();
    return &held_;
  }
  std::uint32_t binding() const { return binding_; }
  std::string_view key() const { return key_; }

 private:
  Mode mode() const { return consolidate_ ? Mode::partial : workshop_[binding_].mode; }
  bool same(const Source& source) const {
    return started_ && source.binding() == binding_ && text::same(source.key(), key_);
  }
  void start(const Source& source) {
    started_ = true;
    binding_ = source.binding();
    key_ = source.key();
    if (source.stable()) return;
    key_buffer_.assign(key_);
    key_ = key_buffer_;
  }
  bool absorb(const Source& source) {
    const DocumentView& right = source.document();
    if (right.bits & front_bit) {  // a later answer of the store
      held_.hold(right, source.stable());
      return true;
    }
    return !alone_ && workshop_.fold(binding_, held_, right, source.stable(), mode());
  }

  Workshop& workshop_;
  Merge merge_;
  bool consolidate_;
  bool started_ = false;
  bool alone_ = false;  // nothing is folded into what is held
  std::uint32_t binding_ = 0;
  std::string_view key_;
  std::string key_buffer_;
  Held held_;
};

std::size_t runs_at_once(std::size_t budget_bytes) {
  return std::clamp<std::size_t>(budget_bytes / 8 / (2 * run_block_bytes), 2, most_runs_at_once);
}

}  // namespace

struct Combiner::Impl {
  Impl(std::vector<CombineBinding> bindings, std::size_t budget_bytes, std::filesystem::path f)
      : workshop(std::move(bindings)),
        table(std::clamp<std::size_t>(budget_bytes / 32, 4_KiB, 1_MiB)),
        limit(budget_bytes - budget_bytes / 8),
        fan_in(runs_at_once(budget_bytes)),
        folder(std::move(f)) {}

  void check(std::uint32_t binding, std::string_view json) const;
  std::string_view add(std::uint32_t binding, std::string_view json, bool front);
  std::string_view add_valid(std::uint32_t binding, std::string_view json);
  void add_to(CombineTable::Entry& entry, const Outcome& outcome, const json::Node* uuid);
  void spill();
  void merge_newest(std::size_t count);
  void merge_full_levels();
  void finish();
  const Combined* next();
  void clear();

  Workshop workshop;
  CombineTable table;
  std::size_t limit, fan_in;
  std::filesystem::path folder;
  RunCodec codec;
  std::vector<Run> runs;  // from old to new
  std::size_t spilled_bytes = 0;
  std::optional<Grouping> draining;
  std::string key, folded;
  Held redacted;
  Combined out;
};

void Combiner::Impl::check(std::uint32_t binding, std::string_view json) const {
  SLUICE_CHECK(!draining && binding < workshop.size());
  if (json.size() > most_document_bytes)
    throw Error(Error::Kind::config, fmt::format("{} document has {} bytes, more than 1 GiB",
                                                 workshop[binding].name, json.size()));
}

std::string_view Combiner::Impl::add(std::uint32_t binding, std::string_view json, bool front) {
  check(binding, json);
  workshop.parse(binding, json);
  const json::Node* uuid =
      workshop[binding].placeholder && !front ? workshop.insert_placeholder(binding) : nullptr;
  workshop.pack_key(binding, key);
  if (front) {
    DocumentView document = workshop.text(nullptr);
    document.bits = front_bit;
    table.set_front(table.entry(binding, key), document);
  } else {
    const Outcome& outcome = workshop.validate(binding);
    workshop.observe(binding);
    add_to(table.entry(binding, key), outcome, uuid);
  }
  if (table.bytes() >= limit) spill();
  return key;
}

// What folds is validated then, which finds its annotations; a document that stays alone needs none.
std::string_view Combiner::Impl::add_valid(std::uint32_t binding, std::string_view json) {
  check(binding, json);
  if (!workshop.may_stay_unread(binding) || !workshop.scan_key(binding, json, key))
    return add(binding, json, false);
  CombineTable::Entry& entry = table.entry(binding, key);
  DocumentView document{json};
  if (!workshop[binding].schema.reduces()) document.bits = replaces_bit;
  if (entry.last == entry.first)
    table.append(entry, document);
  else if (document.bits & replaces_bit)
    table.replace_last(entry, document);
  else
    return add(binding, json, false);
  if (table.bytes() >= limit) spill();
  return key;
}

// The first document of a key stays alone, as it is not known what may stand before it: a stored document, or
// one in a run. The others fold into one.
void Combiner::Impl::add_to(CombineTable::Entry& entry, const Outcome& outcome, const json::Node* uuid) {
  bool replaces = Reducer::takes_rhs(outcome);
  auto redact = static_cast<std::uint8_t>(outcome.redacts() ? redact_bit : 0);
  if (entry.last == entry.first || replaces) {
    DocumentView document = workshop.text(uuid);
    document.bits = static_cast<std::uint8_t>((replaces ? replaces_bit : 0) | redact);
    if (entry.last == entry.first) return table.append(entry, document);
    return table.replace_last(entry, document);
  }
  if (workshop.fold_parsed(entry.binding, entry.last->view().json, outcome, Mode::partial, folded)) {
    auto bits = static_cast<std::uint8_t>(reduced_bit | redact | (entry.last->bits & redact_bit));
    return table.replace_last(entry, {folded, 0, bits});
  }
  DocumentView document = workshop.text(uuid);
  document.bits = redact;
  table.append(entry, document);
}

void Combiner::Impl::spill() {
  RunWriter writer(codec, folder);
  for (TableCursor cursor(table); cursor.next();) {
    redacted.hold(cursor.document(), true);
    workshop.redact(cursor.binding(), redacted);
    writer.add(cursor.binding(), cursor.key(), redacted.document);
  }
  runs.push_back(writer.finish(0));
  spilled_bytes += runs.back().bytes();
  table.clear();
  merge_full_levels();
}

void Combiner::Impl::merge_full_levels() {
  while (runs.size() >= fan_in && runs[runs.size() - fan_in].level() == runs.back().level())
    merge_newest(fan_in);
}

void Combiner::Impl::merge_newest(std::size_t count) {
  auto first = runs.end() - static_cast<std::ptrdiff_t>(count);
  int level = first->level() + 1;
  std::vector<Source> sources;
  for (auto run = first; run != runs.end(); ++run) sources.emplace_back(RunReader(codec, std::move(*run)));
  runs.erase(first, runs.end());
  Grouping grouping(workshop, std::move(sources), true);
  RunWriter writer(codec, folder);
  while (const Held* held = grouping.next()) writer.add(grouping.binding(), grouping.key(), held->document);
  runs.push_back(writer.finish(level));
  spilled_bytes += runs.back().bytes();
}

void Combiner::Impl::finish() {
  SLUICE_CHECK(!draining);
  while (runs.size() > fan_in) merge_newest(std::min(fan_in, runs.size() - fan_in + 1));
  std::vector<Source> sources;
  for (Run& run : runs) sources.emplace_back(RunReader(codec, std::move(run)));
  runs.clear();
  if (table.size() > 0) sources.emplace_back(table);
  draining.emplace(workshop, std::move(sources), false);
}

const Combined* Combiner::Impl::next() {
  SLUICE_CHECK(draining);
  Held* held = draining->next();
  if (!held) {
    clear();
    return nullptr;
  }
  workshop.complete(draining->binding(), *held);
  out.binding = draining->binding();
  out.key = draining->key();
  out.json = held->document.json;
  out.front = held->document.bits & front_bit;
  out.deleted = held->deleted;
  out.uuid_at = held->document.uuid_at ? held->document.uuid_at : std::string_view::npos;
  return &out;
}

void Combiner::Impl::clear() {
  draining.reset();
  runs.clear();
  table.clear();
  spilled_bytes = 0;
}

Combiner::Combiner(std::vector<CombineBinding> bindings, std::size_t budget_bytes,
                   std::filesystem::path folder)
    : impl_(std::make_unique<Impl>(std::move(bindings), budget_bytes, std::move(folder))) {}
Combiner::~Combiner() = default;
Combiner::Combiner(Combiner&&) noexcept = default;
Combiner& Combiner::operator=(Combiner&&) noexcept = default;

std::string_view Combiner::add(std::uint32_t binding, std::string_view json, bool front) {
  return impl_->add(binding, json, front);
}
std::string_view Combiner::add_valid(std::uint32_t binding, std::string_view json) {
  return impl_->add_valid(binding, json);
}
void Combiner::finish() { impl_->finish(); }
const Combined* Combiner::next() { return impl_->next(); }
void Combiner::clear() { impl_->clear(); }
bool Combiner::empty() const { return impl_->table.size() == 0 && impl_->runs.empty() && !impl_->draining; }
std::size_t Combiner::bytes() const { return impl_->table.bytes(); }
std::size_t Combiner::capacity() const { return impl_->limit; }
std::size_t Combiner::spilled_bytes() const { return impl_->spilled_bytes; }

}  // namespace sluice::runtime
