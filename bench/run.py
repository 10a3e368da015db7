#!/usr/bin/env python3
"""Runs the benchmarks of Sluice beside the physical limit of each. bench/README.md tells the method."""
import argparse
import json
import math
import os
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

BENCH = os.path.dirname(os.path.abspath(__file__))


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)} if values else None


class Usage:
    """What a process took: wall and CPU seconds, peak RSS in MiB."""

    def __init__(self, wall, cpu, rss_mib, status, output=b""):
        self.wall, self.cpu, self.rss_mib, self.status, self.output = wall, cpu, rss_mib, status, output


def measure(command, stdin=None, stdout=subprocess.DEVNULL, env=None, hold_stdin=False, through_pipe=False, keep=False):
    """Runs a command to its end. `stdin`: bytes to send first; `hold_stdin` keeps it open until the end."""
    environment = dict(os.environ, LOG_LEVEL="warn", LOG_FORMAT="text", **(env or {}))
    sink = None
    if through_pipe:  # a real pipe with a reader that does nothing else
        sink = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        stdout = sink.stdin
    errors = tempfile.TemporaryFile()
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                               stdout=subprocess.PIPE if keep else stdout, stderr=errors, env=environment)
    if sink:
        sink.stdin.close()
    if stdin is not None:
        process.stdin.write(stdin)
        process.stdin.flush()
        if not hold_stdin:
            process.stdin.close()
    output = process.stdout.read() if keep else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if sink:
        sink.wait()
    wall = time.monotonic() - start
    if stdin is not None and hold_stdin:
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass
    if process.returncode != 0:
        errors.seek(0)
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {errors.read()[-2000:].decode(errors='replace')}")
    return Usage(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode, output)


# ---- the protocol, as little of it as opening a capture needs (flow-protocol.md §2, §4, §6) ----

def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(tag, value):
    if isinstance(value, int):
        return varint(tag << 3) + varint(value) if value else b""
    if isinstance(value, str):
        value = value.encode()
    return varint(tag << 3 | 2) + varint(len(value)) + value


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def open_request(config, bindings, state):
    """capture.Request.open, framed for the protobuf codec."""
    specs = b""
    for binding in bindings:
        collection = field(1, "bench/" + "/".join(binding["resourcePath"]))
        collection += b"".join(field(3, key) for key in binding["key"])
        collection += field(4, "/_meta/uuid") + field(8, compact(binding["documentSchema"]))
        body = field(1, compact(binding["resourceConfig"])) + b"".join(field(2, part) for part in binding["resourcePath"])
        body += field(3, collection) + field(5, "%2F".join(binding["resourcePath"]))
        specs += field(4, body)
    capture = field(1, "bench/source") + field(2, 8) + field(3, compact(config)) + specs
    key_range = b"\x1d\xff\xff\xff\xff" + b"\x2d\xff\xff\xff\xff"
    message = field(5, field(1, capture) + field(2, "0000000000000001") + field(3, key_range) + field(4, compact(state)))
    return struct.pack("<I", len(message)) + message


class Bench:
    """What the benchmarks share: builds, the server, data made once."""

    def __init__(self, build, repeats, quick):
        self.build, self.repeats, self.quick = os.path.abspath(build), repeats, quick
        self.results = []
        self.folder = tempfile.mkdtemp(prefix="sluice-bench-")
        os.chmod(self.folder, 0o755)
        self.server = None
        self.made = set()
        self.usages = {}  # of runs by what and rows

    def close(self):
        if self.server:
            self.server.stdin.close()
            self.server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- programs --
    def connector(self, name):
        return os.path.join(self.build, "connectors", name, name)

    def sluice(self):
        return os.path.join(self.build, "sluice")

    def program(self, name):
        return os.path.join(self.build, "bench", name)

    # -- the server --
    def postgres(self):
        if not self.server:
            self.server = subprocess.Popen([self.program("bench_server")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            line = self.server.stdout.readline()
            if not line:
                raise RuntimeError("the private PostgreSQL did not start")
            self.at = json.loads(line)
            os.environ["PGPASSWORD"] = self.at["password"]
            self.sql("CREATE SCHEMA bench; CREATE TABLE public.flow_watermarks (slot text PRIMARY KEY, watermark text);"
                     "CREATE PUBLICATION flow_publication FOR ALL TABLES")
        return self.at

    def dsn(self, like_ours=False):
        """For the runner's own statements; or over TCP, as the connectors connect: what is measured differs in nothing else."""
        at = self.postgres()
        return f"host={at['host' if like_ours else 'socket']} port={at['port']} user={at['user']} dbname=postgres"

    def sql(self, text):
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.dsn(), "-c", text],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{text[:200]}: {done.stderr.strip()}")
        return done.stdout.strip()

    def table(self, name, rows, first=1):
        """A table of nine mixed columns."""
        if name in self.made:
            return
        self.made.add(name)
        self.sql(f"CREATE TABLE bench.{name} (id bigint PRIMARY KEY, name text, small smallint, amount numeric(12,2), "
                 "ratio double precision, active boolean, day date, at timestamptz, extra jsonb)")
        self.sql(f"INSERT INTO bench.{name} {self.rows_of(first, rows)}")
        self.sql(f"VACUUM ANALYZE bench.{name}")  # not with another statement: those would be one transaction
        self.sql("CHECKPOINT")

    @staticmethod
    def rows_of(first, last):
        return ("SELECT i, 'name of row ' || i, i % 30000, i * 0.01, i / 7.0, i % 2 = 0, '2020-01-01'::date + i % 2000, "
                "'2024-01-01'::timestamptz + i * interval '1 second', jsonb_build_object('k', i % 100, 't', md5(i::text)) "
                f"FROM generate_series({first}, {last}) i")

    def config(self, slot):
        at = self.postgres()
        return {"address": f"{at['host']}:{at['port']}", "user": at["user"], "database": "postgres",
                "credentials": {"auth_type": "UserPassword", "password": at["password"]},
                "advanced": {"slotName": slot, "sslmode": "disable"}}

    def drop_slots(self):
        for _ in range(100):
            left = self.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active;"
                            "SELECT count(*) FROM pg_replication_slots")
            if left.splitlines()[-1] == "0":
                return
            time.sleep(0.1)

    def bindings(self, tables):
        """What source-postgres discovers of bench.*, by the JSON codec."""
        request = compact({"discover": {"connectorType": "LOCAL", "config": self.config("bench_discover")}}) + "\n"
        answer = measure([self.connector("source-postgres")], stdin=request.encode(), env={"FLOW_RUNTIME_CODEC": "json"}, keep=True)
        found = json.loads(answer.output)["discovered"]["bindings"]
        chosen = [b for b in found if b["resourceConfig"]["stream"] in tables]
        for binding in chosen:
            binding["resourcePath"] = [binding["resourceConfig"]["namespace"], binding["resourceConfig"]["stream"]]
        return chosen

    def capture(self, slot, tables, state, documents=None):
        """One run of source-postgres until it has caught up, over real pipes, with every checkpoint acknowledged."""
        request = os.path.join(self.folder, "open.bin")
        with open(request, "wb") as out:
            out.write(open_request(self.config(slot), self.bindings(tables), state))
        answer = measure([self.program("bench_capture"), request, self.connector("source-postgres")], keep=True,
                         env={"SHUTDOWN_AFTER_POLLING": "yes"})
        seen = json.loads(answer.output)
        if documents is not None and seen["documents"] != documents:
            raise RuntimeError(f"{seen['documents']} documents came instead of {documents}")
        return Usage(seen["wall_s"], seen["cpu_s"], seen["rss_mib"], 0)

    def final_state(self, slot, tables):
        """Captures into memory by the JSON codec and returns the connector's state."""
        binding_specs = []
        for binding in self.bindings(tables):
            collection = {"name": "bench/" + "/".join(binding["resourcePath"]), "key": binding["key"], "uuidPtr": "/_meta/uuid",
                          "writeSchema": binding["documentSchema"]}
            binding_specs.append({"resourceConfig": binding["resourceConfig"], "resourcePath": binding["resourcePath"],
                                  "collection": collection, "stateKey": "%2F".join(binding["resourcePath"])})
        request = {"open": {"capture": {"name": "bench/source", "connectorType": "LOCAL", "config": self.config(slot), "bindings": binding_specs},
                            "version": "0000000000000001", "range": {"keyEnd": 4294967295, "rClockEnd": 4294967295}, "state": {}}}
        env = {"FLOW_RUNTIME_CODEC": "json", "SHUTDOWN_AFTER_POLLING": "yes"}
        answer = measure([self.connector("source-postgres")], stdin=(compact(request) + "\n").encode(), hold_stdin=True, env=env, keep=True)
        state = {}

        def merge(base, patch):
            for key, value in patch.items():
                if value is None:
                    base.pop(key, None)
                elif isinstance(value, dict) and isinstance(base.get(key), dict):
                    merge(base[key], value)
                else:
                    base[key] = value

        for line in answer.output.splitlines():
            if line.startswith(b'{"checkpoint"'):
                merge(state, json.loads(line)["checkpoint"]["state"]["updated"])
        return state

    # -- results --
    def paired(self, name, case, unit, work, ours, limit, bar, per_row=None, bar_cpu_us=None, bytes_of=None):
        """Runs ours and the limit alternately; each returns a Usage (or a number in `unit`)."""
        rows = {"ours": [], "limit": [], "ratio": [], "cpu": [], "rss": []}
        for i in range(self.repeats):
            mine = ours()
            theirs = limit() if limit else None
            speed = mine if isinstance(mine, (int, float)) else work / mine.wall
            rows["ours"].append(speed)
            if theirs is not None:
                base = theirs if isinstance(theirs, (int, float)) else work / theirs.wall
                rows["limit"].append(base)
                rows["ratio"].append(speed / base)
            if isinstance(mine, Usage):
                rows["rss"].append(mine.rss_mib)
                if per_row:
                    rows["cpu"].append(mine.cpu / per_row * 1e6)
        result = {"name": name, "case": case, "unit": unit, "ours": spread(rows["ours"]), "limit": spread(rows["limit"]),
                  "ratio": spread(rows["ratio"]), "cpu_us_per_row": statistics.median(rows["cpu"]) if rows["cpu"] else None,
                  "peak_rss_mib": max(rows["rss"]) if rows["rss"] else None, "bar": bar, "holds": None}
        checks = []
        if isinstance(bar, (int, float)) and rows["ratio"]:
            checks.append(result["ratio"]["median"] >= bar)
        if bar_cpu_us is not None and rows["cpu"]:
            checks.append(result["cpu_us_per_row"] <= bar_cpu_us)
            result["bar"] = f"{bar} and {bar_cpu_us} us/row"
        result["holds"] = all(checks) if checks else None
        self.add(result)

    def add(self, result):
        self.results.append(result)
        print(row_of(result), flush=True)


def row_of(r):
    number = lambda v: "-" if v is None else f"{v:,.3g}" if abs(v) < 1000 else f"{v:,.0f}"
    shown = lambda v: "-" if not v else f"{number(v['median'])} ({number(v['min'])} … {number(v['max'])})"
    verdict = {True: "holds", False: "MISSED", None: ""}[r["holds"]]
    return (f"{r['name']:<9} {r['case']:<26} {r['unit']:<8} {shown(r['ours']):<34} {shown(r['limit']):<34} "
            f"{shown(r['ratio']):<24} {number(r['cpu_us_per_row']):>7} {number(r.get('allocations_per_row')):>7} "
            f"{number(r['peak_rss_mib']):>6}  {str(r['bar'] or ''):<20} {verdict}")


def header():
    print(f"{'name':<9} {'case':<26} {'unit':<8} {'ours (min … max)':<34} {'limit':<34} {'ratio':<24} {'us/row':>7} {'allocs':>7} {'MiB':>6}  bar", flush=True)


# ---- benchmarks ----

def startup(bench):
    request = compact({"spec": {"connectorType": "LOCAL", "config": {}}}).encode() + b"\n"
    command = [bench.connector("source-postgres")]
    run = lambda: measure(command, stdin=request, env={"FLOW_RUNTIME_CODEC": "json"}).wall * 1000
    run()
    times = [run() for _ in range(max(20, bench.repeats))]
    nothing = [measure(["/bin/true"]).wall * 1000 for _ in range(20)]
    bench.add({"name": "startup", "case": "source-postgres spec", "unit": "ms", "ours": spread(times), "limit": spread(nothing),
               "ratio": None, "cpu_us_per_row": None, "peak_rss_mib": None, "bar": "<= 15 ms", "holds": statistics.median(times) <= 15})
    stripped = os.path.join(bench.folder, "stripped")
    subprocess.run(["strip", "-o", stripped, command[0]], check=True)
    size = os.path.getsize(stripped) / (1 << 20)
    bench.add({"name": "startup", "case": "stripped binary", "unit": "MiB", "ours": spread([size]), "limit": None, "ratio": None,
               "cpu_us_per_row": None, "peak_rss_mib": None, "bar": "printed", "holds": None})


def backfill(bench):
    rows = 200_000 if bench.quick else 2_000_000
    bench.table("mixed", rows)

    def ours():
        bench.drop_slots()
        return bench.capture("bench_backfill", ["mixed"], {}, rows)

    limit = lambda: measure(["psql", "-X", bench.dsn(like_ours=True), "-c", "COPY bench.mixed TO STDOUT"])
    bench.paired("backfill", f"{rows:,} rows, nine columns", "rows/s", rows, ours, limit, 0.85, per_row=rows, bar_cpu_us=1.2)


def catch_up(bench):
    """Writes changes that wait in a slot; how many, a run that reads them, and where they end."""
    changes = 100_000 if bench.quick else 1_000_000
    bench.table("cdc", 10)
    bench.drop_slots()
    state = bench.final_state("bench_cdc", ["cdc"])
    bench.sql("SELECT pg_create_logical_replication_slot('bench_limit', 'pgoutput')")
    some = bench.rows_of("n * 10 + 1", "n * 10 + 10")
    bench.sql(f"DO $$ BEGIN FOR n IN 1..{changes // 10} LOOP INSERT INTO bench.cdc {some}; COMMIT; END LOOP; END $$")
    end = bench.sql("SELECT pg_current_wal_flush_lsn()")
    bench.sql("SELECT pg_copy_logical_replication_slot('bench_cdc', 'bench_base')")

    def ours():  # from the same position each time, though acknowledgements move the slot
        bench.sql("SELECT pg_drop_replication_slot('bench_cdc')")
        bench.sql("SELECT pg_copy_logical_replication_slot('bench_base', 'bench_cdc')")
        return bench.capture("bench_cdc", ["cdc"], state, changes)

    return changes, ours, end


def cdc(bench):
    changes, ours, end = catch_up(bench)
    limit = lambda: measure([bench.program("bench_discard"), bench.dsn(like_ours=True), "bench_limit", "flow_publication", end])
    bench.paired("cdc", f"{changes:,} rows in tens", "rows/s", changes, ours, limit, 0.95, per_row=changes, bar_cpu_us=2.0)
    end_of_catch_up(bench)


def end_of_catch_up(bench):
    bench.drop_slots()
    bench.sql("TRUNCATE bench.cdc")


def latency(bench):
    seconds = 5 if bench.quick else 30
    bench.sql("CREATE TABLE IF NOT EXISTS bench.latency (id bigserial PRIMARY KEY, note text)")
    figures = {"ours": [], "limit": []}
    for _ in range(1 if bench.quick else bench.repeats):
        request = os.path.join(bench.folder, "open.bin")
        with open(request, "wb") as out:
            out.write(open_request(bench.config("bench_latency"), bench.bindings(["latency"]), {}))
        receive = ["pg_recvlogical", "-d", bench.dsn(like_ours=True), "--slot", "bench_limit", "--start", "-f", "-", "--no-loop", "-F", "0",
                   "-o", "proto_version=1", "-o", "publication_names=flow_publication"]
        for side, command in (("ours", [bench.connector("source-postgres")]), ("limit", receive)):
            bench.drop_slots()
            bench.sql("TRUNCATE bench.latency")  # no mark of an earlier run may come again
            if side == "limit":
                bench.sql("SELECT pg_create_logical_replication_slot('bench_limit', 'pgoutput')")
            output = subprocess.run([bench.program("bench_latency"), bench.dsn(), "1000", str(seconds), request] + command,
                                    check=True, capture_output=True, text=True, env=dict(os.environ, LOG_LEVEL="warn")).stdout
            figures[side].append(json.loads(output))
    for share, most in (("p50", 1.5), ("p99", 2.0)):
        ours = [f[share + "_ms"] for f in figures["ours"]]
        limit = [f[share + "_ms"] for f in figures["limit"]]
        ratio = spread([a / b for a, b in zip(ours, limit)])
        holds = ratio["median"] <= most and (share == "p50" or statistics.median(ours) <= 20)
        bench.add({"name": "latency", "case": f"1,000 commits/s, {share}", "unit": "ms", "ours": spread(ours), "limit": spread(limit),
                   "ratio": ratio, "cpu_us_per_row": None, "peak_rss_mib": None,
                   "bar": f"<= {most} x" + (" and 20 ms" if share == "p99" else ""), "holds": holds})


def discover(bench, folder, tables):
    config = os.path.join(folder, "source.json")
    with open(config, "w") as out:
        json.dump(dict(bench.config("bench_e2e"), discoveryFilters={"table_patterns": ["bench." + t for t in tables]}), out)
    catalog, database = os.path.join(folder, "flow.yaml"), os.path.join(folder, "out.db")
    measure([bench.sluice(), "discover", "--connector", "source-postgres", "--config", config, "--name", "bench/source",
             "--sqlite", database, "--output", catalog])
    return catalog, database


def run_once(bench, tables):
    bench.drop_slots()
    folder = tempfile.mkdtemp(dir=bench.folder)
    catalog, _ = discover(bench, folder, tables)
    usage = measure([bench.sluice(), "run", catalog, "--state", os.path.join(folder, "state"), "--once"])
    shutil.rmtree(folder)
    return usage


def e2e(bench):
    rows = 200_000 if bench.quick else 2_000_000
    bench.table("mixed", rows)

    def limit():
        target = os.path.join(bench.folder, "limit.db")
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(target + suffix):
                os.remove(target + suffix)
        subprocess.run(["sqlite3", target, "PRAGMA journal_mode=WAL; CREATE TABLE mixed (id INTEGER PRIMARY KEY, name TEXT, small INTEGER, "
                        "amount REAL, ratio REAL, active BOOLEAN, day TEXT, at TEXT, extra TEXT)"], check=True, stdout=subprocess.DEVNULL)
        command = f"psql -X '{bench.dsn(like_ours=True)}' -c 'COPY bench.mixed TO STDOUT (FORMAT csv)' | sqlite3 '{target}' '.mode csv' '.import /dev/stdin mixed'"
        return measure(["sh", "-c", command])

    bench.paired("e2e", f"{rows:,} rows to SQLite", "rows/s", rows, lambda: run_once(bench, ["mixed"]), limit, 0.5, per_row=rows, bar_cpu_us=6.0)


def sizes(bench):
    return [10_000, 100_000] if bench.quick else [10_000, 100_000, 1_000_000, 10_000_000]


def run_of(bench, what, rows):
    """One capture or whole run of a table of that size; several runs of it the first time if they are short."""
    if (what, rows) not in bench.usages:
        name = f"grow_{rows}"
        bench.table(name, rows)
        usages = []
        for _ in range(3 if rows <= 1_000_000 else 1):
            bench.drop_slots()
            usages.append(bench.capture("bench_sizes", [name], {}) if what == "connector" else run_once(bench, [name]))
        bench.usages[what, rows] = usages
    return bench.usages[what, rows]


def growth(bench):
    for what in ("connector", "runtime"):
        first = None
        for rows in sizes(bench)[1:]:
            cpu = spread([u.cpu / rows * 1e6 for u in run_of(bench, what, rows)])
            first = first or cpu["median"]
            bench.add({"name": "growth", "case": f"{what}, {rows:,} rows", "unit": "us/row", "ours": cpu, "limit": None, "ratio": None,
                       "cpu_us_per_row": cpu["median"], "peak_rss_mib": max(u.rss_mib for u in run_of(bench, what, rows)),
                       "bar": "within 10 % of the first", "holds": cpu["median"] <= first * 1.1})


def memory(bench):
    for what, bar in (("connector", 64), ("runtime", 256)):
        for rows in sizes(bench):
            peak(bench, f"{what}, {rows:,} rows", run_of(bench, what, rows), bar)
    most = 100 if bench.quick else 1000
    if "many" not in bench.made:
        bench.made.add("many")
        bench.sql(f"DO $$ BEGIN FOR i IN 1..{most} LOOP EXECUTE format('CREATE TABLE bench.many_%s (id bigint PRIMARY KEY, t text)', i); "
                  "EXECUTE format('INSERT INTO bench.many_%s SELECT k, md5(k::text) FROM generate_series(1, 100) k', i); END LOOP; END $$")
    for count in (1, 10, 100, 1000):
        if count > most:
            continue
        tables = [f"many_{i}" for i in range(1, count + 1)]
        bench.drop_slots()
        peak(bench, f"connector, {count:,} tables", [bench.capture("bench_sizes", tables, {})], 64)
        peak(bench, f"runtime, {count:,} tables", [run_once(bench, tables)], 256)


def peak(bench, case, usages, bar):
    most = max(u.rss_mib for u in usages)
    bench.add({"name": "memory", "case": case, "unit": "MiB", "ours": spread([u.rss_mib for u in usages]), "limit": None, "ratio": None,
               "cpu_us_per_row": None, "peak_rss_mib": most, "bar": f"<= {bar} MiB", "holds": most <= bar})


def from_program(name):
    """Benchmarks that are one program each: it prints one JSON result object a line."""
    def run(bench):
        command = [bench.program("bench_" + name), "--repeats", str(bench.repeats)] + (["--quick"] if bench.quick else [])
        for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
            if line.startswith("{"):
                bench.add(json.loads(line))
    return run


BENCHMARKS = {"codec": from_program("codec"), "backfill": backfill, "cdc": cdc, "latency": latency, "runtime": from_program("runtime"),
              "sqlite": from_program("sqlite"), "e2e": e2e, "memory": memory, "startup": startup, "growth": growth}


def plot(results, path):
    """Throughput and peak memory against row count, as an SVG of its own making."""
    points = {}
    for r in results:
        match = re.match(r"(\w+), ([\d,]+) rows", r["case"])
        if match and r["name"] in ("memory", "growth"):
            points.setdefault((r["name"], match.group(1)), []).append((int(match.group(2).replace(",", "")), r["ours"]["median"]))
    if not points:
        return
    width, height, left, bottom = 640, 300, 70, 40
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height * len(points)}" font-family="sans-serif" font-size="12">']
    for panel, ((name, what), series) in enumerate(sorted(points.items())):
        series.sort()
        top = max(v for _, v in series) * 1.2
        low, high = math.log10(series[0][0]), math.log10(series[-1][0]) or 1
        x = lambda n: left + (math.log10(n) - low) / max(high - low, 1e-9) * (width - left - 30)
        y = lambda v: panel * height + height - bottom - v / top * (height - bottom - 30)
        unit = "MiB" if name == "memory" else "µs CPU a row"
        lines.append(f'<text x="{left}" y="{panel * height + 18}">{what}: {unit} against rows</text>')
        lines.append('<polyline fill="none" stroke="#06c" points="' + " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in series) + '"/>')
        for n, v in series:
            lines.append(f'<circle cx="{x(n):.1f}" cy="{y(v):.1f}" r="3" fill="#06c"/><text x="{x(n):.1f}" y="{y(v) - 8:.1f}" text-anchor="middle">{v:.3g}</text>')
            lines.append(f'<text x="{x(n):.1f}" y="{panel * height + height - 15}" text-anchor="middle">{n:,}</text>')
    lines.append("</svg>")
    with open(path, "w") as out:
        out.write("\n".join(lines) + "\n")


def compare(bench, other, names):
    """Two builds in one run: the ratio of ours to the other build, per paired benchmark."""
    mine, theirs = bench.build, os.path.abspath(other)

    def mixed(run):
        rows = 200_000 if bench.quick else 2_000_000
        bench.table("mixed", rows)

        def once():
            bench.drop_slots()
            return run()
        return rows, once

    prepare = {"backfill": lambda: mixed(lambda: bench.capture("bench_compare", ["mixed"], {})),
               "cdc": lambda: catch_up(bench)[:2], "e2e": lambda: mixed(lambda: run_once(bench, ["mixed"]))}
    if not set(names) <= set(prepare):
        raise SystemExit(f"two builds are compared by {', '.join(prepare)} only")

    def of(build, run):
        def call():
            bench.build = build
            try:
                return run()
            finally:
                bench.build = mine
        return call

    for name in names or prepare:
        rows, run = prepare[name]()
        bench.paired(name, "this build / the other", "rows/s", rows, of(mine, run), of(theirs, run), None, per_row=rows)
        if name == "cdc":
            end_of_catch_up(bench)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--build", default="build/release", help="build folder")
    parser.add_argument("--against", help="another build folder: compare backfill, cdc and e2e as a ratio")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows: to see that everything runs")
    parser.add_argument("--output", default="build/bench", help="where results.json and plot.svg go")
    options = parser.parse_args()
    unknown = [n for n in options.names if n not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    bench = Bench(options.build, options.repeats, options.quick)
    try:
        header()
        if options.against:
            compare(bench, options.against, options.names)
        else:
            for name in options.names or BENCHMARKS:
                BENCHMARKS[name](bench)
    finally:
        bench.close()
    os.makedirs(options.output, exist_ok=True)
    with open(os.path.join(options.output, "results.json"), "w") as out:
        json.dump({"benchmarks": bench.results}, out, indent=1)
    plot(bench.results, os.path.join(options.output, "plot.svg"))
    missed = [r for r in bench.results if r["holds"] is False]
    print(f"\n{len(bench.results)} results in {options.output}/results.json, {len(missed)} below their bar")


if __name__ == "__main__":
    main()
