#pragma once
#include <concepts>
#include <cstddef>
#include <utility>
#include <vector>

#include "sluice/async/channel.hpp"
#include "sluice/async/clock.hpp"
#include "sluice/async/cpu.hpp"
#include "sluice/async/task.hpp"

// Stages for any pipeline (flow.hpp). Each ends when its input ends and closes its output.
namespace sluice {

// What merge() and split() can work on; Batch is one.
template <class T>
concept Divisible = Sized<T> && requires(T item, T other, std::size_t bytes) {
  item.append(std::move(other));
  { item.split(bytes) } -> std::same_as<std::vector<T>>;
};

// Passes every item through `f`, a cheap plain function: through(map<File, Batch>, parse).
template <class In, class Out>
Task<> map(Out (*f)(In), Reader<In> in, Writer<Out> out) {
  while (auto item = co_await in.next()) co_await out.send(f(std::move(*item)));
  out.close();
}

// As map(), with `f` on the pool; one item at a time, so order is kept.
template <class In, class Out>
Task<> map_on_cpu(CpuPool& pool, Out (*f)(In), Reader<In> in, Writer<Out> out) {
  while (auto item = co_await in.next()) {
    Out mapped = co_await on_cpu(pool, f, std::move(*item));
    co_await out.send(std::move(mapped));
  }
  out.close();
}

// Joins items until one has `bytes` or its first part has waited `delay`: through(merge<Batch>, clock, 1_MiB,
// 500ms).
template <Divisible T>
Task<> merge(Clock& clock, std::size_t bytes, Clock::Duration delay, Reader<T> in, Writer<T> out) {
  while (auto first = co_await in.next()) {
    T merged = std::move(*first);
    Clock::TimePoint due = clock.now() + delay;
    while (merged.bytes() < bytes) {
      typename Reader<T>::Timed more = co_await in.next_until(clock, due);
      if (!more.item) break;  // due, or the end, which the outer loop sees again
      merged.append(std::move(*more.item));
    }
    co_await out.send(std::move(merged));
  }
  out.close();
}

// Cuts items into pieces of at most `bytes` where T can be cut.
template <Divisible T>
Task<> split(std::size_t bytes, Reader<T> in, Writer<T> out) {
  while (auto item = co_await in.next()) {
    if (item->bytes() <= bytes) {
      co_await out.send(std::move(*item));
      continue;
    }
    std::vector<T> pieces = item->split(bytes);
    for (T& piece : pieces) co_await out.send(std::move(piece));
  }
  out.close();
}

}  // namespace sluice
