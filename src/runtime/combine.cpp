#include "sluice/runtime/combine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "combine_run.hpp"
#include "combine_table.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/short_text.hpp"
#include "sluice/base/text.hpp"
#include "sluice/data/packed.hpp"
#include "workshop.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t most_document_bytes = 1_GiB;
constexpr std::size_t most_runs_at_once = 32;

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
  bool add_by(Shortcut& shortcut, std::uint32_t binding);
  void add_parsed(std::uint32_t binding, bool front);
  // Is there a document of the key that this one is folded with, as it does not replace it?
  static bool folds(const CombineTable::Entry& entry, bool replaces);
  void put(CombineTable::Entry& entry, const DocumentView& document);
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
  Shortcut* shortcut = workshop.begin(binding, json);
  if (front || !shortcut || !add_by(*shortcut, binding)) add_parsed(binding, front);
  if (table.bytes() >= limit) spill();
  return key;
}

// False for a document that has to be folded.
bool Combiner::Impl::add_by(Shortcut& shortcut, std::uint32_t binding) {
  workshop.pack_key(binding, shortcut, key);
  CombineTable::Entry& entry = table.entry(binding, key);
  if (folds(entry, shortcut.replaces())) return false;
  DocumentView document = workshop.text(binding, shortcut);
  document.bits = shortcut.replaces() ? replaces_bit : 0;
  put(entry, document);
  return true;
}

bool Combiner::Impl::folds(const CombineTable::Entry& entry, bool replaces) {
  return entry.last != entry.first && !replaces;
}

void Combiner::Impl::put(CombineTable::Entry& entry, const DocumentView& document) {
  if (entry.last == entry.first)
    table.append(entry, document);
  else
    table.replace_last(entry, document);
}

void Combiner::Impl::add_parsed(std::uint32_t binding, bool front) {
  workshop.parse(binding);
  const json::Node* uuid =
      workshop[binding].placeholder && !front ? workshop.insert_placeholder(binding) : nullptr;
  workshop.pack_key(binding, key);
  if (front) {
    DocumentView document = workshop.text(nullptr);
    document.bits = front_bit;
    return table.set_front(table.entry(binding, key), document);
  }
  const Outcome& outcome = workshop.validate(binding);
  workshop.observe(binding);
  workshop.learn(binding, outcome);
  add_to(table.entry(binding, key), outcome, uuid);
}

// What folds is validated then, which finds its annotations; a document that stays alone needs none.
std::string_view Combiner::Impl::add_valid(std::uint32_t binding, std::string_view json) {
  check(binding, json);
  DocumentView document;
  if (!workshop.may_stay_unread(binding) || !workshop.scan(binding, json, key, document))
    return add(binding, json, false);
  CombineTable::Entry& entry = table.entry(binding, key);
  if (!workshop[binding].schema.reduces()) document.bits = replaces_bit;
  if (folds(entry, document.bits & replaces_bit)) return add(binding, json, false);
  put(entry, document);
  if (table.bytes() >= limit) spill();
  return key;
}

// The first document of a key stays alone, as it is not known what may stand before it: a stored document, or
// one in a run. The others fold into one.
void Combiner::Impl::add_to(CombineTable::Entry& entry, const Outcome& outcome, const json::Node* uuid) {
  bool replaces = Reducer::takes_rhs(outcome);
  auto redact = static_cast<std::uint8_t>(outcome.redacts() ? redact_bit : 0);
  if (!folds(entry, replaces)) {
    DocumentView document = workshop.text(uuid);
    document.bits = static_cast<std::uint8_t>((replaces ? replaces_bit : 0) | redact);
    return put(entry, document);
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
  table.clear(limit / 2);
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
  out.values = held->document.values;
  out.uuid_at = held->document.uuid_at ? held->document.uuid_at : std::string_view::npos;
  return &out;
}

void Combiner::Impl::clear() {
  draining.reset();
  runs.clear();
  table.clear(limit / 2);
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
json::Layouts& Combiner::layouts(std::uint32_t binding) { return impl_->workshop.layouts(binding); }
bool Combiner::empty() const { return impl_->table.size() == 0 && impl_->runs.empty() && !impl_->draining; }
std::size_t Combiner::bytes() const { return impl_->table.bytes(); }
std::size_t Combiner::capacity() const { return impl_->limit; }
std::size_t Combiner::spilled_bytes() const { return impl_->spilled_bytes; }

}  // namespace sluice::runtime
