#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

// How a configuration struct declares its properties:
//
//   struct Advanced {
//     int chunk_rows = 50'000;
//     static constexpr auto fields() {
//       return std::tuple{config::field("chunkRows", &Advanced::chunk_rows).title("Rows per
//       Query").minimum(1)};
//     }
//   };
//
// Members may be std::string, Secret, bool, integers, floating point, std::chrono durations ("1h30m"), enums
// with choices(), Json, types with `static T parse(std::string_view)` and `std::string text() const`, structs
// with fields(), std::vector, std::map<std::string, …>, std::optional and std::variant of any of these. A
// property is optional and its default is the member's initial value unless it is declared otherwise.
namespace sluice::config {

// One allowed text of an enum, in `constexpr auto choices(E)`, which is found beside the enum:
//   constexpr auto choices(Mode) { return std::array{choice("skip", Mode::skip), choice("", Mode::none)}; }
// With titles the schema offers a list of titled constants instead of a plain `enum`.
template <class E>
struct Choice {
  std::string_view text;
  E value;
  std::string_view title = {}, help = {};
};
template <class E>
constexpr Choice<E> choice(std::string_view text, E value, std::string_view title = {},
                           std::string_view help = {}) {
  return {text, value, title, help};
}

// An annotation whose value is JSON text.
struct Extension {
  std::string_view name, json;
};

// What is declared about one property beyond its type. Texts are literals.
struct Notes {
  std::string_view title, help, pattern, item_pattern, format, constant, discriminator, nullable_title;
  std::string_view default_json, examples_json, schema_json;
  std::span<const std::string_view> one_of;
  std::array<std::string_view, 2> aliases{};
  std::array<Extension, 4> extensions{};
  std::optional<int> order;
  std::optional<std::int64_t> minimum, maximum;
  std::uint8_t alias_count = 0, extension_count = 0;
  bool required = false, schema_required = false, hidden = false, secret = false, multiline = false;
  bool advanced = false, nonsensitive = false, read_only = false, nullable = false, no_default = false;
  bool tag_required = false;
};

template <class Owner, class T>
class Field {
 public:
  constexpr Field(std::string_view key, T Owner::* member) : key_(key), member_(member) {}

  constexpr Field title(std::string_view text) const { return with(&Notes::title, text); }
  // The schema's description: a sentence that ends with a period.
  constexpr Field help(std::string_view text) const { return with(&Notes::help, text); }
  // Position in the user interface.
  constexpr Field order(int position) const { return with(&Notes::order, std::optional(position)); }
  // Must be given, strings not empty; a property whose default is shown in the schema may be left out.
  constexpr Field required() const { return with(&Notes::required, true).schema_required(); }
  // Listed as required in the schema, while parsing leaves the decision to validate().
  constexpr Field schema_required() const { return with(&Notes::schema_required, true); }
  // Accepted when parsing, absent from the schema.
  constexpr Field hidden() const { return with(&Notes::hidden, true); }
  // Members of type Secret are secret by themselves; this is for others that must not be printed.
  constexpr Field secret() const { return with(&Notes::secret, true); }
  constexpr Field multiline() const { return with(&Notes::multiline, true); }
  // Collapsed in the user interface.
  constexpr Field advanced() const { return with(&Notes::advanced, true); }
  // May be changed without encrypting the document again: connection, TLS and naming settings never carry it.
  constexpr Field nonsensitive() const { return with(&Notes::nonsensitive, true); }
  constexpr Field read_only() const { return with(&Notes::read_only, true); }
  // RE2 syntax, unanchored as in JSON Schema. An empty string counts as unset and always passes.
  constexpr Field pattern(std::string_view regex) const { return with(&Notes::pattern, regex); }
  // The same for each item of a list of strings.
  constexpr Field item_pattern(std::string_view regex) const { return with(&Notes::item_pattern, regex); }
  constexpr Field minimum(std::int64_t bound) const { return with(&Notes::minimum, std::optional(bound)); }
  constexpr Field maximum(std::int64_t bound) const { return with(&Notes::maximum, std::optional(bound)); }
  constexpr Field format(std::string_view name) const { return with(&Notes::format, name); }
  // The only accepted string.
  constexpr Field constant(std::string_view text) const { return with(&Notes::constant, text); }
  // The accepted strings, for members that are no enum; `texts` is static.
  constexpr Field one_of(std::span<const std::string_view> texts) const {
    return with(&Notes::one_of, texts);
  }
  // Shows null as a value of an optional. Null is read as absence for every property that is not required.
  constexpr Field nullable(std::string_view title = {}) const {
    return with(&Notes::nullable, true).with(&Notes::nullable_title, title);
  }
  // The property of a std::variant that selects the alternative by its About::tag. Without one the first
  // alternative whose properties fit is taken. `tag_required` lists it in each arm's `required`.
  constexpr Field discriminator(std::string_view property, bool tag_required = false) const {
    return with(&Notes::discriminator, property).with(&Notes::tag_required, tag_required);
  }
  // Shown as the default in the schema in place of the member's initial value, which parsing still uses.
  constexpr Field default_json(std::string_view json) const { return with(&Notes::default_json, json); }
  constexpr Field no_default() const { return with(&Notes::no_default, true); }
  constexpr Field examples_json(std::string_view json) const { return with(&Notes::examples_json, json); }
  // A schema object whose members are used in place of the generated type, properties and items.
  constexpr Field schema_json(std::string_view json) const { return with(&Notes::schema_json, json); }
  // A former name that is still read. At most two.
  constexpr Field alias(std::string_view key) const {
    Field copy = *this;
    copy.notes_.aliases.at(copy.notes_.alias_count++) = key;
    return copy;
  }
  // Any other annotation, such as extension("x-collection-name"). At most four.
  constexpr Field extension(std::string_view name, std::string_view json = "true") const {
    Field copy = *this;
    copy.notes_.extensions.at(copy.notes_.extension_count++) = {name, json};
    return copy;
  }

  constexpr std::string_view key() const { return key_; }
  constexpr T Owner::* member() const { return member_; }
  constexpr const Notes& notes() const { return notes_; }

 private:
  template <class V>
  constexpr Field with(V Notes::* note, V value) const {
    Field copy = *this;
    copy.notes_.*note = value;
    return copy;
  }

  std::string_view key_;
  T Owner::* member_;
  Notes notes_;
};

template <class Owner, class T>
constexpr Field<Owner, T> field(std::string_view key, T Owner::* member) {
  return {key, member};
}

// What is declared about a struct itself: `static constexpr auto about = config::about("Password");`
struct About {
  std::string_view title_text, help_text, tag_text;
  std::array<Extension, 4> extensions{};
  std::uint8_t extension_count = 0;
  bool is_open = false;

  constexpr About help(std::string_view text) const {
    About copy = *this;
    copy.help_text = text;
    return copy;
  }
  // The value of the discriminator that selects this alternative of a variant.
  constexpr About tag(std::string_view text) const {
    About copy = *this;
    copy.tag_text = text;
    return copy;
  }
  constexpr About extension(std::string_view name, std::string_view json = "true") const {
    About copy = *this;
    copy.extensions.at(copy.extension_count++) = {name, json};
    return copy;
  }
  // Unknown properties are ignored instead of refused.
  constexpr About open() const {
    About copy = *this;
    copy.is_open = true;
    return copy;
  }
};
constexpr About about(std::string_view title) { return About{.title_text = title}; }

}  // namespace sluice::config
