// Temporaries that GCC 12 destroys twice when their statement contains co_await.
#include "probe.hpp"

Task<> bad_closure(std::string text) {
  co_await run([t = std::move(text)] { return t.size(); });  // wrong
}
Task<> bad_closure_beside(std::string text) {
  consume(co_await number(), [t = std::move(text)] { return t.size(); });  // wrong
}
Task<> bad_designated(std::string text) {
  co_await open({.path = std::move(text)});  // wrong
}
Task<> bad_braced(std::string text) {
  co_await open(Options{std::move(text)});  // wrong
}
Task<> bad_list() {
  co_await open_all({"a", "b"});  // wrong
}
Task<> bad_aggregate() {
  Options options{co_await text()};  // wrong
  use(int(options.path.size()));
}
Task<> bad_array() {
  std::string both[] = {co_await text(), co_await text()};  // wrong
  use(int(both[0].size()));
}
Task<> bad_conditional(bool yes) {
  std::string value = yes ? co_await text() : std::string();  // wrong
  use(int(value.size()));
}
Task<> bad_conditional_argument(bool yes) {
  std::string a = "a";
  co_await take(yes ? a : std::string("b"));  // wrong
}
Task<> bad_conditional_pointer(bool yes) {
  auto a = std::make_shared<int>(1);
  co_await share(yes ? a : nullptr);  // wrong
}
Task<> bad_throw() {
  int n = 0;
  throw std::runtime_error(co_await text());  // wrong
  use(n);
}
Task<> bad_capture() {
  auto size = [t = co_await text()] { return t.size(); };  // wrong
  use(int(size()));
}

Task<> good_reference_closure(std::string text) {
  co_await run([&] { return text.size(); });
}
Task<> good_named_closure(std::string text) {
  auto size = [t = std::move(text)] { return t.size(); };
  co_await run(size);
}
Task<> good_named_aggregate(std::string text) {
  Options options{.path = std::move(text)};
  co_await open(std::move(options));
}
Task<> good_trivial_aggregate() { co_await place(Point{1, 2}); }
Task<> good_conversions() {
  co_await take("converted");
  co_await take(std::string("a temporary with a constructor"));
  co_await take(co_await text());
  use(int((co_await text()).size()));
}
Task<> good_declarations() {
  std::string value = co_await text();
  value += co_await text();
  auto [left, right] = co_await pair();
  for (char c : co_await text()) use(c);
  int numbers[] = {co_await number(), co_await number()};
  int either = value.empty() ? co_await number() : 2;
  use(numbers[0] + either + int(left.size() + right.size()));
}
Task<> good_trivial_conditional(bool yes) {
  co_await wait(yes ? std::chrono::milliseconds(10) : std::chrono::milliseconds(100));
}
Task<> good_conditional_of_names(bool yes) {
  std::string a = "a", b = "b";
  co_await take(yes ? a : b);
}
Task<> good_conditional_elsewhere(bool yes) {
  std::string value = yes ? std::string("a") : std::string("b");
  co_await take(std::move(value));
}
Task<> good_throw() {
  std::string what = co_await text();
  throw std::runtime_error(what);
}

void good_body_of_a_lambda() {
  drive([&](int n) -> Task<> {
    co_await place(Point{n, 2});
    Options options{.path = "a"};
    open(options);
    co_await open(std::move(options));
  }, {"a", "b"});
}
Task<> good_lambda_beside(bool yes) {
  co_await run([&]() -> Task<> {
    std::string value = yes ? "a" : std::string("b");
    open(Options{value});
    co_await pausing();
  });
}
