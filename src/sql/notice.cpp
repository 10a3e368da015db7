#include "sluice/sql/notice.hpp"

namespace sluice::sql {

void log(const Log& log, const std::vector<Notice>& notices) {
  for (const Notice& n : notices) {
    switch (n.kind) {
      case Notice::Kind::backfill:
        log.info("backfill triggered", kv("resource_path", n.table), kv("backfill", n.count),
                 kv("observable", true));
        break;
      case Notice::Kind::migration:
        log.info("migrating column type", kv("resource_path", n.table), kv("field", n.field),
                 kv("fromType", n.from), kv("toType", n.to), kv("observable", true));
        break;
      case Notice::Kind::mismatch:
        log.warn("column type does not fit the schema", kv("resource_path", n.table), kv("field", n.field),
                 kv("type", n.from), kv("wanted", n.to),
                 kv("remedy", "change the column's type, or raise the binding's backfill counter"));
        break;
      case Notice::Kind::vanished:
        log.warn("table is gone and is created empty, without its former rows", kv("resource_path", n.table),
                 kv("remedy", "raise the binding's backfill counter to have them again"));
        break;
      case Notice::Kind::many_columns:
        log.warn(
            "more fields could be selected than a table has columns", kv("resource_path", n.table),
            kv("fields", n.count),
            kv("remedy", "choose the fields of the binding, or a smaller depth for the recommended ones"));
        break;
    }
  }
}

}  // namespace sluice::sql
