#!/usr/bin/env python3
"""Fails on includes that the module table (modules.toml) forbids."""
import os
import sys
import tomllib

import tree

with open(os.path.join(os.path.dirname(__file__), "modules.toml"), "rb") as file:
    TABLE = tomllib.load(file)
MODULES = TABLE["modules"]


def third_party(name):
    for part, beginnings in TABLE["third_party"].items():
        if any(name == b or (b.endswith("/") and name.startswith(b)) for b in beginnings):
            return part
    return None


def is_system(name):
    return "/" not in name or name.startswith(tuple(TABLE["system"]["folders"]))


def owner(path):
    """(kind, module, is it a public header) of a project file."""
    parts = path.split(os.sep)
    if parts[0] == "include" and len(parts) > 3:
        return "module", parts[2], True
    if parts[0] == "src" and len(parts) > 2:
        return "module", parts[1], False
    if parts[0] == "connectors" and len(parts) > 2:
        return "connector", parts[1], False
    return "free", "", False  # tests, benchmarks, examples, the header of everything


def own_include(path, name):
    """What an include of one of our headers breaks, or None."""
    kind, module, public = owner(path)
    target = tree.resolve(path, name)
    if target is None:
        return "there is no such file" if name.startswith("sluice/") else None
    target_kind, target_module, _ = owner(target)
    if public and not target.startswith("include" + os.sep):
        return "a public header includes one that is not"
    if target_kind == "connector" and (kind, module) == ("module", "tools"):
        return None  # `sluice` has its connectors linked in
    if target_kind == "connector" and (kind, module) != ("connector", target_module) and kind != "free":
        return f"connector {target_module} is a program, not a library"
    if kind == "free" or target_kind != "module" or target_module == module:
        return None
    if target_module == "testing":
        return "only tests and benchmarks include testing"
    may = TABLE["connectors"]["may"] if kind == "connector" else MODULES[module]["may"]
    if "*" in may or target_module in may:
        return None
    return f"{module} may include {', '.join(may) or 'no other module'}"


def foreign_include(path, name):
    kind, module, public = owner(path)
    heavy = public and name in TABLE["system"]["not_in_headers"]
    if heavy:
        return "too heavy for a public header"
    part = third_party(name)
    if part is None:
        return None if is_system(name) else "unknown third party: add it to modules.toml"
    if kind == "free" or (part == "fmt" and not public):
        return None
    rules = TABLE["connectors"] if kind == "connector" else MODULES[module]
    allowed = rules.get("headers" if public else "sources", [])
    if part in allowed:
        return None
    where = "in public headers" if public else "in sources"
    return f"{part} is not among what {module} may use {where}: {', '.join(allowed) or 'nothing'}"


def wrong_include(path, name, quoted):
    ours = name.startswith("sluice/") or (quoted and tree.resolve(path, name) is not None)
    return own_include(path, name) if ours else foreign_include(path, name)


def check(path):
    kind, module, _ = owner(path)
    if kind == "module" and module not in MODULES:
        return [f"{path}: module {module} is not in modules.toml"]
    problems = []
    for line, quoted, name in tree.includes(path):
        wrong = wrong_include(path, name, quoted)
        if wrong:
            problems.append(f"{path}:{line}: {name}: {wrong}")
    if path.endswith(".hpp") and "#pragma once" not in tree.text(path):
        problems.append(f"{path}: lacks #pragma once")
    return problems


# (file, include, whether it is refused), of files that need not exist.
PROBES = [
    ("src/json/x.cpp", "sluice/base/error.hpp", False),
    ("src/json/x.cpp", "sluice/config/config.hpp", True),
    ("src/base/x.cpp", "sluice/async/task.hpp", True),
    ("src/files/x.cpp", "sluice/sql/dialect.hpp", True),
    ("src/json/x.cpp", "rapidjson/reader.h", False),
    ("include/sluice/json/x.hpp", "rapidjson/reader.h", True),
    ("include/sluice/pg/x.hpp", "libpq-fe.h", True),
    ("src/pg/x.cpp", "libpq-fe.h", False),
    ("src/sql/x.cpp", "libpq-fe.h", True),
    ("include/sluice/async/x.hpp", "asio.hpp", True),
    ("include/sluice/async/x.hpp", "asio/awaitable.hpp", False),
    ("include/sluice/config/x.hpp", "fmt/core.h", True),
    ("src/runtime/x.cpp", "sluice/testing/run.hpp", True),
    ("tests/runtime/x.cpp", "sluice/testing/run.hpp", False),
    ("src/base/x.cpp", "boost/any.hpp", True),
    ("src/base/x.cpp", "sys/stat.h", False),
    ("src/base/x.cpp", "sluice/base/no_such_header.hpp", True),
    ("connectors/a/x.cpp", "../materialize-sqlite/config.hpp", True),
    ("connectors/materialize-sqlite/x.cpp", "config.hpp", False),
    ("include/sluice/base/x.hpp", "../../../connectors/materialize-sqlite/config.hpp", True),
]


def self_test():
    problems = []
    for path, name, refused in PROBES:
        if (wrong_include(path, name, True) is not None) != refused:
            problems.append(f"{path}: {name}: expected to be {'refused' if refused else 'allowed'}")
    tree.report(problems, len(PROBES))


def main():
    if "--self-test" in sys.argv:
        self_test()
    paths = tree.files(["include", "src", "connectors", "tests", "bench", "examples"], (".hpp", ".cpp"))
    paths = [p for p in paths if os.sep + "probes" + os.sep not in p]
    tree.report([problem for path in paths for problem in check(path)], len(paths))


if __name__ == "__main__":
    main()
