#!/usr/bin/env python3
"""Adds up GoogleTest's result files: why tests were skipped, and the closing line."""
import collections
import pathlib
import sys
import xml.etree.ElementTree as xml

passed = failed = skipped = 0
reasons = collections.Counter()
for folder in sys.argv[1:]:
    for path in pathlib.Path(folder).glob("*.xml"):
        for case in xml.parse(path).getroot().iter("testcase"):
            skip = case.find("skipped")
            if case.find("failure") is not None:
                failed += 1
            elif skip is not None or case.get("result") == "skipped":
                skipped += 1
                reasons[(skip.get("message") or "").strip().splitlines()[-1] if skip is not None else ""] += 1
            else:
                passed += 1
for reason, count in reasons.most_common():
    print(f"skipped {count}: {reason}")
print(f"{passed} passed, {failed} failed, {skipped} skipped")
