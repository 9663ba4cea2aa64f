"""Paraphrase grammars: "[please|] write [a|one] program" is four sentences.

Brackets without "|" are literal, so that a[i] may be said; groups nest.
"""


def parse(text):
    node, end = _sequence(text, 0, "")
    assert end == len(text), text
    return node


def _sequence(text, i, stops):
    parts, literal = [], ""
    while i < len(text) and text[i] not in stops:
        if text[i] == "[":
            options, j = _group(text, i)
            if options is not None:
                if literal:
                    parts.append(literal)
                    literal = ""
                parts.append(options)
                i = j
                continue
        literal += text[i]
        i += 1
    if literal:
        parts.append(literal)
    return parts, i


def _group(text, i):
    options, j = [], i + 1
    while True:
        option, j = _sequence(text, j, "|]")
        options.append(option)
        if j >= len(text):
            return None, i
        if text[j] == "]":
            return (options, j + 1) if len(options) > 1 else (None, i)
        j += 1


def draw(node, rng):
    """One sentence of the grammar."""
    if isinstance(node, str):
        node = parse(node)
    return "".join(p if isinstance(p, str) else draw(rng.choice(p), rng) for p in node)


def count(node):
    if isinstance(node, str):
        node = parse(node)
    total = 1
    for part in node:
        if not isinstance(part, str):
            total *= sum(count(option) for option in part)
    return total
