#!/usr/bin/python3
"""Renders chat templates as transformers does (decision 22), for comparison.

Reads a JSON list of {"template": ..., "context": {...}} from stdin and writes a JSON list of
{"text": ...} or {"error": ...} to stdout. strftime_now tells 2024-07-26 14:05:09.
"""
import datetime
import json
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox


class GenerationTag(jinja2.ext.Extension):
    """{% generation %}: transformers marks the assistant's text with it; the output is unchanged."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def strftime_now(format):
    return datetime.datetime(2024, 7, 26, 14, 5, 9).strftime(format)


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


def render(env, cache, case):
    try:
        source = case["template"]
        if source not in cache:
            cache[source] = env.from_string(source)
        text = cache[source].render(**case["context"])
        text.encode("utf-8")
        return {"text": text}
    except Exception as error:  # whatever a template can do wrong
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    env, cache = environment(), {}
    json.dump([render(env, cache, case) for case in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
