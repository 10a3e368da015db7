#!/usr/bin/env python3
"""The `sluice` command from outside. usage: sluice_test.py SLUICE CONNECTORS [unittest arguments]"""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

here = os.path.dirname(os.path.abspath(__file__))
sluice, connectors = map(os.path.abspath, sys.argv[1:3])


class SluiceTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sluice-tools-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.source = {"docs": 3}
        self.properties = {"id": {"type": "integer"}}
        self.required, self.key = ["id"], ["/id"]
        self.inferred = False
        self.capture = {"interval": "0s", "bindings": [{"resource": {"name": "orders"}, "target": "acme/orders"}]}
        self.sink = {"endpoint": {"connector": {"image": "materialize-sqlite", "config": {"path": self.path("out.db")}}},
                     "bindings": [{"source": "acme/orders", "resource": {"table": "orders"}}]}

    def path(self, name):
        return os.path.join(self.folder, name)

    def write_catalog(self):
        command = [sys.executable, os.path.join(here, "counting.py")]
        schema = {"type": "object", "required": self.required, "properties": self.properties}
        read = {"allOf": [{"$ref": "flow://relaxed-write-schema"}, {"$ref": "flow://inferred-schema"}]}
        schemas = {"writeSchema": schema, "readSchema": read} if self.inferred else {"schema": schema}
        catalog = {
            "collections": {"acme/orders": {**schemas, "key": self.key}},
            "captures": {"acme/source": {"endpoint": {"local": {"command": command, "config": self.source}},
                                         **self.capture}},
            "materializations": {"acme/sink": self.sink},
        }
        if not self.sink:
            del catalog["materializations"]
        with open(self.path("flow.json"), "w") as out:
            json.dump(catalog, out)
        return self.path("flow.json")

    def start(self, *arguments, **options):
        return subprocess.Popen([sluice, *arguments], cwd=self.folder, text=True, stderr=subprocess.PIPE,
                                env={**os.environ, "LOG_FORMAT": "text", **options.pop("env", {})}, **options)

    def sluice(self, *arguments, status=0, **options):
        """Runs to the end; gives standard output, and keeps standard error."""
        options.setdefault("stdout", subprocess.PIPE)
        with self.start(*arguments, **options) as process:
            try:
                out, self.stderr = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        self.assertEqual(process.returncode, status, self.stderr)
        return out

    def run_once(self, *arguments, status=0):
        return self.sluice("run", self.write_catalog(), "--state", "state", "--once", *arguments, status=status)

    def rows(self, query="SELECT count(*) FROM orders"):
        database = sqlite3.connect(self.path("out.db"))
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()

    def state(self, name="acme/sink"):
        return json.loads(self.sluice("state", "--state", "state", "--name", name))

    def wait_for(self, condition):
        deadline = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), deadline, "waited in vain")
            time.sleep(0.02)


class Backfill(SluiceTest):
    def widen(self):
        """A column whose type changes so that its table has to be created anew."""
        self.source = {"docs": 3, "extra": {"note": None}}
        self.properties["note"] = {"type": ["string", "null"]}
        self.run_once()
        self.assertEqual(self.rows(), [(3,)])
        self.properties["note"] = {"type": ["boolean", "null"]}

    def test_an_automatic_one_is_remembered_by_later_runs(self):
        self.widen()
        self.source["docs"] = 5
        self.run_once()
        self.assertIn("backfill=1", self.stderr)
        self.assertEqual(self.rows(), [(5,)])
        for docs in (6, 7):
            self.source["docs"] = docs
            self.run_once()
            self.assertNotIn("backfill=", self.stderr)
            self.assertEqual(self.rows(), [(docs,)])

    def test_raising_the_counter_after_an_automatic_one_starts_another(self):
        self.widen()
        self.run_once()
        self.sink["bindings"][0]["backfill"] = 1
        self.run_once()
        self.assertEqual(self.rows(), [(3,)])
        self.assertIn("MK-v2:orders.v2", self.state())

    def test_a_lowered_counter_loses_nothing(self):
        self.sink["bindings"][0]["backfill"] = 2
        self.run_once()
        self.sink["bindings"][0]["backfill"] = 1
        self.source["docs"] = 5
        self.run_once()
        self.assertEqual(self.rows(), [(5,)])
        lowered, = [line for line in self.stderr.splitlines() if "lowered" in line]
        for part in (" warn ", "catalog=1 ", "in_effect=2 ", "set it to 2 ", "or to 3 "):
            self.assertIn(part, lowered)
        self.sink["bindings"][0]["backfill"] = 2
        self.run_once()
        self.assertNotIn("lowered", self.stderr)

    def test_a_binding_may_be_disabled_instead_and_the_others_go_on(self):
        self.widen()
        self.sink["bindings"][0]["onIncompatibleSchemaChange"] = "disableBinding"
        self.sink["bindings"].append({"source": "acme/orders", "resource": {"table": "others"}})
        self.source["docs"] = 5
        self.run_once()
        self.assertIn("disabling a binding", self.stderr)
        self.assertEqual(self.rows(), [(3,)])
        self.assertEqual(self.rows("SELECT count(*) FROM others"), [(5,)])
        self.properties["note"] = {"type": ["string", "null"]}
        self.run_once()
        self.assertEqual(self.rows(), [(5,)])

    def test_or_end_the_task(self):
        self.widen()
        for policy in ("disableTask", "abort"):
            self.sink["onIncompatibleSchemaChange"] = policy
            self.run_once(status=1)
            self.assertIn("cannot be built", self.stderr)
            self.assertEqual(self.rows(), [(3,)])


class Inferred(SluiceTest):
    def setUp(self):
        super().setUp()
        self.inferred = True

    def stored(self):
        return self.state("acme/source").get("inferred:acme/orders")

    def fields(self, *arguments):
        sink = json.loads(self.sluice("validate", self.write_catalog(), "--state", "state").splitlines()[-1])
        return sink["bindings"][0]["fieldSelection"].get("values", [])

    def test_nothing_while_the_write_schema_says_it_all(self):
        self.run_once()
        self.assertIsNone(self.stored())
        self.properties["more"] = {"type": "string"}
        self.run_once()
        self.assertIsNone(self.stored())
        self.assertEqual(self.rows("SELECT count(*), count(more) FROM orders"), [(3, 0)])

    def test_members_that_no_schema_names_become_fields(self):
        self.run_once()
        self.source = {"docs": 5, "extra": {"note": "x", "deep": {"n": 1}}}
        self.run_once()
        self.assertIn("inferred schema updated", self.stderr)
        self.assertIn("building the task again", self.stderr)
        self.assertEqual(self.rows("SELECT count(*), count(note) FROM orders WHERE note IS NULL OR note = 'x'"), [(5, 2)])
        self.assertEqual(self.stored()["properties"]["note"]["type"], "string")
        self.assertIn("note", self.fields())
        # Also without a capture, and for a table that comes later.
        self.sink["bindings"][0]["resource"]["table"] = "again"
        self.run_once("--name", "acme/sink")
        self.assertEqual(self.rows("SELECT count(*), count(note) FROM again"), [(5, 2)])

    def test_a_source_schema_alone_adds_a_column(self):
        schema = {"type": "object", "additionalProperties": False, "properties": {"note": {"type": "boolean"}}}
        self.source["sourced"] = schema
        self.run_once()
        self.assertEqual(self.rows("SELECT count(*), count(note) FROM orders"), [(3, 0)])
        self.source["sourced"] = {"properties": 1}
        self.source["docs"] = 4
        self.run_once(status=1)
        self.assertIn("sourced schema of collection 'acme/orders'", self.stderr)

    def test_another_key_starts_anew(self):
        self.source = {"docs": 3, "extra": {"note": "x"}}
        self.run_once()
        self.assertIsNotNone(self.stored())
        self.key = ["/note"]
        self.properties["note"] = {"type": "string"}
        self.required = ["note"]
        self.sink["bindings"][0]["backfill"] = 1
        self.run_once()
        self.assertEqual(self.rows("SELECT note, id FROM orders"), [("x", 2)])

    def test_a_former_type_is_remembered(self):
        self.properties["note"] = {"type": "string"}
        self.source = {"docs": 3, "extra": {"note": "x"}}
        self.run_once()
        self.properties["note"] = {"type": "integer"}
        self.source = {"docs": 5, "extra": {"note": 7}}
        self.assertIn("note", self.fields())
        self.assertIsNone(self.stored(), "to validate changes nothing")
        self.run_once("--name", "acme/sink")
        self.assertEqual(self.stored()["properties"]["note"]["type"], ["integer", "string"])
        self.run_once()
        self.assertEqual(self.rows("SELECT count(*), count(note) FROM orders"), [(5, 5)])


class Killed(SluiceTest):
    def setUp(self):
        super().setUp()
        self.sink["endpoint"] = {"local": {
            "command": [sys.executable, os.path.join(here, "dies_after_apply.py"), self.path("died"),
                        os.path.join(connectors, "materialize-sqlite", "materialize-sqlite")],
            "config": {"path": self.path("out.db")}}}

    def test_in_an_apply_for_a_counter_that_is_taken_back_then(self):
        open(self.path("died"), "w").close()  # not in the first one
        self.run_once()
        os.remove(self.path("died"))
        self.source["docs"] = 5
        self.sink["bindings"][0]["backfill"] = 1
        self.run_once(status=-signal.SIGKILL)
        self.assertEqual(self.rows(), [(0,)])
        self.sink["bindings"][0]["backfill"] = 0
        self.run_once()
        self.assertEqual(self.rows(), [(5,)])

    def test_in_the_first_apply_the_tables_that_it_created_are_ours(self):
        self.run_once(status=-signal.SIGKILL)
        self.assertEqual(self.rows(), [(0,)])
        self.assertNotIn("last-applied", self.state())
        self.run_once()
        self.assertEqual(self.rows(), [(3,)])
        self.assertNotIn("applying", self.state())

    def test_in_an_apply_that_adds_a_binding(self):
        open(self.path("died"), "w").close()
        self.run_once()
        os.remove(self.path("died"))
        self.sink["bindings"].append({"source": "acme/orders", "resource": {"table": "more"}})
        self.run_once(status=-signal.SIGKILL)
        self.run_once()
        self.assertEqual(self.rows("SELECT count(*) FROM more"), [(3,)])

    def apply(self, *tables, killed=False):
        self.sink["bindings"] = [{"source": "acme/orders", "resource": {"table": table}} for table in tables]
        if killed:
            os.remove(self.path("died"))
        self.run_once(status=-signal.SIGKILL if killed else 0)

    def test_in_applies_whose_bindings_are_taken_out_and_come_back(self):
        open(self.path("died"), "w").close()
        self.apply("orders")
        self.apply("orders", "more", killed=True)
        self.apply("orders", "others", killed=True)
        self.apply("orders")
        self.apply("orders")
        self.assertEqual(self.rows("SELECT count(*) FROM more"), [(0,)])
        self.apply("orders", "more", "others")
        self.assertNotIn(" warn ", self.stderr)
        for table in ("orders", "more", "others"):
            self.assertEqual(self.rows(f"SELECT count(*) FROM {table}"), [(3,)])

    def test_in_a_backfill_that_is_then_repeated(self):
        open(self.path("died"), "w").close()
        self.run_once()
        os.remove(self.path("died"))
        self.sink["bindings"][0]["backfill"] = 1
        self.run_once(status=-signal.SIGKILL)
        self.run_once()
        self.assertEqual(self.rows(), [(3,)])


class Stopping(SluiceTest):
    def seen(self):
        if not os.path.exists(self.path("seen")):
            return ""
        with open(self.path("seen")) as seen:
            return seen.read()

    def stop_while(self, what, *arguments, signals=1, **source):
        self.source.update(source, seen=self.path("seen"))
        with self.start("run", self.write_catalog(), "--state", "state", "--name", "acme/source", *arguments) as run:
            self.wait_for(lambda: what in self.seen())
            for _ in range(signals):
                run.send_signal(signal.SIGTERM)
                time.sleep(0.1 if signals > 1 else 0)
            self.stderr = run.communicate(timeout=30)[1]
        self.assertEqual(run.returncode, 0, self.stderr)

    def test_while_validating_ends_it_and_applies_nothing(self):
        self.stop_while("validate", validate_s=60)
        self.assertNotIn("apply", self.seen())

    def test_while_applying_waits_for_the_grace_and_opens_nothing(self):
        self.stop_while("apply", "--grace", "1", apply_s=60)
        self.assertIn("still under way", self.stderr)
        self.assertNotIn("open", self.seen())

    def test_a_second_signal_does_not_wait(self):
        self.stop_while("apply", signals=2, apply_s=60)
        self.assertIn("still under way", self.stderr)

    def test_while_running(self):
        self.stop_while("open", stay=True)
        self.assertNotIn("still under way", self.stderr)


class Failing(SluiceTest):
    def setUp(self):
        super().setUp()
        self.run_once("--name", "acme/source")
        self.source.update(docs=5, extra={"id": "x"})

    def run_on(self):
        self.sluice("run", self.write_catalog(), "--state", "state", status=1)

    def test_for_good_of_all_captures_ends_the_run_with_what_was_captured(self):
        self.run_on()
        self.assertEqual(self.rows(), [(3,)])
        self.assertIn("failed validation", self.stderr.splitlines()[-1] + self.stderr.splitlines()[-2])
        self.assertIn("every capture has failed", self.stderr)

    def test_for_good_of_all_tasks_ends_the_run(self):
        self.sink["bindings"][0]["fields"] = {"recommended": True, "require": {"nope": {}}}
        self.run_on()
        self.assertIn("nope", self.stderr)


class Output(SluiceTest):
    def test_that_cannot_be_written_is_an_error(self):
        self.run_once()
        for command in (["read", "--collection", "acme/orders"], ["state"], ["spec", self.path("flow.json")],
                        ["discover", self.path("flow.json")]):
            with self.subTest(command), open("/dev/full", "w") as full:
                self.sluice(*command, *(["--state", "state"] if command[0] in ("read", "state") else []),
                            stdout=full, status=1)
                self.assertIn("cannot write to standard output: No space left on device", self.stderr)

    def test_without_a_reader_is_the_end(self):
        self.source["docs"] = 20000
        self.run_once()
        with self.start("read", "--state", "state", "--collection", "acme/orders", stdout=subprocess.PIPE) as read:
            self.assertIn('"id":0', read.stdout.readline())
            read.stdout.close()
            self.assertEqual(read.stderr.read(), "")
            self.assertEqual(read.wait(timeout=30), 0)

    def test_of_discover_replaces_a_file_at_once_and_is_private(self):
        self.addCleanup(os.umask, os.umask(0))
        self.sink = {}
        catalog = self.write_catalog()
        for mode in (None, 0o666):
            if mode:
                os.chmod(self.path("out.yaml"), mode)
            self.sluice("discover", catalog, "--output", "out.yaml")
            self.assertEqual(os.stat(self.path("out.yaml")).st_mode & 0o777, 0o600)
        os.symlink("out.yaml", self.path("link.yaml"))
        self.sluice("discover", catalog, "--output", "link.yaml")
        self.assertTrue(os.path.islink(self.path("link.yaml")))
        self.assertEqual(self.sluice("discover", catalog, "--output", "/dev/stdout"),
                         self.sluice("discover", catalog))
        written = open(self.path("out.yaml")).read()
        self.source["empty"] = True
        self.sluice("discover", self.write_catalog(), "--output", "out.yaml", status=1)
        self.assertIn("nothing to capture was discovered", self.stderr)
        self.assertEqual(open(self.path("out.yaml")).read(), written)
        self.sluice("discover", catalog, "--name", "a b", status=1)
        self.assertIn("'a b' is not a valid name", self.stderr)
        self.source["empty"] = False
        catalog = self.write_catalog()
        self.sluice("discover", catalog, "--output", "none/out.yaml", status=1)
        self.assertIn("cannot write 'none/out.yaml': No such file or directory", self.stderr)
        self.assertEqual([f for f in os.listdir(self.folder) if f.startswith("out.yaml.")], [])


class Inspecting(SluiceTest):
    def validate(self, **options):
        return self.sluice("validate", self.write_catalog(), "--state", "state", **options)

    def test_validate_takes_what_ran_before_into_account(self):
        self.validate()
        self.assertFalse(os.path.exists(self.path("state")))
        self.run_once()
        before = self.state()
        specs = [json.loads(line) for line in self.validate().splitlines()]
        self.assertEqual([s["name"] for s in specs], ["acme/source", "acme/sink"])
        for task in ('capture="acme/source"', 'materialization="acme/sink"'):
            self.assertIn(f"valid {task} bindings=1", self.stderr)
        self.sink["bindings"][0]["backfill"] = 1
        self.assertIn("orders.v1", self.validate())
        self.assertEqual(self.state(), before)
        # Another state folder knows of nothing.
        self.sluice("validate", self.write_catalog(), "--state", "other", status=1)
        self.assertIn("already exists", self.stderr)

    def test_validate_names_the_task_of_an_error(self):
        self.run_once()
        self.sluice("validate", self.write_catalog(), "--state", "other", status=1)
        self.assertIn("error acme/sink: ", self.stderr)

    def test_validate_warns_of_unknown_feature_flags(self):
        config = self.sink["endpoint"]["connector"]["config"]
        config["advanced"] = {"feature_flags": "no_strict_shard_ranges, retain_existing_dada"}
        self.sluice("validate", self.write_catalog(), "--state", "state")
        self.assertEqual(self.stderr.count("feature flag is unknown"), 1)
        self.assertIn("retain_existing_dada", self.stderr)

    def test_validate_decides_on_a_backfill_without_recording_it(self):
        self.source = {"docs": 3, "extra": {"note": None}}
        self.properties["note"] = {"type": ["string", "null"]}
        self.run_once()
        before = self.state()
        self.properties["note"] = {"type": ["boolean", "null"]}
        for _ in range(2):
            self.assertIn("orders.v1", self.validate())
        self.assertEqual(self.state(), before)

    def test_nothing_printed_holds_the_configuration(self):
        self.source["password"] = "hunter2"
        printed = self.validate()
        self.run_once()
        for task in ("acme/source", "acme/sink"):
            state = self.sluice("state", "--state", "state", "--name", task)
            self.assertEqual(json.loads(state)["last-applied"]["name"], task)
            printed += state
        printed += self.stderr
        self.assertIn("acme/orders", printed)
        for form in ("hunter2", "hunter2".encode().hex(), '"config"'):
            self.assertNotIn(form, printed)

    def test_state_prints_what_it_understands(self):
        self.run_once()
        state = self.state()
        self.assertRegex(state["last-version"], "^[0-9a-f]{16}$")
        self.assertIn("acme/orders;materialize/acme/sink/orders", state["checkpoint"]["sources"])


class Arguments(SluiceTest):
    def test_amounts_of_memory(self):
        catalog = self.write_catalog()
        for bad in ("-1", "+1G", " 1G", "1g", "", "G", "99999999999G", "99999999999999999999999", "0", "95MiB"):
            self.sluice("run", catalog, "--memory=" + bad, status=2)
            self.assertIn("memory", self.stderr)
        self.sluice("run", catalog, "--once", "--memory", "96M")

    def test_seconds_of_grace(self):
        catalog = self.write_catalog()
        for bad in ("-1", "1s", "1.5", "99999999999"):
            self.sluice("run", catalog, "--grace=" + bad, status=2)
            self.assertIn("--grace", self.stderr)
            self.assertIn("seconds", self.stderr)

    def test_an_unknown_command_is_named_with_those_that_there_are(self):
        self.sluice("frob", "flow.yaml", status=2)
        self.assertIn("unknown command 'frob': there are run, discover,", self.stderr)

    def test_a_catalog_is_asked_for_by_all_its_names(self):
        for command in ("run", "validate", "spec"):
            self.sluice(command, status=2)
            for name in ("argument", "--source", "sluice discover"):
                self.assertIn(name, self.stderr)

    def test_a_log_level_is_checked_before_anything_else(self):
        self.sluice("run", "none.yaml", "--log-level", "loud", status=2)
        self.assertIn("unknown log level 'loud'", self.stderr)

    def test_discovering_needs_a_catalog_or_a_connector_with_its_configuration(self):
        for arguments in ([], ["--connector", "source-postgres"], ["--config", "config.json"]):
            self.sluice("discover", *arguments, status=2)
            for name in ("catalog", "--connector", "--config"):
                self.assertIn(name, self.stderr)

    def test_an_unknown_task_is_said_with_those_that_there_are(self):
        catalog = self.write_catalog()
        for command in ("run", "validate", "spec"):
            self.sluice(command, catalog, "--name", "nope", status=1)
            self.assertIn("flow.json has no task 'nope'. It has acme/source, acme/sink.", self.stderr)
        self.sluice("run", catalog, "--name", "acme/sink", "--name", "nope", "--state", "none", status=1)
        self.assertFalse(os.path.exists(self.path("none")))
        self.run_once("--name", "acme/source")
        self.sluice("state", "--state", "state", "--name", "nope", status=1)
        self.assertIn("state has no task 'nope'. It has acme/source.", self.stderr)


class Levels(SluiceTest):
    def levels(self, *arguments):
        self.source["seen"] = self.path("seen")
        self.run_once(*arguments)
        with open(self.path("seen")) as seen:
            levels = {line.split()[1] for line in seen}
        os.remove(self.path("seen"))
        return levels

    def test_of_a_task_reach_its_log_and_its_connector(self):
        self.assertEqual(self.levels(), {"info"})
        self.assertIn("capture was applied", self.stderr)
        self.assertEqual(self.levels("--log-level", "debug"), {"debug"})
        self.capture["shards"] = {"logLevel": "error"}
        self.assertEqual(self.levels(), {"error"})
        self.assertNotIn("capture was applied", self.stderr)
        self.capture["shards"] = {"logLevel": "info"}
        self.assertEqual(self.levels("--log-level", "error"), {"info"})
        self.assertIn("capture was applied", self.stderr)


class Encrypted(SluiceTest):
    def setUp(self):
        super().setUp()
        with open(self.path("source.json"), "w") as config:
            json.dump({"docs_sops": "ENC[3]", "password_sops": "ENC[x]", "sops": {"mac": "y"}}, config)
        self.source = "source.json"
        self.decrypt = "sed -e 's/\"ENC\\[3]\"/3/' -e 's/ENC\\[x]/hunter2/'"

    def test_configurations_are_decrypted_by_a_command(self):
        self.run_once("--decrypt", self.decrypt)
        self.assertEqual(self.rows(), [(3,)])
        with open(self.path("state/sluice.db"), "rb") as state:
            self.assertNotIn(b"hunter2", state.read())

    def test_without_one_or_if_it_fails_the_file_is_named(self):
        self.run_once(status=1)
        self.assertIn("source.json", self.stderr)
        self.assertIn("--decrypt", self.stderr)
        self.run_once("--decrypt", "cat > /dev/null; exit 3", status=1)
        self.assertIn("cannot decrypt", self.stderr)
        self.assertIn("source.json", self.stderr)


class Salt(SluiceTest):
    def test_is_made_up_once_and_kept(self):
        salts = set()
        for docs in (3, 4):
            self.source["docs"] = docs
            self.run_once()
            database = sqlite3.connect(self.path("state/sluice.db"))
            (spec,), = database.execute("SELECT value FROM state WHERE task = 'acme/source'"
                                        " AND key = CAST('last-applied' AS BLOB)")
            database.close()
            self.assertEqual(spec[-18:-16], b"\x52\x10")  # the last member: redact_salt, of 16 bytes
            salts.add(spec[-16:])
        self.assertEqual(len(salts), 1)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
