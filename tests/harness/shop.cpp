#include "harness/shop.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace harness {
namespace {

constexpr const char* schema_sql = R"sql(
CREATE SCHEMA shop;
CREATE TYPE shop.order_status AS ENUM ('new', 'paid', 'packed', 'sent', 'returned');

CREATE TABLE shop.customers (
  id bigint PRIMARY KEY, email text NOT NULL, name varchar(80), address jsonb, tags text[],
  balance numeric(14,4) NOT NULL DEFAULT 0, vip boolean, created timestamptz NOT NULL, updated timestamp);
CREATE TABLE shop.orders (
  region text, number integer, customer_id bigint, status shop.order_status NOT NULL, total numeric,
  placed timestamptz, lines jsonb, note json, PRIMARY KEY (region, number));
CREATE TABLE shop.events (event_id uuid NOT NULL, kind text, payload jsonb, at timestamptz(3), amount double precision);
CREATE TABLE shop.documents (
  id uuid PRIMARY KEY, title varchar(80) NOT NULL, body text, revision integer NOT NULL, checksum bytea);
ALTER TABLE shop.documents ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE shop.measurements (
  sensor integer, at timestamptz, value double precision, samples integer[], PRIMARY KEY (sensor, at))
  PARTITION BY RANGE (at);
CREATE TABLE shop.measurements_2023 PARTITION OF shop.measurements FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE shop.measurements_2024 PARTITION OF shop.measurements FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE shop.measurements_rest PARTITION OF shop.measurements DEFAULT;
CREATE TABLE shop.accounts (
  id integer PRIMARY KEY, owner text, opened date, ratio real, ip inet, span interval, mac macaddr, code char(4),
  bits bit(8), period int4range, at_time time, spare smallint);
CREATE TABLE shop."Tricky ""Names""" (
  "Key/1" integer, "key ~ 2" text, "select" text, "_Ünï" text, PRIMARY KEY ("Key/1", "key ~ 2"));
CREATE TABLE shop.pulse (id bigint PRIMARY KEY, at timestamptz NOT NULL);
CREATE TABLE public.flow_watermarks (slot text PRIMARY KEY, watermark text);
CREATE PUBLICATION flow_publication FOR ALL TABLES WITH (publish_via_partition_root = true);
)sql";

// One statement a table: $R is the number of rows.
const std::vector<std::pair<double, std::string>>& seeds() {
  static const std::vector<std::pair<double, std::string>> statements = {
      {0.24,
       R"sql(INSERT INTO shop.customers SELECT i, 'user' || i || '@example.com', 'Name ' || md5(i::text),
        jsonb_build_object('city', 'City ' || i % 97, 'zip', lpad((i % 99999)::text, 5, '0'), 'geo', jsonb_build_array(i * 0.5, -i)),
        ARRAY['t' || i % 7, NULL, 'quote " and \ slash'], i % 1000 + 0.25, i % 3 = 0,
        '2023-01-01'::timestamptz + i * interval '61 seconds', '2024-02-29'::timestamp + i * interval '1.000001 seconds'
        FROM generate_series(1, $R) i)sql"},
      {0.28,
       R"sql(INSERT INTO shop.orders SELECT (ARRAY['eu','us','ap','Zürich'])[i % 4 + 1], i, i % 1000 + 1,
        (ARRAY['new','paid','packed','sent','returned'])[i % 5 + 1]::shop.order_status, i * 1.10,
        '2024-01-01'::timestamptz + i * interval '7 seconds', jsonb_build_array(jsonb_build_object('sku', 'A' || i % 13, 'n', i % 5)),
        '{"b": 1, "a": [1.50, 1e3]}'::json FROM generate_series(1, $R) i)sql"},
      {0.14,
       R"sql(INSERT INTO shop.events SELECT md5('e' || i)::uuid, 'kind' || i % 5, jsonb_build_object('n', i),
        '2024-01-01'::timestamptz + i * interval '1 second', CASE i % 50 WHEN 0 THEN 'NaN'::float8 ELSE i / 3.0 END
        FROM generate_series(1, $R) i)sql"},
      {0.02, R"sql(INSERT INTO shop.documents SELECT md5('d' || i)::uuid, 'Title ' || i,
        (SELECT string_agg(md5(i::text || k), '') FROM generate_series(1, 120) k), 1, decode(md5(i::text), 'hex')
        FROM generate_series(1, $R) i)sql"},
      {0.26,
       R"sql(INSERT INTO shop.measurements SELECT i % 500, '2023-06-01'::timestamptz + i * interval '137 seconds',
        sin(i), ARRAY[i, -i, NULL] FROM generate_series(1, $R) i)sql"},
      {0.05, R"sql(INSERT INTO shop.accounts SELECT i, 'owner ' || i, '2000-01-01'::date + i % 9000, i / 7.0,
        ('10.' || i % 256 || '.3.4')::inet, i * interval '1 day 2 hours 3.5 seconds', ('08:00:2b:01:02:' || lpad(to_hex(i % 256), 2, '0'))::macaddr,
        'c' || i % 100, (i % 256)::bit(8), int4range(i, i + 10), '12:34:56.789'::time + i % 60 * interval '1 minute', i % 30000
        FROM generate_series(1, $R) i)sql"},
      {0.01,
       R"sql(INSERT INTO shop."Tricky ""Names""" SELECT i, 'k' || i, E'tab\tand\nnewline \\ ' || i, NULLIF('ü' || i % 3, 'ü0')
        FROM generate_series(1, $R) i)sql"},
  };
  return statements;
}

std::string utc(const std::string& column) {
  // Trailing zeros of the fraction are not shown.
  return "rtrim(rtrim(to_char(" + column +
         R"( AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z')";
}
std::string naive(const std::string& column) {
  return "rtrim(rtrim(to_char(" + column + R"(, 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z')";
}
std::string floating(const std::string& column) {
  return fmt::format(
      "CASE WHEN {0} IN ('NaN','Infinity','-Infinity') THEN to_jsonb({0}::text) ELSE to_jsonb({0}) END",
      column);
}

}  // namespace

const std::vector<Table>& shop_tables() {
  static const std::vector<Table> tables = {
      {"shop",
       "customers",
       {"id"},
       "jsonb_build_object('id', id, 'email', email, 'name', name, 'address', address, 'tags', "
       "to_jsonb(tags), 'balance', "
       "balance::text, 'vip', vip, 'created', " +
           utc("created") + ", 'updated', " + naive("updated") + ")",
       ""},
      {"shop",
       "orders",
       {"region", "number"},
       "jsonb_build_object('region', region, 'number', number, 'customer_id', customer_id, 'status', "
       "status::text, "
       "'total', total::text, 'placed', " +
           utc("placed") + ", 'lines', lines, 'note', note::jsonb)",
       ""},
      {"shop",
       "events",
       {},
       "jsonb_build_object('event_id', event_id, 'kind', kind, 'payload', payload, 'at', " + utc("at") +
           ", 'amount', " + floating("amount") + ")",
       "event_id"},
      {"shop",
       "documents",
       {"id"},
       "jsonb_build_object('id', id, 'title', title, 'body', body, 'revision', revision, 'checksum', "
       "translate(encode(checksum, 'base64'), E'\\n', ''))",
       ""},
      {"shop",
       "measurements",
       {"sensor", "at"},
       "jsonb_build_object('sensor', sensor, 'at', " + utc("at") + ", 'value', " + floating("value") +
           ", 'samples', to_jsonb(samples))",
       ""},
      {"shop",
       "accounts",
       {"id"},
       "jsonb_build_object('id', id, 'owner', owner, 'opened', opened::text, 'ratio', ratio, 'ip', host(ip) "
       "|| '/' || masklen(ip), "
       "'span', CASE WHEN span IS NOT NULL THEN trim(concat_ws(' ', nullif((extract(year from span) * 12 + "
       "extract(month from span))::int, 0) || ' mon', nullif(extract(day from span)::int, 0) || ' day', CASE "
       "WHEN "
       "date_trunc('day', span) <> span THEN regexp_replace(to_char(span - date_trunc('day', span), "
       "'HH24:MI:SS.US'), "
       "'[.]000000$', '') END)) END, 'mac', mac::text, "
       "'code', code::bpchar::text || repeat(' ', 4 - length(code::text)), 'bits', bits::text, 'period', "
       "period::text, "
       "'at_time', rtrim(rtrim(to_char(at_time, 'HH24:MI:SS.US'), '0'), '.') || 'Z', 'spare', spare)",
       ""},
      {"shop",
       "Tricky \"Names\"",
       {"Key/1", "key ~ 2"},
       "jsonb_build_object('Key/1', \"Key/1\", 'key ~ 2', \"key ~ 2\", 'select', \"select\", '_Ünï', "
       "\"_Ünï\")",
       ""},
      {"shop", "pulse", {"id"}, "jsonb_build_object('id', id, 'at', " + utc("at") + ")", ""},
  };
  return tables;
}

void create_shop(Client& client, int rows) {
  client.run(schema_sql);
  for (const auto& [share, sql] : seeds()) {
    std::string statement = sql;
    std::string count = std::to_string(std::max(1, static_cast<int>(share * rows)));
    statement.replace(statement.find("$R"), 2, count);
    client.run(statement);
  }
  client.run("ANALYZE");
}

Traffic::Traffic(std::string dsn, std::uint64_t seed, int lane)
    : dsn_(std::move(dsn)), client_(dsn_), random_(seed), lane_(lane) {}

int Traffic::transaction() {
  try {
    if (!client_.alive()) client_ = Client(dsn_);
    int changes = pick(200) == 0 ? 1000 : 1 + pick(12);
    std::string sql = "BEGIN;";
    for (int i = 0; i < changes; ++i) sql += statement() + ";";
    sql += pick(20) == 0 ? "ROLLBACK" : "COMMIT";
    client_.run(sql);
    return changes;
  } catch (const std::runtime_error&) {
    if (client_.alive()) client_.run("ROLLBACK");
    throw;
  }
}

std::string Traffic::statement() {
  // Every lane inserts keys of its own, far above those of the seed.
  std::int64_t fresh = 10'000'000 + lane_ * 100'000'000ll + next_id_++;
  int some = 1 + pick(3000);
  std::int64_t recent = fresh - 1 - pick(200);
  std::int64_t target = pick(2) ? recent : some;
  switch (pick(20)) {
    case 0:
    case 1:
      return fmt::format(
          "INSERT INTO shop.customers VALUES ({}, 'new{}@x', NULL, '{{\"n\": {}.250}}', '{{}}', {}.5, NULL, "
          "now(), NULL)",
          fresh, fresh, some, some);
    case 2:
    case 3:
      return fmt::format(
          "UPDATE shop.customers SET balance = balance + {}.0001, updated = clock_timestamp(), tags = "
          "array_append(tags, 'u{}') "
          "WHERE id = {} AND coalesce(array_length(tags, 1), 0) < 40",
          pick(9), pick(9), target);
    case 4:
      return fmt::format("DELETE FROM shop.customers WHERE id = {}", target);
    case 5:
      return fmt::format(
          "INSERT INTO shop.orders VALUES ('eu', {}, {}, 'new', {}.{}, clock_timestamp(), '[]', '[1 , 2]')",
          fresh, some, some, pick(99));
    case 6:
      return fmt::format(
          "UPDATE shop.orders SET status = 'sent', total = total * 1.01 WHERE region = 'eu' AND number = {}",
          target);
    case 7:  // a key change
      return fmt::format("UPDATE shop.orders SET region = 'moved{}' WHERE region = 'eu' AND number = {}",
                         lane_, target);
    case 8:
      return fmt::format("DELETE FROM shop.orders WHERE region IN ('eu', 'us') AND number = {}", target);
    case 9:
    case 10:
      return fmt::format(
          "INSERT INTO shop.events VALUES (md5('l{}-{}')::uuid, 'live', '{{\"i\": {}}}', clock_timestamp(), "
          "{}.5)",
          lane_, fresh, fresh, some);
    case 11:  // the large text stays in TOAST, untouched
      return fmt::format("UPDATE shop.documents SET revision = revision + 1 WHERE id = md5('d{}')::uuid",
                         1 + pick(200));
    case 12:
      return fmt::format(
          "UPDATE shop.documents SET body = repeat(md5('{}'), 200) WHERE id = md5('d{}')::uuid", fresh,
          1 + pick(200));
    case 13:
      return fmt::format("INSERT INTO shop.documents VALUES (md5('n{}-{}')::uuid, 'New', NULL, 0, '\\x00ff')",
                         lane_, fresh);
    case 14:
      return fmt::format(
          "INSERT INTO shop.measurements VALUES ({}, clock_timestamp(), {}.125, '{{1,2}}') ON CONFLICT DO "
          "NOTHING",
          1000 + lane_ * 50 + pick(50), some);
    case 15:
      return fmt::format(
          "UPDATE shop.measurements SET value = -value WHERE sensor = {} AND at < '2023-06-20'", pick(500));
    case 16:
      return fmt::format(
          "INSERT INTO shop.accounts VALUES ({}, 'o', '2024-12-31', 0.1, '::1', '1 mon', NULL, 'é', "
          "B'00000001', 'empty', '00:00', {}) ON CONFLICT DO NOTHING",
          1'000'000 + lane_ * 1'000'000 + static_cast<int>(next_id_ % 1'000'000), pick(99));
    case 17:  // a key change into a key that is free
      return fmt::format(
          "UPDATE shop.accounts SET id = {} WHERE id = {} AND NOT EXISTS (SELECT FROM shop.accounts WHERE id "
          "= {})",
          -some - lane_ * 10'000, some, -some - lane_ * 10'000);
    case 18:  // deleted and inserted again in one transaction
      return fmt::format(
          "DELETE FROM shop.accounts WHERE id = {}; INSERT INTO shop.accounts (id, owner) VALUES ({}, "
          "'again') ON CONFLICT DO NOTHING",
          some, some);
    default:
      return fmt::format(
          "UPDATE shop.\"Tricky \"\"Names\"\"\" SET \"select\" = E'v\\\\{}' WHERE \"Key/1\" = {}", fresh,
          1 + pick(50));
  }
}

}  // namespace harness
