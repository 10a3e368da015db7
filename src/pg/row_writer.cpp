#include <algorithm>

#include "json_text.hpp"
#include "sluice/base/error.hpp"
#include "sluice/pg/types.hpp"

namespace sluice::pg {
namespace {

constexpr std::string_view meta_name = "_meta";
constexpr std::size_t is_meta = ~std::size_t{0};

// A property in the order of the document.
struct Slot {
  std::string prefix;  // `,"name":`
  std::size_t column = is_meta;
};

}  // namespace

struct RowWriter::Impl {
  std::vector<RowColumn> columns;
  std::vector<Transcoder> transcoders;  // of columns, in their order
  std::vector<Slot> slots;
};

RowWriter::RowWriter(const TypeCatalog& types, std::vector<RowColumn> columns, const ValueOptions& options)
    : impl_(std::make_unique<Impl>()) {
  for (const RowColumn& column : columns)
    impl_->transcoders.emplace_back(types, column.type, column.key, options);
  std::vector<std::pair<std::string_view, std::size_t>> order = {{meta_name, is_meta}};
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i].captured) order.emplace_back(columns[i].name, i);
  std::ranges::sort(order);
  for (auto [name, column] : order) {
    Slot slot{",", column};
    append_string(slot.prefix, name, nullptr);
    slot.prefix += ':';
    impl_->slots.push_back(std::move(slot));
  }
  impl_->columns = std::move(columns);
}

RowWriter::RowWriter(RowWriter&&) noexcept = default;
RowWriter& RowWriter::operator=(RowWriter&&) noexcept = default;
RowWriter::~RowWriter() = default;

const std::vector<RowColumn>& RowWriter::columns() const { return impl_->columns; }

void RowWriter::append(std::string& out, const Field* fields, std::size_t count,
                       std::string_view meta) const {
  if (count != impl_->columns.size())
    throw Error(Error::Kind::transient,
                fmt::format("a row has {} values and its table {} columns", count, impl_->columns.size()));
  std::size_t comma = 1;  // how much of a prefix to leave out
  out += '{';
  for (const Slot& slot : impl_->slots) {
    const Field* field = slot.column == is_meta ? nullptr : &fields[slot.column];
    bool omitted = field ? field->state == Field::State::omitted : meta.empty();
    if (omitted) continue;
    out.append(slot.prefix.data() + comma, slot.prefix.size() - comma);
    comma = 0;
    if (!field) {
      out += meta;
    } else if (field->state == Field::State::null) {
      out += "null";
    } else {
      try {
        impl_->transcoders[slot.column].append(out, field->text);
      } catch (Error& e) {
        e.add("column " + quote_identifier(impl_->columns[slot.column].name));
        throw;
      }
    }
  }
  out += '}';
}

}  // namespace sluice::pg
