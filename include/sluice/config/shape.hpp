#pragma once
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "sluice/base/secret.hpp"
#include "sluice/config/duration.hpp"
#include "sluice/config/field.hpp"

// The description of a configuration type without its type: what the compiled code of the module walks.
namespace sluice::config {

// A property of any JSON value, kept as its text.
struct Json {
  std::string text;
  friend bool operator==(const Json&, const Json&) = default;
};

struct Shape;

struct Property {
  std::string_view key;
  Notes notes;
  const Shape* shape;
  std::size_t offset;  // of the member in its owner

  void* in(void* owner) const { return static_cast<char*>(owner) + offset; }
  const void* in(const void* owner) const { return static_cast<const char*>(owner) + offset; }
};

struct ChoiceText {
  std::string_view text, title, help;
};

// One type. Only the members that its kind needs are set.
struct Shape {
  enum class Kind : std::uint8_t {
    string,
    secret,
    boolean,
    integer,
    number,
    text,
    choice,
    json,
    optional,
    array,
    map,
    object,
    variant,
    none,
  };
  using Visit = void (*)(void* context, std::string_view key, const void* item);

  Kind kind = Kind::none;
  std::shared_ptr<void> (*make)() = nullptr;  // a default value

  std::uint8_t width = 0;  // integer, number: bytes
  bool is_signed = false;

  std::string_view noun;  // text: what is expected, "a duration such as 1h30m"
  void (*parse)(void* self, std::string_view) = nullptr;
  std::string (*write)(const void* self) = nullptr;

  std::vector<ChoiceText> choices;
  void (*choose)(void* self, std::size_t) = nullptr;
  std::size_t (*chosen)(const void* self) = nullptr;

  const Shape* item = nullptr;                               // optional, array, map
  void* (*add)(void* self, std::string_view key) = nullptr;  // the new or replaced item, its default value
  void (*clear)(void* self) = nullptr;
  void (*each)(const void* self, Visit, void* context) = nullptr;

  std::vector<Property> properties;  // object
  About about;
  void (*validate)(void* self) = nullptr;

  std::vector<const Shape*> alternatives;  // variant
  void* (*select)(void* self, std::size_t) = nullptr;
  std::size_t (*selected)(const void* self) = nullptr;
  const void* (*value)(const void* self) = nullptr;
};

template <class T>
const Shape& shape_of();

namespace detail {

template <class T>
concept Described = requires { T::fields(); };
template <class T>
concept Enumerated = std::is_enum_v<T> && requires(T value) { choices(value); };
template <class T>
concept Textual = requires(const T& value, std::string_view text) {
  { T::parse(text) } -> std::convertible_to<T>;
  { value.text() } -> std::convertible_to<std::string>;
};

template <class T>
struct Always : std::false_type {};

template <class T>
T& self(void* p) {
  return *static_cast<T*>(p);
}
template <class T>
const T& self(const void* p) {
  return *static_cast<const T*>(p);
}

// Fills in what one kind of type needs; one overload set so that containers nest.
template <class T>
struct Describe {
  static void fill(Shape& shape) {
    if constexpr (Described<T>) {
      object(shape);
    } else if constexpr (Enumerated<T>) {
      enumeration(shape);
    } else if constexpr (Textual<T>) {
      shape.kind = Shape::Kind::text;
      if constexpr (requires { T::noun; }) shape.noun = T::noun;
      shape.parse = [](void* p, std::string_view text) { self<T>(p) = T::parse(text); };
      shape.write = [](const void* p) { return std::string(self<T>(p).text()); };
    } else if constexpr (std::integral<T>) {
      shape.kind = Shape::Kind::integer;
      shape.width = sizeof(T);
      shape.is_signed = std::is_signed_v<T>;
    } else if constexpr (std::floating_point<T>) {
      static_assert(std::same_as<T, float> || std::same_as<T, double>);
      shape.kind = Shape::Kind::number;
      shape.width = sizeof(T);
    } else {
      static_assert(Always<T>::value, "config: this type of member is not supported, see field.hpp");
    }
  }

 private:
  static void object(Shape& shape) {
    shape.kind = Shape::Kind::object;
    if constexpr (requires { T::about; }) shape.about = T::about;
    if constexpr (requires(T& value) { value.validate(); })
      shape.validate = [](void* p) { self<T>(p).validate(); };
    T sample{};
    auto add = [&](const auto& field) {
      auto& member = sample.*(field.member());
      auto offset = reinterpret_cast<const char*>(&member) - reinterpret_cast<const char*>(&sample);
      using Member = std::remove_cvref_t<decltype(member)>;
      shape.properties.push_back({field.key(), field.notes(), &shape_of<Member>(), std::size_t(offset)});
    };
    std::apply([&](const auto&... field) { (add(field), ...); }, T::fields());
  }

  static void enumeration(Shape& shape) {
    shape.kind = Shape::Kind::choice;
    for (const auto& c : choices(T{})) shape.choices.push_back({c.text, c.title, c.help});
    shape.choose = [](void* p, std::size_t i) { self<T>(p) = choices(T{})[i].value; };
    shape.chosen = [](const void* p) {
      std::size_t i = 0;
      auto all = choices(T{});
      while (i < all.size() && all[i].value != self<T>(p)) ++i;
      return i;
    };
  }
};

template <Shape::Kind K>
struct Plain {
  static void fill(Shape& shape) { shape.kind = K; }
};
template <>
struct Describe<std::string> : Plain<Shape::Kind::string> {};
template <>
struct Describe<Secret> : Plain<Shape::Kind::secret> {};
template <>
struct Describe<bool> : Plain<Shape::Kind::boolean> {};
template <>
struct Describe<Json> : Plain<Shape::Kind::json> {};
template <>
struct Describe<std::monostate> : Plain<Shape::Kind::none> {};

template <class Rep, class Period>
struct Describe<std::chrono::duration<Rep, Period>> {
  using T = std::chrono::duration<Rep, Period>;
  static void fill(Shape& shape) {
    shape.kind = Shape::Kind::text;
    shape.noun = "a duration such as \"1h30m\" or \"500ms\"";
    shape.parse = [](void* p, std::string_view text) {
      constexpr auto unit = std::chrono::duration_cast<std::chrono::nanoseconds>(T{1});
      self<T>(p) = std::chrono::duration_cast<T>(parse_duration(text, unit));
    };
    shape.write = [](const void* p) {
      return write_duration(std::chrono::duration_cast<std::chrono::nanoseconds>(self<T>(p)));
    };
  }
};

template <class V>
struct Describe<std::optional<V>> {
  using T = std::optional<V>;
  static void fill(Shape& shape) {
    shape.kind = Shape::Kind::optional;
    shape.item = &shape_of<V>();
    shape.add = [](void* p, std::string_view) -> void* { return &self<T>(p).emplace(); };
    shape.clear = [](void* p) { self<T>(p).reset(); };
    shape.each = [](const void* p, Shape::Visit visit, void* context) {
      if (self<T>(p)) visit(context, {}, &*self<T>(p));
    };
  }
};

template <class V>
struct Describe<std::vector<V>> {
  static_assert(!std::same_as<V, bool>, "config: std::vector<bool> has no addressable items");
  using T = std::vector<V>;
  static void fill(Shape& shape) {
    shape.kind = Shape::Kind::array;
    shape.item = &shape_of<V>();
    shape.add = [](void* p, std::string_view) -> void* { return &self<T>(p).emplace_back(); };
    shape.clear = [](void* p) { self<T>(p).clear(); };
    shape.each = [](const void* p, Shape::Visit visit, void* context) {
      for (const V& item : self<T>(p)) visit(context, {}, &item);
    };
  }
};

template <class V>
struct Describe<std::map<std::string, V>> {
  using T = std::map<std::string, V>;
  static void fill(Shape& shape) {
    shape.kind = Shape::Kind::map;
    shape.item = &shape_of<V>();
    shape.add = [](void* p, std::string_view key) -> void* { return &(self<T>(p)[std::string(key)] = V{}); };
    shape.clear = [](void* p) { self<T>(p).clear(); };
    shape.each = [](const void* p, Shape::Visit visit, void* context) {
      for (const auto& [key, item] : self<T>(p)) visit(context, key, &item);
    };
  }
};

template <class... V>
struct Describe<std::variant<V...>> {
  using T = std::variant<V...>;
  static_assert(((Described<V> || std::same_as<V, std::monostate>) && ...),
                "config: the alternatives of a variant are structs with fields(), or std::monostate");
  static void fill(Shape& shape) {
    shape.kind = Shape::Kind::variant;
    shape.alternatives = {&shape_of<V>()...};
    shape.select = [](void* p, std::size_t i) -> void* {
      using Emplace = void* (*)(T&);
      static constexpr Emplace emplace[] = {[](T& v) -> void* { return &v.template emplace<V>(); }...};
      return emplace[i](self<T>(p));
    };
    shape.selected = [](const void* p) { return self<T>(p).index(); };
    shape.value = [](const void* p) {
      return std::visit([](const auto& v) -> const void* { return &v; }, self<T>(p));
    };
  }
};

}  // namespace detail

// Built at first use and kept.
template <class T>
const Shape& shape_of() {
  static const Shape shape = [] {
    Shape s;
    s.make = []() -> std::shared_ptr<void> { return std::make_shared<T>(); };
    detail::Describe<T>::fill(s);
    return s;
  }();
  return shape;
}

}  // namespace sluice::config
