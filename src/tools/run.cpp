#include "run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <random>

#include "connectors.hpp"
#include "decrypt.hpp"
#include "prepare.hpp"
#include "restarts.hpp"
#include "sluice/async/loop.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/memory.hpp"
#include "sluice/runtime/capture_session.hpp"
#include "sluice/runtime/inferred.hpp"
#include "sluice/runtime/materialize_session.hpp"
#include "state_folder.hpp"
#include "task_names.hpp"
#include "task_view.hpp"

namespace sluice::tools {
namespace {

using namespace std::chrono_literals;
using runtime::CaptureDef;
using runtime::CollectionLog;
using runtime::MaterializationDef;
using runtime::StateStore;

constexpr std::size_t process_itself = 40_MiB;  // code, libraries and what no budget counts
// The least time that tasks are given to end after a signal; sessions drop what they cannot commit in less.
constexpr Clock::Duration least_patience = 5s;

// What all tasks of a run share. Lives on the loop.
class Run {
 public:
  Run(Context& context, RunOptions options, runtime::Catalog catalog, Display& display)
      : context_(context),
        options_(std::move(options)),
        display_(display),
        catalog_(std::move(catalog)),
        folder_(options_.state),
        store_(folder_.database(), StateStore::Mode::write),
        changed_(context.executor) {
    for (const std::string& warning : catalog_.warnings) context_.log.warn(warning);
    for (const runtime::StateCommit& change : runtime::rediscovered(catalog_, store_)) {
      store_.commit(change);
      context_.log.info("the write schemas of collections have changed; former documents stay valid",
                        kv("task", change.task), kv("collections", change.entries.size()));
    }
  }

  Task<> run();

 private:
  // One task of the catalog and its running session, if there is one.
  template <class Def, class Session>
  struct Job {
    Job(const Def& d, bool capture, Context c) : def(d), view(d.name, capture), context(std::move(c)) {}
    Def def;
    TaskView view;
    Context context;
    Session* session = nullptr;
  };
  using CaptureJob = Job<CaptureDef, runtime::CaptureSession>;
  using MaterializeJob = Job<MaterializationDef, runtime::MaterializeSession>;

  void choose_tasks();
  std::size_t share() const;
  ConnectorOptions connector_options() const;
  CollectionLog& log_of(const std::string& collection);

  Task<> captures();
  Task<> repeat_capture(CaptureJob& job);
  Task<bool> capture(CaptureJob& job);
  Task<> repeat_materialization(MaterializeJob& job);
  Task<bool> materialize(MaterializeJob& job);
  template <class JobType, class Once>
  Task<> repeat(JobType& job, Once once, std::chrono::seconds interval);
  Task<> pause(Clock::Duration duration);
  Task<> until_stopped(Task<> work);
  Task<> cancel_when_stopping(Scope& scope);
  Task<> watch_signals(Scope& scope);
  Task<> show_progress();
  void show_once();
  void stop();

  Context& context_;
  RunOptions options_;
  Display& display_;
  runtime::Catalog catalog_;
  StateFolder folder_;
  StateStore store_;
  std::map<std::string, std::unique_ptr<CollectionLog>> logs_;
  std::vector<std::unique_ptr<CaptureJob>> captures_;
  std::vector<std::unique_ptr<MaterializeJob>> materializations_;
  Event changed_;  // stopping_ was set
  bool stopping_ = false;
  bool captures_ended_ = false;  // what is published now is all there will be
  std::exception_ptr failure_;   // of a task that could not go on while others did
};

template <class Session>
class Attached {
 public:
  Attached(Session*& slot, Session& session) : slot_(slot) { slot_ = &session; }
  ~Attached() { slot_ = nullptr; }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;

 private:
  Session*& slot_;
};

template <class T>
Task<> keep(Task<T> task, std::optional<T>& result) {
  result.emplace(co_await std::move(task));
}

Task<> next_of(std::vector<int> signals) { co_await next_signal(std::move(signals)); }

template <class Def>
bool is_wanted(const RunOptions& options, const Def& def) {
  const std::vector<std::string>& names = options.names;
  return !def.shards.disable &&
         (names.empty() || std::find(names.begin(), names.end(), def.name) != names.end());
}

// What is wrong with the names is said before anything is created.
void check_names(const RunOptions& options, const runtime::Catalog& catalog) {
  for (const std::string& name : options.names) require_task(options.catalog, task_names(catalog), name);
  auto wanted = [&](const auto& task) { return is_wanted(options, task.second); };
  if (std::none_of(catalog.captures.begin(), catalog.captures.end(), wanted) &&
      std::none_of(catalog.materializations.begin(), catalog.materializations.end(), wanted))
    throw Error(Error::Kind::config, fmt::format("{} has no tasks to run", options.catalog),
                "Add a capture or a materialization, or write one with `sluice discover`.");
}

void Run::choose_tasks() {
  for (const auto& [name, def] : catalog_.captures)
    if (is_wanted(options_, def)) captures_.push_back(std::make_unique<CaptureJob>(def, true, context_));
  for (const auto& [name, def] : catalog_.materializations)
    if (is_wanted(options_, def))
      materializations_.push_back(std::make_unique<MaterializeJob>(def, false, context_));
  auto prepare = [&](auto& jobs) {
    for (auto& job : jobs) {
      TaskView* view = &job->view;
      Clock* clock = &context_.clock;
      job->context.log =
          context_.log.with({kv("task", view->name())}).observed([view, clock](std::string_view status) {
            view->status(status, clock->now());
          });
      if (const std::string& level = job->def.shards.log_level; !level.empty())
        job->context.log = job->context.log.at(parse_log_level(level));
      job->context.memory_bytes = share() / 4;
    }
  };
  prepare(captures_);
  prepare(materializations_);
}

// Of a task: a quarter for its connector, the rest for its session, which combines.
std::size_t Run::share() const {
  std::size_t budget = std::max(options_.memory_bytes, 2 * process_itself) - process_itself;
  return budget / std::max<std::size_t>(1, captures_.size() + materializations_.size());
}

ConnectorOptions Run::connector_options() const {
  ConnectorOptions options;
  options.folder = options_.connectors;
  options.grace = options_.grace;
  options.stop_when_caught_up = options_.once;
  return options;
}

CollectionLog& Run::log_of(const std::string& collection) {
  std::unique_ptr<CollectionLog>& log = logs_[collection];
  if (!log)
    log = std::make_unique<CollectionLog>(context_.executor, store_, folder_.collections(), collection);
  return *log;
}

Task<> Run::pause(Clock::Duration duration) {
  Clock::TimePoint due = context_.clock.now() + duration;
  while (!stopping_ && context_.clock.now() < due) co_await context_.clock.wait(changed_, due);
}

// Runs `work`, or cancels it when the run is to stop.
Task<> Run::until_stopped(Task<> work) {
  co_await scoped([&](Scope& scope) -> Task<> {
    scope.spawn(then_cancel(std::move(work), scope));
    scope.spawn(cancel_when_stopping(scope));
    co_return;
  });
}

Task<> Run::cancel_when_stopping(Scope& scope) {
  while (!stopping_) co_await changed_.wait();
  scope.cancel();
}

// Runs sessions of a task until it is stopped, each by `once`, which tells whether the next is to follow at
// once; a transient failure is followed by another session after a pause.
template <class JobType, class Once>
Task<> Run::repeat(JobType& job, Once once, std::chrono::seconds interval) {
  Restarts restarts(interval, std::random_device()());
  while (!stopping_) {
    Clock::TimePoint start = context_.clock.now();
    Clock::Duration wait{};
    try {
      bool again = co_await once(job);
      if (again) continue;
      if (options_.once || captures_ended_) break;
      wait = restarts.after_end(context_.clock.now() - start);
      job.view.phase("waiting for its interval");
    } catch (Error& e) {
      e.add(job.def.name);
      if (options_.once) throw;
      if (e.kind() != Error::Kind::transient) {
        // Other tasks go on; without a changed catalog or endpoint this one cannot.
        job.context.log.error(e.what(), kv("task_ended", true));
        job.view.phase("failed");
        failure_ = std::current_exception();
        co_return;
      }
      wait = restarts.after_failure(context_.clock.now() - start);
      job.context.log.error(e.what(), kv("restart_s", std::chrono::duration<double>(wait).count()));
      job.view.phase("restarting");
    }
    co_await pause(wait);
  }
  job.view.phase("ended");
}

Task<bool> Run::capture(CaptureJob& job) {
  job.view.begin();
  std::unique_ptr<protocol::Capture> connector =
      make_capture(job.context, job.def.endpoint, connector_options());
  job.view.phase("validating");
  std::optional<runtime::BuiltCapture> ready;
  co_await until_stopped(keep(prepare(catalog_, job.def, *connector, &store_, Purpose::run), ready));
  if (!ready || stopping_) co_return false;
  give_back_memory();
  const runtime::BuiltCapture& built = *ready;
  std::vector<CollectionLog*> logs;
  for (const protocol::CaptureBinding& binding : built.spec.bindings)
    logs.push_back(&log_of(binding.collection->name));
  runtime::CaptureOptions options(job.def.endpoint.config_json, folder_.path(), share() / 4 * 3);
  options.stop_when_caught_up = options_.once;
  if (job.def.shards.max_txn_duration.count() > 0) options.max_transaction = job.def.shards.max_txn_duration;
  runtime::CaptureSession session(job.context, store_, *connector, built.spec, built.version, std::move(logs),
                                  std::move(options), job.view.progress());
  Attached attached(job.session, session);
  co_await session.run();
  co_return false;
}

// True if it ended as a schema has changed.
Task<bool> Run::materialize(MaterializeJob& job) {
  job.view.begin();
  // Before the schemas are loaded: a change in between is noticed then.
  std::map<std::string, std::uint64_t> epochs;
  for (const auto& [name, log] : logs_)
    if (log) epochs[name] = log->schema_epoch();
  std::unique_ptr<protocol::Materialize> connector =
      make_materialize(job.context, job.def.endpoint, connector_options());
  job.view.phase("validating");
  std::optional<runtime::BuiltMaterialization> ready;
  co_await until_stopped(
      keep(prepare(job.context, catalog_, job.def, *connector, &store_, Purpose::run), ready));
  if (!ready || stopping_) co_return false;
  give_back_memory();
  const runtime::BuiltMaterialization& built = *ready;
  std::vector<CollectionLog*> logs;
  runtime::MaterializeOptions options(job.def.endpoint.config_json, folder_.path(), share() / 4 * 3);
  for (const protocol::MaterializationBinding& binding : built.spec.bindings) {
    logs.push_back(&log_of(binding.collection->name));
    options.schema_epochs.push_back(epochs[binding.collection->name]);
  }
  runtime::MaterializeSession session(job.context, store_, *connector, built.spec, built.version,
                                      std::move(logs), std::move(options), job.view.progress());
  Attached attached(job.session, session);
  if (captures_ended_) session.finish();
  co_await session.run();
  if (stopping_ || !session.outdated()) co_return false;
  job.context.log.info("building the task again, as an inferred schema has changed");
  co_return true;
}

Task<> Run::repeat_capture(CaptureJob& job) {
  auto once = [this](CaptureJob& j) { return capture(j); };
  co_await repeat(job, once, job.def.interval);
}

Task<> Run::repeat_materialization(MaterializeJob& job) {
  auto once = [this](MaterializeJob& j) { return materialize(j); };
  co_await repeat(job, once, 0s);
}

// Captures end with --once, or if every one has failed for good: then materializations end when they have what is
// published.
Task<> Run::captures() {
  std::vector<Task<>> tasks;
  for (auto& job : captures_) tasks.push_back(repeat_capture(*job));
  co_await all_of(std::move(tasks));
  captures_ended_ = options_.once || (!captures_.empty() && !stopping_);
  if (!captures_ended_) co_return;
  if (!options_.once && !materializations_.empty())
    context_.log.error("every capture has failed; materializations end with what was captured");
  for (auto& job : materializations_)
    if (job->session) job->session->finish();
}

void Run::stop() {
  stopping_ = true;
  changed_.notify_all();
  for (auto& job : captures_)
    if (job->session) job->session->stop();
  for (auto& job : materializations_)
    if (job->session) job->session->stop();
}

Task<> Run::watch_signals(Scope& scope) {
  std::vector<int> signals{SIGINT, SIGTERM};
  int first = co_await next_signal(signals);
  context_.log.info("stopping; a second signal ends at once", kv("signal", first));
  stop();
  Clock::TimePoint due = context_.clock.now() + std::max<Clock::Duration>(options_.grace, least_patience);
  co_await scoped([&](Scope& patience) -> Task<> {
    patience.spawn(then_cancel(next_of(signals), patience));
    patience.spawn(then_cancel(context_.clock.sleep_until(due), patience));
    co_return;
  });
  context_.log.warn("stopping without what is still under way; nothing committed is lost");
  scope.cancel();
}

std::string or_null(std::optional<double> figure, int digits) {
  return figure ? fmt::format("{:.{}f}", *figure, digits) : "null";
}

void Run::show_once() {
  std::vector<std::string> lines;
  auto look = [&](auto& jobs) {
    for (auto& job : jobs) {
      TaskView::Figures figures = job->view.look(context_.clock);
      if (display_.terminal()) {
        lines.push_back(TaskView::line(job->view.name(), figures));
        continue;
      }
      context_.log.info("progress", kv("task", job->view.name()), kv("phase", figures.phase),
                        kv("rows", figures.rows), kv_json("rows_per_s", or_null(figures.rows_per_s, 0)),
                        kv_json("mb_per_s", or_null(figures.mb_per_s, 2)),
                        kv_json("lag_s", or_null(figures.lag_s, 2)), kv("behind_bytes", figures.behind_bytes),
                        kv_json("remaining_s", or_null(figures.remaining_s, 0)));
    }
  };
  look(captures_);
  look(materializations_);
  if (display_.terminal()) display_.show(std::move(lines));
}

Task<> Run::show_progress() {
  Clock::Duration interval = display_.terminal() ? Clock::Duration(500ms) : Clock::Duration(5s);
  for (;;) {
    co_await context_.clock.sleep(interval);
    show_once();
  }
}

Task<> Run::run() {
  choose_tasks();
  co_await scoped([&](Scope& helpers) -> Task<> {
    helpers.spawn(show_progress());
    co_await scoped([&](Scope& tasks) -> Task<> {
      helpers.spawn(watch_signals(tasks));
      tasks.spawn(captures());
      for (auto& job : materializations_) tasks.spawn(repeat_materialization(*job));
      co_return;
    });
    helpers.cancel();
  });
  show_once();
  if (failure_) std::rethrow_exception(failure_);
}

}  // namespace

Task<> run(Context& context, RunOptions options, Display& display) {
  runtime::Catalog catalog = runtime::load_catalog(options.catalog, load_options(options.decrypt));
  give_back_memory();
  check_names(options, catalog);
  Run job(context, std::move(options), std::move(catalog), display);
  co_await job.run();
}

}  // namespace sluice::tools
