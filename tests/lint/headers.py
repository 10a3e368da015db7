#!/usr/bin/env python3
"""Fails on public headers that do not compile alone, without warnings, as the first thing a program includes."""
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys

import tree
from coroutines import flags_of

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wno-missing-field-initializers", "-Werror"]


def command_of(build):
    """The compiler of the build and the flags of an ordinary file of ours."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entry = next(e for e in json.load(file) if e["file"].endswith(os.path.join("async", "scope.cpp")))
    words = shlex.split(entry["command"])
    compiler = words[: next(i for i, word in enumerate(words) if word.startswith("-"))]
    return compiler, flags_of(entry) + WARNINGS


def compile_alone(header, compiler, flags):
    """What the compiler says, nothing if it accepts the header."""
    name = os.path.relpath(header, "include")
    done = subprocess.run([*compiler, *flags, "-fsyntax-only", "-x", "c++", "-"], input=f'#include "{name}"\n',
                          capture_output=True, text=True, cwd=tree.ROOT)
    return None if done.returncode == 0 else f"{header}: does not compile alone\n{done.stderr}"


def main():
    build = os.path.abspath(sys.argv[1])
    compiler, flags = command_of(build)
    cache = tree.Cache(os.path.join(build, "lint", "headers"))
    identity = tree.version_of(compiler[-1])
    headers = tree.files(["include"], (".hpp",))
    keys = {header: tree.digest(header, identity, *flags) for header in headers}

    def check(header):
        if cache.passed(keys[header]):
            return None
        problem = compile_alone(header, compiler, flags)
        if problem is None:
            cache.add(keys[header])
        return problem

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = [problem for problem in pool.map(check, headers) if problem]
    tree.report(problems, len(headers))


if __name__ == "__main__":
    main()
