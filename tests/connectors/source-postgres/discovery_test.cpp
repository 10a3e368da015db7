#include "sluice/testing/snapshot.hpp"
#include "source-postgres/config.hpp"
#include "source-postgres/source_postgres.hpp"
#include "support.hpp"

// Discovery and its filters, keys, prerequisites and the configuration's own checks.
namespace sluice::source_test {
namespace {

std::string names(const protocol::capture::Discovered& discovered) {
  std::string out;
  for (const auto& binding : discovered.bindings) out += (out.empty() ? "" : " ") + binding.recommended_name;
  return out;
}

// Key columns, how they were found and the suggested mode.
std::string key(const protocol::capture::Discovered& discovered, const std::string& name) {
  for (const auto& binding : discovered.bindings) {
    if (binding.recommended_name != name) continue;
    std::string out;
    for (const std::string& pointer : binding.key) out += pointer + " ";
    return out + (binding.is_fallback_key ? "fallback " : "own ") + at(binding.resource_config_json, "/mode");
  }
  return "(not discovered)";
}

TEST_F(Source, DiscoveryIsAsRecorded) {
  sql("CREATE TABLE test.complex (k2 text, id int, k1 int, vc varchar(40) NOT NULL, ch char(5), n "
      "numeric(10, 2), "
      "j json, jb jsonb, d date, ts timestamptz, a int[], b bytea, PRIMARY KEY (k1, k2));"
      "COMMENT ON COLUMN test.complex.vc IS 'Free text.'");
  auto discovered = discover();
  ASSERT_EQ(discovered.bindings.size(), 1u);
  const auto& binding = discovered.bindings[0];
  EXPECT_EQ(binding.recommended_name, "test/complex");
  EXPECT_EQ(binding.resource_config_json, R"({"namespace":"test","stream":"complex"})");
  EXPECT_EQ(binding.resource_path, (std::vector<std::string>{"test", "complex"}));
  EXPECT_EQ(binding.key, (std::vector<std::string>{"/k1", "/k2"}));
  EXPECT_FALSE(binding.is_fallback_key);
  expect_snapshot("discovered.schema.json", testing::pretty(binding.document_schema_json));
  Transcript transcript = capture({{.name = "complex", .key = {"k1", "k2"}}});
  ASSERT_EQ(transcript.schemas.size(), 1u);
  expect_snapshot("sourced.schema.json", testing::pretty(transcript.schemas[0].schema_json));
  std::string history = discover({}, {{"historyMode", "true"}}).bindings[0].document_schema_json;
  EXPECT_NE(history.find(R"("reduce":{"strategy":"lastWriteWins","associative":false})"), std::string::npos);
  EXPECT_EQ(
      capture({{.name = "complex", .key = {"k1", "k2"}}}, {{"feature_flags", "\"no_emit_sourced_schemas\""}})
          .schemas.size(),
      0u);
}

TEST_F(Source, KeysComeFromPrimaryKeysThenUniqueIndexes) {
  sql(R"(CREATE TABLE test.pk_and_index (a int NOT NULL UNIQUE, id int PRIMARY KEY);
         CREATE TABLE test.index_only (a int, b int NOT NULL, c int NOT NULL); CREATE UNIQUE INDEX z ON test.index_only (b);
         CREATE UNIQUE INDEX a ON test.index_only (c, b);
         CREATE TABLE test.nullable_index (a int UNIQUE);
         CREATE TABLE test.nonunique_index (a int NOT NULL); CREATE INDEX ON test.nonunique_index (a);
         CREATE TABLE test.nothing (a int);
         CREATE TABLE test.partial (a int NOT NULL); CREATE UNIQUE INDEX ON test.partial (a) WHERE a > 0;
         CREATE TABLE test.expression (a int NOT NULL); CREATE UNIQUE INDEX ON test.expression ((a + 1));
         CREATE TABLE test.deferred (a int NOT NULL UNIQUE DEFERRABLE);
         CREATE TABLE test.including (a int, b int, PRIMARY KEY (a) INCLUDE (b));
         CREATE TABLE test.identity (a int NOT NULL, b int NOT NULL); CREATE UNIQUE INDEX aa ON test.identity (a);
         CREATE UNIQUE INDEX bb ON test.identity (b); ALTER TABLE test.identity REPLICA IDENTITY USING INDEX bb;
         CREATE TABLE test.generated (a int, b int GENERATED ALWAYS AS (a) STORED PRIMARY KEY);
         CREATE TABLE test.floats (f float8 PRIMARY KEY))");
  auto all = discover();
  std::string fallback =
      R"(/_meta/source/loc/0 /_meta/source/loc/1 /_meta/source/loc/2 fallback "Without Primary Key")";
  EXPECT_EQ(key(all, "test/pk_and_index"), "/id own (absent)");
  EXPECT_EQ(key(all, "test/index_only"), "/c /b fallback (absent)");
  for (const char* keyless :
       {"nullable_index", "nonunique_index", "nothing", "partial", "expression", "deferred", "generated"})
    EXPECT_EQ(key(all, std::string("test/") + keyless), fallback) << keyless;
  EXPECT_EQ(key(all, "test/including"), "/a own (absent)");
  EXPECT_EQ(key(all, "test/identity"), "/b fallback (absent)");
  EXPECT_EQ(key(all, "test/floats"), "/f own (absent)");
}

TEST_F(Source, OnlyTablesAreDiscovered) {
  sql(R"(CREATE TABLE test.t (id int PRIMARY KEY); CREATE VIEW test.v AS SELECT * FROM test.t;
         CREATE MATERIALIZED VIEW test.m AS SELECT * FROM test.t; CREATE UNLOGGED TABLE test.unlogged (id int);
         CREATE TABLE test.materialized (id int, flow_published_at timestamptz);
         CREATE TABLE test.flow_checkpoints_v1 (id int))");
  EXPECT_EQ(names(discover()), "test/t");
}

TEST_F(Source, FiltersLimitDiscovery) {
  sql(R"(CREATE SCHEMA alpha; CREATE SCHEMA beta; CREATE TABLE test.events (id int); CREATE TABLE alpha.events (id int);
         CREATE TABLE alpha.users (id int); CREATE TABLE beta.events_old (id int))");
  auto filtered = [&](const std::string& filters, const Members& advanced = {}) {
    return names(discover(advanced, {{"discoveryFilters", filters}}));
  };
  EXPECT_EQ(filtered("{}"), "alpha/events alpha/users beta/events_old test/events");
  EXPECT_EQ(filtered(R"({"exclude_schemas":["alpha"]})"), "beta/events_old test/events");
  EXPECT_EQ(filtered(R"({"exclude_schemas":["alpha","test"]})"), "beta/events_old");
  EXPECT_EQ(filtered(R"({"include_schemas":["alpha"]})"), "alpha/events alpha/users");
  EXPECT_EQ(filtered("{}", {{"discover_schemas", R"(["beta"])"}}), "beta/events_old");
  EXPECT_EQ(filtered(R"({"include_schemas":["alpha"]})", {{"discover_schemas", R"(["beta","alpha"])"}}),
            "alpha/events alpha/users beta/events_old");
  EXPECT_EQ(filtered(R"({"table_patterns":["events"]})"), "alpha/events test/events");
  EXPECT_EQ(filtered(R"({"table_patterns":["events*"]})"), "alpha/events beta/events_old test/events");
  EXPECT_EQ(filtered(R"({"table_patterns":["alpha.*","*.events_old"]})"),
            "alpha/events alpha/users beta/events_old");
  EXPECT_EQ(filtered(R"({"table_patterns":["nothing"]})"), "");
  EXPECT_EQ(filtered(R"({"table_patterns":["alpha.*"],"exclude_schemas":["alpha"]})"), "");
}

TEST_F(Source, UnpublishedTablesAppearOnDemand) {
  sql("CREATE TABLE test.in_it (id int PRIMARY KEY); CREATE TABLE test.outside (id int PRIMARY KEY); CREATE "
      "PUBLICATION "
      "one FOR TABLE test.in_it, public.flow_watermarks");
  Members one{{"publicationName", "\"one\""}};
  EXPECT_EQ(names(discover(one)), "test/in_it");
  one["discover_unpublished_tables"] = "true";
  EXPECT_EQ(names(discover(one)), "test/in_it test/outside");
  EXPECT_EQ(names(discover({{"publicationName", "\"none\""}})), "");
  EXPECT_NE(logged().find("no tables were discovered"), std::string::npos);
  // The superuser may add it; validation does.
  EXPECT_EQ(validate({{.name = "outside"}}, one), "(none)");
  EXPECT_EQ(sql("SELECT count(*) FROM pg_publication_tables WHERE pubname = 'one'").text(0, 0), "3");
}

TEST_F(Source, PartitionedTablesThatAreLeftOutAreNamed) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY) PARTITION BY RANGE (id);"
      "CREATE TABLE test.t1 PARTITION OF test.t FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);"
      "CREATE TABLE test.t11 PARTITION OF test.t1 FOR VALUES FROM (0) TO (10);"
      "CREATE TABLE test.unpublished (id int PRIMARY KEY) PARTITION BY RANGE (id);"
      "CREATE TABLE test.unpublished1 PARTITION OF test.unpublished FOR VALUES FROM (0) TO (100);"
      "CREATE TABLE test.plain (id int PRIMARY KEY);"
      "CREATE PUBLICATION leaves FOR TABLE test.t, test.plain, public.flow_watermarks");
  const char warning[] = "published under the names of their partitions and left out";
  EXPECT_EQ(names(discover()), "test/plain test/t test/unpublished");
  Members leaves{{"publicationName", "\"leaves\""}, {"capture_as_partitions", "true"}};
  EXPECT_EQ(names(discover(leaves)), "test/plain test/t11");
  leaves["capture_as_partitions"] = "false";
  EXPECT_EQ(logged().find(warning), std::string::npos);
  EXPECT_EQ(names(discover(leaves)), "test/plain");
  std::size_t at = logged().find(warning);
  ASSERT_NE(at, std::string::npos);
  EXPECT_NE(logged().find("\"test.t\"", at), std::string::npos) << logged();
  EXPECT_NE(logged().find("ALTER PUBLICATION \\\"leaves\\\" SET (publish_via_partition_root = true)", at),
            std::string::npos)
      << logged();
}

TEST_F(Source, TablesThatMayNotBeReadAreDiscoveredButNotValid) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY); REVOKE pg_read_all_data FROM flow_capture; GRANT USAGE ON "
      "SCHEMA test, "
      "public TO flow_capture");
  Members role{{"user", "\"flow_capture\""}};
  EXPECT_EQ(names(discover({}, role)), "test/t");
  as_user_ = "flow_capture";
  std::string failure = validate({{.name = "t"}});
  EXPECT_NE(failure.find("table test.t may not be read: run GRANT SELECT ON \"test\".\"t\""),
            std::string::npos)
      << failure;
  sql("GRANT SELECT ON test.t TO flow_capture");
  EXPECT_EQ(validate({{.name = "t"}}), "(none)");
  sql("GRANT pg_read_all_data TO flow_capture");
}

TEST_F(Source, ARoleWithoutSuperpowersCaptures) {
  as_user_ = "flow_capture";
  sql("CREATE TABLE test.t (id int PRIMARY KEY); INSERT INTO test.t VALUES (1)");
  EXPECT_EQ(capture({{.name = "t"}}).documents.size(), 1u);
  sql("INSERT INTO test.t VALUES (2)");
  EXPECT_EQ(capture({{.name = "t"}}).documents.size(), 1u);
}

TEST_F(Source, WhatIsMissingIsNamedTogetherWithTheWayOut) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, _meta text); CREATE VIEW test.v AS SELECT 1 AS id; DROP "
      "TABLE "
      "public.flow_watermarks");
  sql("DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
  as_user_ = "plain";
  std::string all = validate({{.name = "t"}, {.name = "v"}, {.name = "gone"}},
                             {{"publicationName", "\"My Pub\""}, {"slotName", "\"other\""}});
  for (const char* part :
       {"role \"plain\" may not replicate: run ALTER ROLE \"plain\" WITH REPLICATION",
        "publication \"My Pub\" does not exist: run CREATE PUBLICATION \"My Pub\" FOR ALL TABLES WITH "
        "(publish_via_partition_root = true)",
        "the watermarks table public.flow_watermarks cannot be written", "/advanced/read_only_capture",
        "table test.gone does not exist", "test.v is no table but a view", "table test.t may not be read"})
    EXPECT_NE(all.find(part), std::string::npos) << part << " is not in\n" << all;
  as_user_ = "postgres";
  EXPECT_NE(validate({{.name = "t"}}).find("has a column \"_meta\""), std::string::npos);
  EXPECT_EQ(sql("SELECT count(*) FROM pg_class WHERE relname = 'flow_watermarks'").text(0, 0), "1");
}

TEST_F(Source, DiscoverWarnsOfWhatTheCaptureWillMiss) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY); DROP TABLE public.flow_watermarks");
  sql("DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
  discover();
  EXPECT_EQ(logged().find("will not run"), std::string::npos);
  Members plain{{"user", "\"plain\""}};
  discover({{"publicationName", "\"My Pub\""}, {"feature_flags", "\"skip_prerequisites\""}}, plain);
  EXPECT_EQ(logged().find("will not run"), std::string::npos);
  discover({{"publicationName", "\"My Pub\""}}, plain);
  for (const char* part : {"role \\\"plain\\\" may not replicate", "publication \\\"My Pub\\\" does not exist"})
    EXPECT_NE(logged().find(part), std::string::npos) << part << " is not in\n" << logged();
  EXPECT_EQ(sql("SELECT count(*) FROM pg_class WHERE relname = 'flow_watermarks'").text(0, 0), "0")
      << "discovering changes nothing";
}

TEST_F(Source, ValidateWarnsOfALostSlot) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY); INSERT INTO test.t VALUES (1)");
  Table table{.name = "t"};
  const protocol::CaptureSpec last = spec({table});
  const char warning[] = "the replication slot does not exist: if the capture has run";
  capture({table});
  EXPECT_EQ(validate({table}, {}, last), "(none)");
  sql("SELECT pg_drop_replication_slot('" + slot_ + "')");
  EXPECT_EQ(validate({table}), "(none)");
  table.backfill = 1;
  EXPECT_EQ(validate({table}, {}, last), "(none)");
  EXPECT_EQ(logged().find(warning), std::string::npos);
  table.backfill = 0;
  EXPECT_EQ(validate({table}, {}, last), "(none)");
  EXPECT_NE(logged().find(warning), std::string::npos) << logged();
  EXPECT_NE(capture_failure({table}).find("is gone"), std::string::npos);
}

TEST_F(Source, SlotsOfOthersAreNotTaken) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  sql("SELECT pg_create_logical_replication_slot('other_plugin', 'test_decoding')");
  EXPECT_NE(
      validate({{.name = "t"}}, {{"slotName", "\"other_plugin\""}}).find("uses the plugin test_decoding"),
      std::string::npos);
  testing::Database elsewhere = testing::PostgresServer::shared().fresh_database();
  elsewhere.execute("SELECT pg_create_logical_replication_slot('elsewhere', 'pgoutput')");
  EXPECT_NE(validate({{.name = "t"}}, {{"slotName", "\"elsewhere\""}}).find("belongs to database"),
            std::string::npos);
  elsewhere.execute("SELECT pg_drop_replication_slot('elsewhere')");
  EXPECT_NE(validate({{.name = "t"}}, {{"feature_flags", "\"no_create_replication_slot\""}})
                .find("does not exist and may not be created"),
            std::string::npos);
}

TEST_F(Source, AppliesWhenTheTablesExist) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    protocol::capture::Apply request;
    request.capture = spec({{.name = "t"}});
    protocol::capture::Applied applied = co_await connector->apply(request);
    EXPECT_EQ(applied.action_description, "");
    EXPECT_FALSE(applied.state);
    request.capture = spec({{.name = "t"}, {.name = "gone"}});
    std::string failure;
    try {
      co_await connector->apply(request);
    } catch (const Error& e) {
      failure = e.what();
    }
    EXPECT_NE(failure.find("table test.gone was not found"), std::string::npos) << failure;
  });
}

// ---- the configuration ----

std::string refused(const std::string& json) {
  try {
    source_postgres::parse_settings(json);
    return "(accepted)";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::config);
    return e.what();
  }
}
std::string with(const std::string& members) {
  return R"({"address":"db.example.com","user":"u","database":"d","historyMode":false,)" + members + "}";
}
const std::string password = R"("credentials":{"auth_type":"UserPassword","password":"sesame"})";

TEST(Config, ReadsAddressesAndCredentials) {
  auto settings = source_postgres::parse_settings(with(password));
  EXPECT_EQ(settings.host + " " + settings.port, "db.example.com 5432");
  pg::ConnectOptions options = settings.connect_options();
  EXPECT_EQ(options.password.reveal(), "sesame");
  EXPECT_EQ(options.sslmode, "");
  EXPECT_EQ(options.settings.at("TimeZone"), "UTC");
  auto at = [](const std::string& address) {
    auto s = source_postgres::parse_settings(R"({"address":")" + address +
                                             R"(","password":"old","historyMode":false})");
    EXPECT_EQ(s.connect_options().password.reveal(), "old");
    return s.host + " " + s.port;
  };
  EXPECT_EQ(at("host:6000"), "host 6000");
  EXPECT_EQ(at("[::1]:6000"), "::1 6000");
  EXPECT_EQ(at("::1"), "::1 5432");
  EXPECT_EQ(at("/var/run/pg:5433"), "/var/run/pg 5433");
  auto azure = source_postgres::parse_settings(with(
      R"("credentials":{"auth_type":"AzureIAM","azure_client_id":"c","azure_tenant_id":"t","azure_access_token":"tok"})"));
  EXPECT_EQ(azure.connect_options().password.reveal(), "tok");
  EXPECT_EQ(azure.connect_options().sslmode, "require");
}

TEST(Config, RefusesWhatCannotWork) {
  struct Case {
    std::string json, part;
  };
  auto advanced = [](const std::string& members) {
    return with(password + R"(,"advanced":{)" + members + "}");
  };
  for (const Case& c : {
           Case{R"({"historyMode":false})", "/address"},
           Case{with(R"("user":"")"), "/user"},
           Case{with(R"("credentials":{"auth_type":"UserPassword","password":""})"), "/credentials/password"},
           Case{with(R"("credentials":{"auth_type":"GCPIAM","gcp_service_account_to_impersonate":"a"})"),
                "gcp_workload_identity_pool_audience"},
           Case{with(R"("credentials":{"auth_type":"GCPIAM","gcp_service_account_to_impersonate":"a",)"
                     R"("gcp_workload_identity_pool_audience":"b"})"),
                "missing IAM session 'gcp_access_token'"},
           Case{with(R"("credentials":{"auth_type":"AWSIAM","aws_region":"r","aws_role_arn":"a",)"
                     R"("aws_access_key_id":"k","aws_secret_access_key":"s","aws_session_token":"t"})"),
                "AWSIAM is not available"},
           Case{with(R"("user2":1)"), "user2"},
           Case{R"({"address":"x.pooler.supabase.com:6543","historyMode":false,"password":"p"})",
                "connection pooler"},
           Case{R"({"address":"host:port","historyMode":false,"password":"p"})", "not host or host:port"},
           Case{with(R"("historyMode":true)"), "historyMode"},
           Case{advanced(R"("watermarksTable":"nodot")"), "not schema.table"},
           Case{advanced(R"("skip_backfills":"a.b,c")"), "\"c\", which is not schema.table"},
           Case{advanced(R"("sslmode":"maybe")"), "/advanced/sslmode"},
           Case{advanced(R"("discover_schemas":["a"," "])"), "blank entry"},
           Case{advanced(R"("statement_timeout":"3m")"), "/advanced/statement_timeout"},
           Case{advanced(R"("rediscovery_interval":"30s")"), "not between 1m and 8760h"},
           Case{advanced(R"("rediscovery_interval":"9000h")"), "not between 1m and 8760h"},
           Case{advanced(R"("rediscovery_interval":"1d")"), "/advanced/rediscovery_interval"},
           Case{advanced(R"("min_backfill_xid":"12x")"), "/advanced/min_backfill_xid"},
           Case{advanced(R"("min_backfill_xid":"99999999999")"), "no transaction id"},
           Case{advanced(R"("feature_flags":"force_reset_cursor=abc")"), "no WAL position"},
           Case{with(password + R"(,"discoveryFilters":{"table_patterns":["a.b.c"]})"),
                "\"a.b.c\" is malformed"},
           Case{with(password +
                     R"(,"networkTunnel":{"sshForwarding":{"sshEndpoint":"ssh://u@h","privateKey":"k"}})"),
                "sshForwarding is not available"},
       })
    EXPECT_NE(refused(c.json).find(c.part), std::string::npos) << c.json << "\n" << refused(c.json);
}

TEST(Config, AcceptsEveryProperty) {
  EXPECT_EQ(refused(with(
                password +
                R"(,"sops":{},"discoveryFilters":{"include_schemas":["a"],"exclude_schemas":["b"],)"
                R"("table_patterns":["*"],"discover_unpublished_tables":true},"networkTunnel":{},)"
                R"("advanced":{"publicationName":"p","slotName":"s","watermarksTable":"a.b.c",)"
                R"("skip_backfills":"*.*","backfill_chunk_size":-1,"sslmode":"verify-full",)"
                R"("discover_schemas":["x"],"min_backfill_xid":"7","max_backfill_xid":"9",)"
                R"("read_only_capture":true,"capture_as_partitions":true,"discover_unpublished_tables":true,)"
                R"("source_tag":"t","rediscovery_interval":"90s","feature_flags":"no_date_as_date, x",)"
                R"("statement_timeout":"0","discover_only_published":true})")),
            "(accepted)");
  auto settings = source_postgres::parse_settings(with(password + R"(,"advanced":{"skip_backfills":"*.*"})"));
  EXPECT_TRUE(settings.skips_backfill({"any", "table"}));
}

TEST_F(Source, ATableWithoutIdentityIsNotPublishedBehindItsUsersBack) {
  sql("CREATE TABLE test.keyless (id int); INSERT INTO test.keyless VALUES (1); CREATE TABLE test.keyed (id "
      "int "
      "PRIMARY KEY); DROP PUBLICATION flow_publication; CREATE PUBLICATION few FOR TABLE "
      "public.flow_watermarks");
  Members some{{"publicationName", "\"few\""}};
  std::vector<Table> tables{{.name = "keyless", .key = {}, .resource = R"("mode":"Without Primary Key")"},
                            {.name = "keyed"}};
  std::string failure = validate(tables, some);
  EXPECT_NE(failure.find("run ALTER TABLE \"test\".\"keyless\" REPLICA IDENTITY FULL (or add a primary key), "
                         "then ALTER PUBLICATION \"few\" ADD TABLE \"test\".\"keyless\""),
            std::string::npos)
      << failure;
  sql("UPDATE test.keyless SET id = 2");
  EXPECT_EQ(
      sql("SELECT string_agg(tablename, ',' ORDER BY tablename) FROM pg_publication_tables WHERE pubname = "
          "'few'")
          .text(0, 0),
      "flow_watermarks,keyed");
  sql("ALTER TABLE test.keyless REPLICA IDENTITY FULL");
  EXPECT_EQ(validate(tables, some), "(none)");
  sql("UPDATE test.keyless SET id = 3");
}

}  // namespace
}  // namespace sluice::source_test
