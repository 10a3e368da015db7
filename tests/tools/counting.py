#!/usr/bin/env python3
"""A capture of {"id": 0}, {"id": 1}, …: as many as its configuration says, from where its state says.

Configuration: docs; extra (members of every document); sourced (a schema of them); stay (wait to be asked to end); validate_s and apply_s (how
long those take); seen (a file that gets a line for each request, with the LOG_LEVEL of the process); and whatever
else, to be found nowhere in the output.
"""
import json
import os
import sys
import time


def say(**message):
    print(json.dumps(message), flush=True)


def note(config, what):
    if "seen" in config:
        with open(config["seen"], "a") as seen:
            seen.write(f"{what} {os.environ.get('LOG_LEVEL')}\n")


def capture(request):
    config = request["capture"]["config"]
    note(config, "open")
    say(opened={})
    if "sourced" in config:
        say(sourcedSchema={"binding": 0, "documentSchema": config["sourced"]})
        say(checkpoint={"state": {"updated": {}, "mergePatch": True}})
    first, end = request.get("state", {}).get("next", 0), config["docs"]
    for i in range(first, end):
        say(captured={"binding": 0, "doc": {"id": i, **config.get("extra", {})}})
    if first < end:
        say(checkpoint={"state": {"updated": {"next": end}, "mergePatch": True}})
    if config.get("stay") and "SHUTDOWN_AFTER_POLLING" not in os.environ:
        sys.stdin.read()


for line in sys.stdin:
    (kind, request), = [(k, v) for k, v in json.loads(line).items() if not k.startswith("$")]
    if kind == "spec":
        say(spec={"protocol": 3032023, "configSchema": {}, "resourceConfigSchema": {}, "documentationUrl": "x"})
    elif kind == "validate":
        note(request["config"], "validate")
        time.sleep(request["config"].get("validate_s", 0))
        say(validated={"bindings": [{"resourcePath": [b["resourceConfig"]["name"]]} for b in request["bindings"]]})
    elif kind == "discover":
        say(discovered={"bindings": [] if request["config"].get("empty") else [{
            "recommendedName": "orders", "resourceConfig": {"name": "orders"}, "resourcePath": ["orders"],
            "documentSchema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
            "key": ["/id"]}]})
    elif kind == "apply":
        config = request["capture"]["config"]
        note(config, "apply")
        time.sleep(config.get("apply_s", 0))
        say(applied={})
    elif kind == "open":
        capture(request)
        break
