#include "sluice/sql/apply.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sluice/base/error.hpp"

namespace sluice::sql {
namespace {

using protocol::MaterializationBinding;

class Planner {
 public:
  // `fresh`: the database holds no checkpoints, so that everything is materialized from the beginning.
  Planner(const Dialect& dialect, const Rules& rules, const InfoSchema& info, bool fresh)
      : dialect_(dialect), rules_(rules), info_(info), fresh_(fresh) {}

  void binding(const Table& table, const MaterializationBinding& next, const MaterializationBinding* last) {
    const LiveTable* live = info_.find(table.path);
    bool backfill = last && last->backfill != next.backfill;
    if (!live) {
      if (last && !backfill && !fresh_) notice(Notice::Kind::vanished, table);
      return create(table);
    }
    if (live->kind != "table")
      throw Error(Error::Kind::config, fmt::format("'{}' is a {}, not a table", text(table.path), live->kind),
                  "Choose another table name, or drop it.");
    if (!backfill) return update(table, *live);
    notice(Notice::Kind::backfill, table).count = next.backfill;
    start_anew(table, *live, next, *last);
  }

  Plan take() {
    Plan plan;
    plan.steps = std::move(truncations_);
    std::ranges::move(changes_, std::back_inserter(plan.steps));
    plan.notices = std::move(notices_);
    return plan;
  }

  void create(const Table& table) {
    Step step{fmt::format("creating table '{}'", text(table.path)), dialect_.create(table), {}};
    if (!table.extra_sql.empty()) step.statements.push_back(table.extra_sql);
    changes_.push_back(std::move(step));
  }

 private:
  static std::string text(const Path& path) { return fmt::format("{}", fmt::join(path, ".")); }

  Notice& notice(Notice::Kind kind, const Table& table) {
    notices_.push_back({kind, text(table.path)});
    return notices_.back();
  }

  void start_anew(const Table& table, const LiveTable& live, const MaterializationBinding& next,
                  const MaterializationBinding& last) {
    bool keep = can_keep(table, live, next, last);
    if (rules_.retain_existing_data_on_backfill) {
      if (!keep)
        throw Error(
            Error::Kind::config,
            fmt::format("table '{}' must be re-created for this backfill, but its data is to be retained",
                        text(table.path)),
            "Remove the feature flag retain_existing_data_on_backfill.");
      return update(table, live);
    }
    if (keep && !rules_.always_drop_tables_on_backfill) {
      truncations_.push_back(
          {fmt::format("truncating table '{}'", text(table.path)), dialect_.truncate(table.path), {}});
      return update(table, live);
    }
    recreate(table, live);
  }

  // Whether the table, once emptied, can be altered to fit.
  bool can_keep(const Table& table, const LiveTable& live, const MaterializationBinding& next,
                const MaterializationBinding& last) const {
    if (last.delta_updates && !next.delta_updates) return false;
    if (!last.collection || last.collection->key != next.collection->key) return false;
    if (!table.delta && !unique_by_key(table, live)) return false;
    if (!live.fixed.empty() && needs_rebuild(table, live)) return false;
    if (columns_after(table, live) > dialect_.max_columns()) return false;
    return std::ranges::all_of(table.columns, [&](const Column& column) {
      const LiveColumn* at = info_.find(live, column.field);
      if (!at) return !column.is_key;
      return dialect_.fits(column.type, *at) || (!column.is_key && dialect_.cast(column.type, *at));
    });
  }

  // With those that no field fills.
  std::size_t columns_after(const Table& table, const LiveTable& live) const {
    auto fresh = [&](const Column& column) { return !info_.find(live, column.field); };
    return live.columns.size() + static_cast<std::size_t>(std::ranges::count_if(table.columns, fresh));
  }

  bool needs_rebuild(const Table& table, const LiveTable& live) const {
    Alteration change;
    Planner scratch(dialect_, rules_, info_, fresh_);
    scratch.compare(table, live, change);
    return !change.drop_not_null.empty() || !change.migrate.empty() || change.drop_primary_key;
  }

  void recreate(const Table& table, const LiveTable& live) {
    Step step{fmt::format("re-creating table '{}'", text(table.path)), dialect_.drop(table.path), {}};
    std::ranges::move(dialect_.create(table), std::back_inserter(step.statements));
    if (!table.extra_sql.empty()) step.statements.push_back(table.extra_sql);
    std::vector<std::string> lost;
    for (const LiveColumn& column : live.columns)
      if (!selected(table, column)) lost.push_back("column " + dialect_.quote(column.name));
    for (const std::string& sql : live.extras) lost.push_back(sql);
    if (!lost.empty()) step.note = fmt::format("lost with the former table: {}", fmt::join(lost, "; "));
    changes_.push_back(std::move(step));
  }

  bool selected(const Table& table, const LiveColumn& column) const {
    return std::ranges::any_of(table.columns,
                               [&](const Column& c) { return dialect_.same_column(c.field, column.name); });
  }

  bool is_primary(const LiveTable& live, const LiveColumn& column) const {
    return std::ranges::find(live.primary_key, column.name) != live.primary_key.end();
  }

  bool unique_by_key(const Table& table, const LiveTable& live) const {
    return std::ranges::any_of(live.unique_keys, [&](const std::vector<std::string>& columns) {
      return columns.size() == table.key_count && std::ranges::all_of(table.keys(), [&](const Column& key) {
               return std::ranges::any_of(
                   columns, [&](const std::string& name) { return dialect_.same_column(key.field, name); });
             });
    });
  }

  void update(const Table& table, const LiveTable& live) {
    if (!table.delta && !unique_by_key(table, live))
      throw Error(Error::Kind::config,
                  fmt::format("table '{}' has no primary key or unique index on exactly its key columns ({})",
                              text(table.path), key_names(table)),
                  "Increment the binding's backfill counter to re-create it.");
    Alteration change;
    compare(table, live, change);
    if (change.empty()) return;
    require_room(table, live);
    for (const Alteration::Migration& m : change.migrate) {
      Notice& n = notice(Notice::Kind::migration, table);
      n.field = m.column->field;
      n.from = m.from->type_text();
      n.to = m.column->type.ddl;
    }
    changes_.push_back(
        {fmt::format("altering table '{}'", text(table.path)), dialect_.alter(table, live, change), {}});
  }

  void require_room(const Table& table, const LiveTable& live) const {
    std::size_t columns = columns_after(table, live);
    if (columns <= dialect_.max_columns()) return;
    throw Error(Error::Kind::config,
                fmt::format("table '{}' has {} columns and would have {}, the database allows {}",
                            text(table.path), live.columns.size(), columns, dialect_.max_columns()),
                "Exclude fields of the binding, drop columns that no field fills, or increment the binding's "
                "backfill counter to re-create the table.");
  }

  std::string key_names(const Table& table) const {
    std::vector<std::string> names;
    for (const Column& key : table.keys()) names.push_back(key.name);
    return fmt::format("{}", fmt::join(names, ", "));
  }

  void compare(const Table& table, const LiveTable& live, Alteration& change) {
    change.drop_primary_key = table.delta && key_is_ours(table, live);
    for (const Column& column : table.columns) compare_column(table, column, live, change);
    for (const LiveColumn& column : live.columns)
      if (!column.nullable && !selected(table, column)) release(table, live, column, change);
  }

  // A primary key that rejects a second row of the same key, as opposed to a number the database makes up.
  bool key_is_ours(const Table& table, const LiveTable& live) const {
    return std::ranges::any_of(live.columns, [&](const LiveColumn& column) {
      return is_primary(live, column) && selected(table, column);
    });
  }

  void compare_column(const Table& table, const Column& column, const LiveTable& live, Alteration& change) {
    const LiveColumn* at = info_.find(live, column.field);
    if (!at) {
      if (column.is_key)
        throw Error(Error::Kind::config,
                    fmt::format("table '{}' lacks its key column '{}'", text(table.path), column.name),
                    "Increment the binding's backfill counter to re-create it.");
      change.add.push_back(&column);
      return;
    }
    if (!dialect_.fits(column.type, *at)) {
      std::optional<std::string> cast = column.is_key ? std::nullopt : dialect_.cast(column.type, *at);
      if (cast)
        change.migrate.push_back({&column, at, std::move(*cast)});
      else
        mismatch(table, column, *at);
    }
    if (!at->nullable && !column.is_key && !column.not_null && !at->has_default && !column.has_default)
      change.drop_not_null.push_back(at->name);
  }

  void mismatch(const Table& table, const Column& column, const LiveColumn& live) {
    Notice& n = notice(Notice::Kind::mismatch, table);
    n.field = column.field;
    n.from = live.type_text();
    n.to = column.type.ddl;
  }

  // A required column that no document fills any more.
  void release(const Table& table, const LiveTable& live, const LiveColumn& column, Alteration& change) {
    if (column.has_default || column.computed) return;
    if (is_primary(live, column) && !change.drop_primary_key)
      throw Error(
          Error::Kind::config,
          fmt::format("column '{}' of table '{}' is part of its primary key, but no field fills it",
                      column.name, text(table.path)),
          "Give it a default, drop it, or increment the binding's backfill counter to re-create the table.");
    change.drop_not_null.push_back(column.name);
  }

  const Dialect& dialect_;
  const Rules& rules_;
  const InfoSchema& info_;
  bool fresh_;
  std::vector<Step> truncations_, changes_;
  std::vector<Notice> notices_;
};

}  // namespace

std::string Plan::description() const {
  std::string out;
  auto line = [&](std::string_view text) { out.append(out.empty() ? "" : "\n").append(text); };
  for (const Step& step : steps) {
    for (const std::string& statement : step.statements) line(statement);
    if (!step.note.empty()) line("-- " + step.note);
  }
  return out;
}

Table checkpoint_table(const Dialect& dialect, Path path) {
  Table table;
  table.path = std::move(path);
  table.comment = "Fences and checkpoints of materializations; written with each of their transactions";
  auto column = [&](std::string field, bool is_key, bool is_text, std::string comment) {
    protocol::Projection p;
    p.field = field;
    p.inference.emplace();
    p.inference->types = {is_text ? "string" : "integer"};
    p.inference->exists = protocol::Exists::must;
    Column c;
    c.field = c.name = std::move(field);
    c.type = dialect.map(p, is_key, {});
    c.is_key = is_key;
    c.not_null = true;
    c.comment = std::move(comment);
    table.columns.push_back(std::move(c));
  };
  column("materialization", true, true, "name of the task");
  column("key_begin", true, false, "first key hash of the shard");
  column("key_end", true, false, "last key hash of the shard");
  column("fence", false, false, "raised by each session that takes over");
  column("checkpoint", false, true, "consumer.Checkpoint of the last commit, in base64");
  table.key_count = 3;
  return table;
}

Plan plan(const Dialect& dialect, const Rules& rules, const protocol::materialize::Apply& request,
          const Path& checkpoints, const InfoSchema& info) {
  const protocol::MaterializationSpec& spec = *request.materialization;
  std::vector<Path> paths;
  for (const MaterializationBinding& binding : spec.bindings) paths.push_back(binding.resource_path);
  require_distinct(dialect, paths);
  LastBindings last(dialect, request.last_materialization);
  Plan setup;
  bool fresh = !info.find(checkpoints);
  if (fresh) {
    Table table = checkpoint_table(dialect, checkpoints);
    setup.steps.push_back(
        {fmt::format("creating table '{}'", checkpoints.back()), dialect.create(table), {}});
  }
  Planner planner(dialect, rules, info, fresh);
  for (const MaterializationBinding& binding : spec.bindings)
    planner.binding(table_of(dialect, spec.name, binding), binding, last.find(binding.resource_path));
  Plan plan = planner.take();
  plan.steps.insert(plan.steps.begin(), std::make_move_iterator(setup.steps.begin()),
                    std::make_move_iterator(setup.steps.end()));
  return plan;
}

}  // namespace sluice::sql
