#!/usr/bin/env python3
"""Fails on marks of unfinished work, on tests that are switched off, and on blanks at the end of lines."""
import os
import re

import tree

MARK = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bnot (?:yet )?implemented\b|\bGTEST_SKIP\b|\bDISABLED_\w")
FOLDERS = ["include", "src", "connectors", "tests", "bench", "examples", "proto", "docs"]
ENDINGS = (".hpp", ".cpp", ".py", ".sh", ".proto", ".md", ".build", ".toml", ".query", ".sql", ".yaml")


def check(path):
    problems = []
    for number, line in enumerate(tree.text(path).split("\n"), 1):
        mark = MARK.search(line)
        if mark:
            problems.append(f"{path}:{number}: {mark[0]}")
        if line != line.rstrip():
            problems.append(f"{path}:{number}: blanks at the end of the line")
    return problems


def main():
    top = [name for name in sorted(os.listdir(tree.ROOT)) if name.endswith(ENDINGS) or name == "dev"]
    paths = top + [path for path in tree.files(FOLDERS, ENDINGS) if not path.startswith(os.path.join("tests", "lint"))]
    tree.report([problem for path in paths for problem in check(path)], len(paths))


if __name__ == "__main__":
    main()
