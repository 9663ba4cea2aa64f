"""The template oracle of decision 22: what transformers' apply_chat_template does with jinja2.

stdin: {"template": ..., "context": {...}}; stdout: {"text": ...} or {"error": ...}.
"""
import datetime
import json
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


request = json.load(sys.stdin)
environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = raise_exception
environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
try:
    json.dump({"text": environment.from_string(request["template"]).render(**request["context"])}, sys.stdout)
except Exception as error:
    json.dump({"error": str(error)}, sys.stdout)
