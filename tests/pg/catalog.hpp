#pragma once
#include "sluice/pg/types.hpp"

namespace sluice::pg {

// A part of pg_type, with the server's own OIDs, for tests without a server.
inline TypeCatalog sample_catalog() {
  TypeCatalog types;
  auto add = [&](Oid oid, std::string name, Oid array = 0, char delimiter = ',') {
    Type type;
    type.oid = oid;
    type.name = name;
    type.schema = "pg_catalog";
    type.delimiter = delimiter;
    types.add(type);
    if (array == 0) return;
    type.oid = array;
    type.name = "_" + name;
    type.element = oid;
    types.add(type);
  };
  add(16, "bool", 1000);
  add(17, "bytea", 1001);
  add(18, "char", 1002);
  add(19, "name", 1003);
  add(20, "int8", 1016);
  add(21, "int2", 1005);
  add(22, "int2vector");
  add(23, "int4", 1007);
  add(25, "text", 1009);
  add(26, "oid", 1028);
  add(27, "tid", 1010);
  add(114, "json", 199);
  add(142, "xml", 143);
  add(600, "point", 1017);
  add(603, "box", 1020, ';');
  add(650, "cidr", 651);
  add(700, "float4", 1021);
  add(701, "float8", 1022);
  add(790, "money", 791);
  add(829, "macaddr", 1040);
  add(869, "inet", 1041);
  add(1042, "bpchar", 1014);
  add(1043, "varchar", 1015);
  add(1082, "date", 1182);
  add(1083, "time", 1183);
  add(1114, "timestamp", 1115);
  add(1184, "timestamptz", 1185);
  add(1186, "interval", 1187);
  add(1266, "timetz", 1270);
  add(1560, "bit", 1561);
  add(1700, "numeric", 1231);
  add(2950, "uuid", 2951);
  add(3220, "pg_lsn", 3221);
  add(3802, "jsonb", 3807);
  auto add_range = [&](Oid oid, std::string name, Oid subtype, char kind) {
    Type type;
    type.oid = oid;
    type.name = name;
    type.schema = "pg_catalog";
    type.kind = kind;
    type.range_subtype = subtype;
    types.add(type);
  };
  add_range(3904, "int4range", 23, 'r');
  add_range(3908, "tsrange", 1114, 'r');
  add_range(3910, "tstzrange", 1184, 'r');
  add_range(3912, "daterange", 1082, 'r');
  add_range(4451, "int4multirange", 23, 'm');
  add_range(4533, "tsmultirange", 1114, 'm');
  auto add_user = [&](Oid oid, std::string name, char kind, Oid base = 0, Oid element = 0) {
    Type type;
    type.oid = oid;
    type.name = name;
    type.schema = "public";
    type.kind = kind;
    type.base = base;
    type.element = element;
    types.add(type);
  };
  add_user(50001, "citext", 'b');
  add_user(50002, "_citext", 'b', 0, 50001);
  add_user(50003, "mood", 'e');
  add_user(50004, "_mood", 'b', 0, 50003);
  add_user(50005, "pair", 'c');
  add_user(50006, "age", 'd', 23);
  add_user(50007, "old_age", 'd', 50006);
  add_user(50008, "ages", 'd', 1007);
  add_user(50009, "_ages", 'b', 0, 50008);
  add_user(50010, "geometry", 'b');
  add_user(50011, "textrange", 'r');
  Type text_range = *types.find(50011);
  text_range.range_subtype = 25;
  types.add(text_range);
  Type short_text;
  short_text.oid = 50012;
  short_text.name = "short_text";
  short_text.schema = "public";
  short_text.kind = 'd';
  short_text.base = 1043;
  short_text.base_typmod = 14;
  short_text.not_null = true;
  types.add(short_text);
  add_user(50013, "json", 'b');  // somebody's own, not the server's
  return types;
}

}  // namespace sluice::pg
