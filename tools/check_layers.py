#!/usr/bin/env python3
"""The architecture diagram: what each folder of src/ may include. Run by ./test."""
import pathlib
import re
import sys

MAY_USE = {
    "base": [],
    "kernels": [],
    "tensor": ["base"],
    "quant": ["base", "kernels", "tensor"],
    "weights": ["base", "tensor", "quant"],
    "ops": ["base", "kernels", "tensor", "quant"],
    "text": ["base"],
    "model": ["base", "tensor", "quant", "weights", "ops"],
    "engine": ["base", "tensor", "model", "text"],
    "chat": ["base", "text", "engine"],
    "convert": ["base", "tensor", "quant", "weights"],
    "hub": ["base"],
    "storage": ["base"],
    "sandbox": ["base"],
    "judge": ["base", "sandbox"],
    "train": ["base", "kernels", "tensor", "quant", "weights", "ops", "text", "model", "convert"],
    "install": ["base", "tensor", "quant", "weights", "text", "model", "engine", "chat", "convert",
                "hub"],
    "runtime": ["base", "tensor", "quant", "weights", "text", "model", "engine", "chat", "hub"],
    "agent": ["base", "text", "engine", "chat", "sandbox"],
    "server": ["base", "tensor", "text", "model", "engine", "chat", "hub", "storage", "sandbox",
               "install", "runtime", "agent"],
    "cli": ["base", "kernels", "tensor", "quant", "weights", "ops", "text", "model", "engine",
            "chat", "convert", "hub", "storage", "sandbox", "judge", "train", "install", "runtime", "agent",
            "server"],
}
# Each external header lives behind one wrapper, in one folder.
EXTERNAL = {"nlohmann/": "base", "fmt/": "base", "simdjson": "text", "pcre2": "text",
            "utf8proc": "base", "CLI/": "cli", "immintrin": "kernels", "curl/": "base",
            "toml++/": "base", "openssl/": "base", "sqlite3": "storage", "boost/": "server",
            "gumbo": "agent", "seccomp": "sandbox"}

root = pathlib.Path(__file__).resolve().parent.parent
bad = 0
types = {}  # two types of one name in one namespace are one type to the linker
for path in sorted((root / "src").rglob("*.[ch]*")):
    parts = path.relative_to(root / "src").parts
    here = parts[0] if len(parts) > 1 else "cli"
    if here not in MAY_USE:
        print(f"{path}: folder {here} is not in the layer table"); bad += 1
        continue
    namespace = ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if found := re.match(r"namespace ([\w:]+) \{", line):
            namespace = found[1]
        found = re.match(r"(?:struct|class|enum class) (\w+)(?: final)?(?: : [^;]*)? \{", line)
        if found and path.suffix == ".h":
            other = types.setdefault((namespace, found[1]), path)
            if other != path:
                print(f"{path}:{number}: {found[1]} is also a type in {other}"); bad += 1
        found = re.match(r'#include "([a-z_]+)/', line)
        if found and found[1] in MAY_USE and found[1] != here and found[1] not in MAY_USE[here]:
            print(f"{path}:{number}: {here} must not include {found[1]}"); bad += 1
        found = re.match(r"#include [<\"]([A-Za-z_/0-9]+)", line)
        for prefix, home in EXTERNAL.items():
            if found and found[1].startswith(prefix) and here != home and not path.name.endswith("_test.cpp"):
                print(f"{path}:{number}: <{found[1]}> may be included in {home}/ only"); bad += 1
print(f"layers: {'ok' if not bad else f'{bad} violations'}")
sys.exit(bad != 0)
