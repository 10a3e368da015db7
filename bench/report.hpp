#pragma once
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What run.py and the benchmarks that are programs of their own say to each other: arguments, and one JSON
// object a line for each result.
namespace sluice::bench {

struct Arguments {
  Arguments(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      std::string_view argument = argv[i];
      if (argument == "--repeats" && i + 1 < argc) repeats = std::max(1, std::atoi(argv[++i]));
      if (argument == "--quick") quick = true;
    }
  }
  int repeats = 5;
  bool quick = false;  // a tenth of the work: to see that it runs
};

// CPU of user and system, of this process and its ended children.
inline double cpu_seconds() {
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  double sum = 0;
  for (int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    ::getrusage(who, &usage);
    sum += seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  return sum;
}

inline double peak_rss_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

struct Spread {
  explicit Spread(std::vector<double> v) : values(std::move(v)) { std::sort(values.begin(), values.end()); }
  double median() const { return values[values.size() / 2]; }
  std::string json() const {
    if (values.empty()) return "null";
    return fmt::format(R"({{"median":{},"min":{},"max":{}}})", median(), values.front(), values.back());
  }
  std::vector<double> values;
};

// One line of the table, filled run by run.
struct Result {
  std::string name, what, unit;
  std::vector<double> ours, limit, ratio;    // rates in `unit`
  std::vector<double> cpu_us, allocations;   // per row
  std::optional<double> bar, bar_rate;       // of the ratio, and of ours

  void print() const {
    auto middle = [](const std::vector<double>& v) {
      return v.empty() ? std::string("null") : fmt::format("{}", Spread(v).median());
    };
    std::string barred = bar ? fmt::format("{}", *bar) : "null", holds = "null";
    if (bar) {
      bool held = Spread(ratio).median() >= *bar && (!bar_rate || Spread(ours).median() >= *bar_rate);
      holds = held ? "true" : "false";
      if (bar_rate) barred = fmt::format("\"{} and {:.0f} {}\"", *bar, *bar_rate, unit);
    }
    fmt::print(R"({{"name":"{}","case":"{}","unit":"{}","ours":{},"limit":{},"ratio":{},"cpu_us_per_row":{},)"
               R"("allocations_per_row":{},"peak_rss_mib":{},"bar":{},"holds":{}}})"
               "\n",
               name, what, unit, Spread(ours).json(), Spread(limit).json(), Spread(ratio).json(), middle(cpu_us),
               middle(allocations), peak_rss_mib(), barred, holds);
    std::fflush(stdout);
  }
};

}  // namespace sluice::bench
