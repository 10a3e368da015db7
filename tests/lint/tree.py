"""The project's files, their includes, and a cache of lint results by content."""
import hashlib
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.M)
_texts = {}


def files(folders, endings):
    """Project-relative paths below `folders`, sorted."""
    found = []
    for folder in folders:
        for path, inner, names in os.walk(os.path.join(ROOT, folder)):
            inner[:] = sorted(d for d in inner if not d.startswith((".", "build")))
            for name in sorted(names):
                if name.endswith(endings):
                    found.append(os.path.relpath(os.path.join(path, name), ROOT))
    return found


def text(path):
    if path not in _texts:
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            _texts[path] = file.read()
    return _texts[path]


def includes(path):
    """(line, is_quoted, name) of every include directive."""
    content = text(path)
    return [(content.count("\n", 0, m.start()) + 1, m[1] == '"', m[2]) for m in INCLUDE.finditer(content)]


def resolve(path, name):
    """The project file that `#include "name"` in `path` means, or None."""
    for base in ("include", "tests", "connectors", os.path.dirname(path)):
        candidate = os.path.normpath(os.path.join(base, name))
        if os.path.isfile(os.path.join(ROOT, candidate)):
            return candidate
    return None


def closure(path, seen=None):
    """The project files that compiling `path` reads, itself included."""
    seen = set() if seen is None else seen
    if path not in seen:
        seen.add(path)
        for _, _, name in includes(path):
            target = resolve(path, name)
            if target:
                closure(target, seen)
    return seen


def digest(path, *more):
    """Changes with the content of what `path` includes and with `more`."""
    state = hashlib.sha256()
    for part in sorted(closure(path)):
        state.update(part.encode() + b"\0" + text(part).encode() + b"\0")
    for part in more:
        state.update(str(part).encode() + b"\0")
    return state.hexdigest()


class Cache:
    """Keeps the names of what has passed; what fails is looked at again every time."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def passed(self, key):
        return os.path.exists(os.path.join(self.folder, key))

    def add(self, key):
        open(os.path.join(self.folder, key), "w").close()


def version_of(program):
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout


def report(problems, checked):
    for problem in problems:
        print(problem)
    print(f"{checked} checked, {len(problems)} problems")
    sys.exit(1 if problems else 0)
