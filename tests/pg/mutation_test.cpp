#include <gtest/gtest.h>

#include <random>

#include "exercise.hpp"
#include "messages.hpp"

namespace sluice::pg {
namespace {

// Values of every kind; the mutations combine each with every type.
std::vector<std::string> sample_values() {
  return {"t",
          "-123",
          "1.5e+20",
          "NaN",
          "plain text",
          "\\xdeadbeef",
          "{\"a\": [1, \"\\ud800\"]}",
          "2024-02-29",
          "0044-03-15 BC",
          "2024-02-29 12:34:56.789",
          "2024-02-29 12:34:56-07:52:58",
          "12:34:56+05:30",
          "infinity",
          "1 year 2 mons -3 days +04:05:06.7",
          "192.168.1.1/8",
          "[1,5)",
          "[\"2024-01-01 00:00:00\",\"2024-02-01 00:00:00\")",
          "empty",
          "{[1,2),(,)}",
          "{1,NULL,\"a\\\\\\\"b\"}",
          "[1:2][0:0]={{1},{2}}",
          "{(1,2),(3,4);(5,6),(7,8)}",
          "{}",
          ""};
}

class Mutations {
 public:
  std::string mutate(std::string text) {
    for (std::size_t edits = 1 + below(4); edits > 0; --edits) edit(text);
    return text;
  }
  std::size_t below(std::size_t n) { return random_() % n; }

 private:
  void edit(std::string& text) {
    static constexpr std::string_view marks = "{}[]()\",;:\\+-. \tNxuBCZ019\xff\xc3";
    char c = below(8) == 0 ? static_cast<char>(below(256)) : marks[below(marks.size())];
    std::size_t at = below(text.size() + 1);
    switch (below(5)) {
      case 0:
        text.insert(at, 1, c);
        break;
      case 1:
        if (at < text.size()) text[at] = c;
        break;
      case 2:
        text.erase(at, 1 + below(4));
        break;
      case 3:
        text.insert(at, text.substr(below(text.size() + 1), below(16)));
        break;
      case 4:
        text.resize(at);
        break;
    }
  }
  std::mt19937 random_{20240229};
};

TEST(Mutations, OfValuesGiveJsonOrAreRefused) {
  Mutations mutations;
  std::vector<std::string> samples = sample_values();
  for (int round = 0; round < 60000; ++round) {
    std::string head{static_cast<char>(mutations.below(256)), static_cast<char>(mutations.below(256))};
    std::string bytes = head + (round % 10 == 0 ? samples[mutations.below(samples.size())]
                                                : mutations.mutate(samples[mutations.below(samples.size())]));
    ASSERT_NO_THROW(exercise_value(bytes)) << ::testing::PrintToString(bytes);
  }
}

TEST(Mutations, OfCopyLinesAreSplitAsTheManualSays) {
  Mutations mutations;
  std::vector<std::string> samples = {"1\tabc\t\\N\t\n", "a\\tb\\nc\\\\d\t\\101\\x41\n", "\\\\\\\\N\t\t\\N",
                                      "a field of some length\t\\x4\\7\\v\n"};
  for (int round = 0; round < 30000; ++round) {
    std::string bytes = mutations.mutate(samples[mutations.below(samples.size())]);
    ASSERT_NO_THROW(exercise_copy_line(bytes)) << ::testing::PrintToString(bytes);
  }
}

TEST(Mutations, OfMessagesAreDecodedOrRefused) {
  Mutations mutations;
  std::vector<std::string> samples = sample_messages();
  std::size_t plain = samples.size();
  for (std::size_t i = 0; i < plain; ++i)
    samples.push_back(Wire().letter('w').u64(1).u64(2).u64(3).raw(samples[i]).bytes);
  for (int round = 0; round < 30000; ++round) {
    std::string bytes = mutations.mutate(samples[mutations.below(samples.size())]);
    ASSERT_NO_THROW(exercise_message(bytes)) << ::testing::PrintToString(bytes);
  }
}

}  // namespace
}  // namespace sluice::pg
