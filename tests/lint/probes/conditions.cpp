// co_await in the condition of a coroutine that declares nothing: GCC 12 keeps the awaited frame on the stack.
#include "probe.hpp"

Task<> bad_if() {  // wrong
  if (co_await flag()) use(1);
}
Task<> bad_if_not(std::string) {  // wrong
  if (!co_await maybe()) co_return;
  use(1);
}
Task<> bad_else() {  // wrong
  if (co_await flag())
    use(1);
  else
    use(2);
}
Task<> bad_after_await() {  // wrong
  co_await pausing();
  if (co_await flag()) use(1);
}
Task<> bad_nested(int n) {  // wrong
  if (n == 0) {
    if (n == 0 && co_await flag()) use(1);
  }
}
Task<> bad_while() {  // wrong
  while (co_await maybe()) use(1);
}
Task<> bad_do() {  // wrong
  do use(1);
  while (co_await flag());
}
Task<> bad_for() {  // wrong
  for (;;)
    if (!co_await flag()) co_return;
}
Task<> bad_for_condition() {  // wrong
  for (; co_await flag();) use(1);
}
Task<> bad_switch() {  // wrong
  switch (int(co_await flag())) {
    case 1:
      use(1);
  }
}
Task<int> bad_value() {  // wrong
  if (co_await flag()) co_return 5;
  co_return 6;
}
Task<> bad_try() {  // wrong
  try {
    if (co_await flag()) use(1);
  } catch (...) {
    throw;
  }
}
Task<> bad_static_assert() {  // wrong
  static_assert(true);
  if (co_await flag()) use(1);
}
struct Object {
  Task<> bad_member() {  // wrong
    if (co_await flag()) use(n);
  }
  int n = 0;
};
template <class T>
Task<> bad_template(T t) {  // wrong
  if (co_await flag()) use(t);
}
template Task<> bad_template(int);

Task<> good_local() {
  int n = 1;
  if (co_await flag()) use(n);
}
Task<> good_local_inside() {
  if (co_await flag()) {
    int n = 1;
    use(n);
  }
}
Task<> good_while_declares() {
  while (auto item = co_await maybe()) use(1);
}
Task<> good_if_declares() {
  if (bool yes = co_await flag()) use(yes);
}
Task<> good_lambda() {
  if (co_await flag()) use(1);
  auto twice = [](int n) { return 2 * n; };
  use(twice(1));
}
Task<> good_range_for() {
  if (co_await flag()) use(1);
  for (char c : "ab") use(c);
}
Task<> good_catch_parameter() {
  try {
    if (co_await flag()) use(1);
  } catch (const int& e) {
    use(e);
  }
}
Task<> good_await_in_branch(int n) {
  if (n == 0) co_await pausing();
}
Task<int> good_conditional() { co_return co_await flag() ? 1 : 2; }
Task<bool> good_and() { co_return co_await flag() && co_await flag(); }
