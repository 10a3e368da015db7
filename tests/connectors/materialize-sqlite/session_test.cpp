#include <gtest/gtest.h>

#include "sluice/protocol/messages.hpp"
#include "support.hpp"

namespace sluice::testing {
namespace {

using Lines = std::vector<std::string>;
using protocol::MaterializationSpec;

Task<> first_rows(Peer peer) {
  auto opened = co_await peer.opened();
  EXPECT_TRUE(opened.runtime_checkpoint && protocol::is_zero(*opened.runtime_checkpoint));
  EXPECT_FALSE(opened.disable_load_optimization);
  std::vector<Stored> documents{Stored("[1]", R"(["c",10,"one"])", R"({"id":1,"name":"one"})"),
                                Stored("[2]", R"(["c",null,"two"])", R"({"id":2,"name":"two"})")};
  auto found = co_await peer.transaction({}, std::move(documents), checkpoint(7));
  EXPECT_EQ(found, Lines{});
  co_await peer.drain();
}

Task<> second_rows(Peer peer) {
  auto opened = co_await peer.opened();
  EXPECT_EQ(read_through(opened.runtime_checkpoint), 7);
  std::vector<std::pair<std::uint32_t, std::string>> keys{{0, "[2]"}, {0, "[3]"}, {0, "[1]"}};
  std::vector<Stored> documents{Stored("[2]", R"(["u",5,"deux"])", R"({"id":2,"name":"deux"})").exist(),
                                Stored("[3]", R"(["c",6,"three"])", R"({"id":3})")};
  auto found = co_await peer.transaction(std::move(keys), std::move(documents), checkpoint(8));
  EXPECT_EQ(found, (Lines{R"(0 {"id":1,"name":"one"})", R"(0 {"id":2,"name":"two"})"}));
  co_await peer.drain();
}

TEST(Session, InsertsUpdatesAndResumes) {
  TempFolder folder;
  std::string file = folder.file("out.db");
  MaterializationSpec s = spec(config_of(file), {binding(shop(), BindingOptions("shop"))});
  Bench bench;
  auto applied = bench.apply(s);
  EXPECT_NE(applied.action_description.find("CREATE TABLE IF NOT EXISTS \"shop\""), std::string::npos);
  EXPECT_EQ(bench.apply(s, &s).action_description, "");
  bench.session(s, first_rows);
  bench.session(s, second_rows);
  EXPECT_EQ(rows(file, "SELECT id, \"_meta/op\", n, name, flow_document FROM shop ORDER BY id"),
            (Lines{R"(1|c|10|one|{"id":1,"name":"one"})", R"(2|u|5|deux|{"id":2,"name":"deux"})",
                   R"(3|c|6|three|{"id":3})"}));
  EXPECT_EQ(rows(file, "SELECT materialization, key_begin, key_end, fence FROM flow_checkpoints_v1"),
            Lines{"acme/sink|0|4294967295|1"});
}

}  // namespace
}  // namespace sluice::testing
