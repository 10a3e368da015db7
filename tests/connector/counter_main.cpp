#include "counter.hpp"
#include "sluice/connector/serve.hpp"

int main(int argc, char** argv) {
  auto make = [](sluice::Context& context) {
    auto counter = std::make_unique<sluice::testing::Counter>();
    counter->when_hanging = [&context] { context.log.info("hanging"); };
    counter->when_cancelled = [&context] { context.log.info("cancelled"); };
    counter->pool = &context.cpu;
    return counter;
  };
  return sluice::connector::serve_capture(argc, argv, "test-counter", make);
}
