#!/usr/bin/env python3
"""Runs coroutines.query over every translation unit of a build; --self-test runs it over probes/ instead.

A probe's lines that end in `// wrong` must be reported, and no others.
"""
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys

import tree

HERE = os.path.dirname(os.path.abspath(__file__))
QUERY = os.path.join(HERE, "coroutines.query")
COROUTINES = re.compile(r"\bco_(await|return)\b")
# Without these Clang sees no coroutines in this asio.
CLANG = ["-DASIO_HAS_CO_AWAIT", "-DASIO_HAS_STD_COROUTINE", "-w", "-Wno-everything", "-ferror-limit=3"]
BINDS = re.compile(r'^(.+?):(\d+):\d+: note: "root" binds here', re.M)
FAILURE = re.compile(r"^(?:error|\S+:\d+:\d+: (?:fatal )?error): .*$", re.M)


def flags_of(entry):
    """Of a compile command, what Clang needs: include paths, definitions and the standard."""
    words = shlex.split(entry["command"]) if "command" in entry else entry["arguments"]
    kept = []
    for i, word in enumerate(words):
        if word.startswith(("-I", "-isystem")) and len(word) > 2 and word != "-isystem":
            prefix = "-isystem" if word.startswith("-isystem") else "-I"
            kept.append(prefix + os.path.join(entry["directory"], word[len(prefix):]))
        elif word in ("-I", "-isystem"):
            kept.append(word + os.path.join(entry["directory"], words[i + 1]))
        elif word.startswith("-D") or word.startswith("-std="):
            kept.append(word)
    return sorted(set(kept), key=kept.index)


def units(build):
    """(project path, flags) of the translation units with coroutines in them or in headers of ours they read."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    found = {}
    for entry in entries:
        path = os.path.relpath(os.path.join(entry["directory"], entry["file"]), tree.ROOT)
        if path.startswith("..") or path.startswith("build") or not path.endswith(".cpp") or path in found:
            continue
        if any(COROUTINES.search(tree.text(part)) for part in tree.closure(path)):
            found[path] = flags_of(entry)
    return found


class Linter:
    def __init__(self, work, files_pattern):
        self.program = os.environ.get("CLANG_QUERY", "clang-query-19")
        self.compiler = os.environ.get("CLANGXX", "clang++-19")
        self.work = work
        os.makedirs(work, exist_ok=True)
        with open(QUERY, encoding="utf-8") as file:
            self.query_text = file.read().replace("FILES", files_pattern)
        self.rules = re.findall(r"^# rule: (.*)$", self.query_text, re.M)
        self.query = os.path.join(work, "coroutines.query")
        with open(self.query, "w", encoding="utf-8") as file:
            file.write(self.query_text)
        self.identity = tree.version_of(self.program) + self.query_text
        self.cache = tree.Cache(os.path.join(work, "passed"))
        self.prefixes = {}

    def prefix(self, flags):
        """A precompiled pch/async.hpp; parsing asio anew for every file would take most of the time."""
        relevant = tuple(f for f in flags if f.startswith(("-DASIO", "-std=", "-D_")))
        if relevant not in self.prefixes:
            out = os.path.join(self.work, f"async{len(self.prefixes)}.pch")
            source = os.path.join(tree.ROOT, "pch", "async.hpp")
            subprocess.run([self.compiler, *relevant, *CLANG, "-x", "c++-header", source, "-o", out], check=True)
            self.prefixes[relevant] = out
        return self.prefixes[relevant]

    def lint(self, path, flags):
        """What is wrong in one file, as (place, rule); an error of Clang's is a finding too."""
        key = tree.digest(path, self.identity, *flags)
        if self.cache.passed(key):
            return []
        command = [self.program, "-f", self.query, os.path.join(tree.ROOT, path), "--", "-x", "c++", *flags, *CLANG]
        command += ["-include-pch", self.prefix(flags)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tree.ROOT)
        output = done.stdout + done.stderr
        failure = FAILURE.search(output)
        if failure or done.returncode != 0:
            return [(path, "not compiled by Clang: " + (failure[0] if failure else output[-500:]))]
        matches = done.stdout.split(" match.")  # every rule's list ends with its count
        sections = re.split(r"^\d+ match(?:es)?\.$", done.stdout, flags=re.M)
        if len(sections) != len(self.rules) + 1:
            return [(path, f"{len(self.rules)} rules gave {len(sections) - 1} answers: {matches[-1][-300:]}")]
        found = []
        for rule, section in zip(self.rules, sections):
            for place in BINDS.finditer(section):
                found.append((f"{os.path.relpath(place[1], tree.ROOT)}:{place[2]}", rule))
        if not found:
            self.cache.add(key)
        return found

    def run(self, work):
        for flags in work.values():
            self.prefix(flags)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            results = pool.map(lambda item: self.lint(*item), work.items())
            return sorted({finding for result in results for finding in result})


def self_test(linter, build):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = [e for e in json.load(file) if e["file"].endswith(os.path.join("async", "scope.cpp"))]
    probes = {path: flags_of(entries[0]) for path in tree.files(["tests/lint/probes"], (".cpp",))}
    expected = set()
    for path in probes:
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            if line.endswith("// wrong"):
                expected.add(f"{path}:{number}")
    findings = linter.run(probes)
    places = {place for place, _ in findings}
    problems = [f"{place}: not reported" for place in sorted(expected - places)]
    problems += [f"{place}: reported as: {rule}" for place, rule in findings if place not in expected]
    unused = set(linter.rules) - {rule for _, rule in findings}
    problems += [f"no probe for the rule: {rule}" for rule in sorted(unused)]
    tree.report(problems, len(expected))


def main():
    build = os.path.abspath(sys.argv[1])
    pattern = "^" + re.escape(tree.ROOT).replace("\\", "\\\\") + "/"
    linter = Linter(os.path.join(build, "lint"), pattern)
    if "--self-test" in sys.argv:
        self_test(linter, build)
    work = units(build)
    problems = [f"{place}: {rule}" for place, rule in linter.run(work)]
    tree.report(problems, len(work))


if __name__ == "__main__":
    main()
