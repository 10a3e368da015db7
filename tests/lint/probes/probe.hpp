// What the probes call. Nothing here runs: they are only parsed by the lint.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "sluice/async/task.hpp"

using sluice::Task;

struct Options {
  std::string path;
};
struct Point {
  int x, y;
};
struct Traced {
  ~Traced() {}
};

Task<> pausing();
Task<bool> flag();
Task<std::optional<Traced>> maybe();
Task<int> number();
Task<std::string> text();
Task<std::pair<std::string, std::string>> pair();
Task<> open(Options options);
Task<> open_all(std::vector<std::string> paths);
Task<> place(Point point);
Task<> take(std::string text);
Task<> share(std::shared_ptr<int> number);
Task<> wait(std::chrono::milliseconds time);
template <class F>
Task<> run(F f) {
  f();
  co_return;
}
template <class F>
void consume(int, F f) {
  f();
}
template <class F>
void drive(F f, std::vector<std::string>) {
  f(1);
}
void use(int n);
