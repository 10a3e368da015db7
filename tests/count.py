#!/usr/bin/env python3
"""Adds up the test cases that `meson test` ran in the given build folders; the last line of ./dev test.

A GoogleTest program counts as its cases, any other test as one. A program that failed without a failed case (it
crashed, hung, or ran none) counts as one failure more. What failed is printed before, where the end of a long output
is all that is kept.
"""
import json
import os
import re
import sys
import xml.etree.ElementTree as xml

SHOWN_LINES = 40  # of what the failures of a program said
REPORT = re.compile("==ERROR: |WARNING: ThreadSanitizer|: runtime error: ")


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add_program(self, build, test):
        name = test["name"].split(" / ")[-1]
        cases = self.cases_of(os.path.join(build, name + ".xml"))
        failed_before = self.failed
        said = []
        if cases is None:
            self.add_result(test["result"])
        else:
            for case in cases:
                self.add_case(case, said)
            if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and self.failed == failed_before:
                self.failed += 1
        if self.failed > failed_before:
            names = [case for case, _ in said]
            lines = [line for _, lines in said for line in lines] or self.last_words(test)
            more = [f"... {len(lines) - SHOWN_LINES} more lines"] if len(lines) > SHOWN_LINES else []
            head = f"{build}: {name}: {self.failed - failed_before} failed ({test['result']})"
            self.failures.append("\n  ".join([head] + names + lines[:SHOWN_LINES] + more))

    @staticmethod
    def cases_of(path):
        """The case elements of a GoogleTest report; none if there is no whole report."""
        try:
            return list(xml.parse(path).getroot().iter("testcase"))
        except (OSError, xml.ParseError):
            return None

    @staticmethod
    def last_words(test):
        """What a program said that ended within a case: which, and the report of a sanitizer or else its end."""
        output = (test.get("stdout") or "").splitlines()
        errors = (test.get("stderr") or "").splitlines()
        lines = errors or output
        report = next((i for i, line in enumerate(lines) if REPORT.search(line)), max(0, len(lines) - SHOWN_LINES))
        return [line for line in output if line.startswith("[ RUN ")][-1:] + lines[report:]

    def add_case(self, case, said):
        failures = case.findall("failure") + case.findall("error")
        if failures:
            self.failed += 1
            lines = [f"  {line}" for failure in failures for line in failure.get("message", "").splitlines()]
            said.append((f"{case.get('classname')}.{case.get('name')}", lines))
        elif case.get("status") == "notrun" or case.get("result") in ("skipped", "suppressed"):
            self.skipped += 1
        else:
            self.passed += 1

    def add_result(self, result):
        if result in ("OK", "EXPECTEDFAIL"):
            self.passed += 1
        elif result == "SKIP":
            self.skipped += 1
        else:
            self.failed += 1


def main():
    count = Count()
    for build in sys.argv[1:]:
        log = os.path.join(build, "meson-logs", "testlog.json")
        try:
            with open(log, encoding="utf-8") as lines:
                for line in lines:
                    count.add_program(build, json.loads(line))
        except OSError:
            count.failed += 1
            count.failures.append(f"{build}: no tests ran")
    for failure in count.failures:
        print(failure)
    skipped = f", {count.skipped} skipped" if count.skipped else ""
    print(f"{count.passed} passed, {count.failed} failed{skipped}")
    sys.exit(1 if count.failed or not count.passed else 0)


if __name__ == "__main__":
    main()
