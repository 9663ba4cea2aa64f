#!/usr/bin/env python3
"""Every GoogleTest test that docs/checks.md names as Suite.Test exists. `Suite.*` and names cut with
`...` need one that begins so."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
known = set()
for folder in ("src", "tests"):
    for path in (root / folder).rglob("*.cpp"):
        for suite, name in re.findall(r"^TEST(?:_P|_F)?\(\s*(\w+),\s*(\w+)\)", path.read_text(), re.M):
            known.add(f"{suite}.{name}")
suites = {name.split(".")[0] for name in known}

missing = []
for number, line in enumerate((root / "docs/checks.md").read_text().splitlines(), 1):
    for suite, name, end in re.findall(r"\b([A-Z]\w+)\.([A-Z]\w+|\*)(\.\.\.)?", line):
        wanted = f"{suite}.{'' if name == '*' else name}"
        whole = name != "*" and not end
        if not (wanted in known if whole else any(test.startswith(wanted) for test in known)):
            missing.append(f"docs/checks.md:{number}: no test is called {suite}.{name}{end}")
print("\n".join(missing) if missing else f"checks: every named test is there ({len(known)} tests)")
sys.exit(bool(missing))
