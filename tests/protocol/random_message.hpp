#pragma once
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <random>
#include <string>

namespace sluice::testing {

// Fills protobuf messages with content that the Flow protocol allows: JSON text in raw fields, valid times,
// known enum values. Same seed, same messages.
class RandomMessage {
 public:
  explicit RandomMessage(std::uint64_t seed) : random_(seed) {}

  void fill(google::protobuf::Message& message, int depth = 0);
  // One variant of a Request or Response, by tag.
  void fill_variant(google::protobuf::Message& message, int tag);
  std::string json(int depth = 0);
  std::string utf8();
  std::string bytes();
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

 private:
  void fill_field(google::protobuf::Message& message, const google::protobuf::FieldDescriptor* field,
                  int depth);
  void fill_single(google::protobuf::Message& message, const google::protobuf::FieldDescriptor* field,
                   int depth);
  void fill_entry(google::protobuf::Message& entry, const google::protobuf::FieldDescriptor* field,
                  int depth);
  void fill_time(google::protobuf::Message& message);
  std::string text_of(const google::protobuf::FieldDescriptor* field);

  std::mt19937_64 random_;
  int keys_ = 0;  // map keys are unique
};

}  // namespace sluice::testing
