#pragma once
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/async/channel.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/async/task.hpp"

// Pipelines in code: co_await (from(flow, list, folder) | through(parse, cpu) | into(write, target)).
//
// A stage is a plain coroutine function. The first takes its arguments and a Writer, the last its arguments
// and a Reader, one between both in this order; item types are read off these. Arguments are passed on as
// given: what a stage takes by reference must outlive the pipeline. Stages are joined by channels of
// `buffer_bytes` each and run as by all(): the first failure cancels the others and is rethrown.
namespace sluice {

struct FlowOptions {
  explicit FlowOptions(Executor loop, std::size_t buffer = std::size_t(8) << 20)
      : executor(std::move(loop)), buffer_bytes(buffer) {}
  Executor executor;
  std::size_t buffer_bytes;
};

namespace detail {

template <class F>
struct LastArgument;
template <class R, class... A>
struct LastArgument<R (*)(A...)> {
  using Type = std::tuple_element_t<sizeof...(A) - 1, std::tuple<A...>>;
};
// What the Writer that ends the stage's parameters carries.
template <class Stage>
using Produced = typename LastArgument<Stage>::Type::Item;

template <class Fn, class... A>
class Step {
 public:
  Step(Fn f, std::tuple<A...> a) : fn(f), arguments(std::move(a)) {}
  Fn fn;
  std::tuple<A...> arguments;
};
template <class Fn, class... A>
class Last {
 public:
  Last(Fn f, std::tuple<A...> a) : fn(f), arguments(std::move(a)) {}
  Fn fn;
  std::tuple<A...> arguments;
};

}  // namespace detail

// A composed pipeline that still lacks its last stage. Nothing runs before the whole is awaited.
template <class T>
class Flow {
 public:
  Flow(FlowOptions o, std::vector<Task<>> t, Reader<T> r)
      : options(std::move(o)), tasks(std::move(t)), out(std::move(r)) {}
  FlowOptions options;
  std::vector<Task<>> tasks;
  Reader<T> out;
};

template <class Fn, class... A>
auto from(FlowOptions options, Fn fn, A&&... arguments) {
  using T = detail::Produced<Fn>;
  auto [writer, reader] = channel<T>(options.executor, options.buffer_bytes);
  std::vector<Task<>> tasks;
  tasks.push_back(fn(std::forward<A>(arguments)..., std::move(writer)));
  return Flow<T>(std::move(options), std::move(tasks), std::move(reader));
}

template <class Fn, class... A>
detail::Step<Fn, A&&...> through(Fn fn, A&&... arguments) {
  return {fn, std::forward_as_tuple(std::forward<A>(arguments)...)};
}

template <class Fn, class... A>
detail::Last<Fn, A&&...> into(Fn fn, A&&... arguments) {
  return {fn, std::forward_as_tuple(std::forward<A>(arguments)...)};
}

template <class In, class Fn, class... A>
auto operator|(Flow<In> flow, detail::Step<Fn, A...> step) {
  using T = detail::Produced<Fn>;
  auto [writer, reader] = channel<T>(flow.options.executor, flow.options.buffer_bytes);
  auto start = [&](auto&&... a) {
    return step.fn(std::forward<decltype(a)>(a)..., std::move(flow.out), std::move(writer));
  };
  flow.tasks.push_back(std::apply(start, std::move(step.arguments)));
  return Flow<T>(std::move(flow.options), std::move(flow.tasks), std::move(reader));
}

template <class In, class Fn, class... A>
Task<> operator|(Flow<In> flow, detail::Last<Fn, A...> last) {
  auto start = [&](auto&&... a) { return last.fn(std::forward<decltype(a)>(a)..., std::move(flow.out)); };
  flow.tasks.push_back(std::apply(start, std::move(last.arguments)));
  return all_of(std::move(flow.tasks));
}

}  // namespace sluice
