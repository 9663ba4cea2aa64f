"""Reads corpus/topics/*.txt: programs with requests, explanations and expected output.

A file is one topic. A program with axes is a template that stands for the product of its axes'
values; each combination becomes one Program. The format is described in corpus/README.md.
"""
import dataclasses
import hashlib
import itertools
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
BETWEEN = " ~~ "  # Chinese ~~ English


class TopicError(Exception):
    pass


@dataclasses.dataclass
class Case:
    stdin: str
    stdout: str
    need: list  # what must appear in stdout, in this order


@dataclasses.dataclass
class Program:
    topic: str
    name: str  # unique in the topic
    values: dict  # axis -> value name; {} without axes
    defaults: dict  # axis -> its first value
    fields: dict  # np, vp, title -> {"zh": [...], "en": [...]}
    points: list  # ids of knowledge points
    code: str  # with bilingual comments: "//: zh ~~ en"
    cases: list
    steps: dict  # {"zh": [...], "en": [...]}
    links: list  # follow-ups to another program: (name, {"zh": [...], "en": [...]})
    changes: dict  # axis -> value -> {"zh": [...], "en": [...]}
    broken: str = ""
    error: str = ""
    arguments: tuple = ()
    exact: bool = True  # false: what it prints depends on the machine; only `need` is compared
    weight: float = 1.0
    held_out: bool = False

    @property
    def id(self):
        return f"{self.topic}/{self.name}"

    def source(self, lang):
        return localise(self.code, lang)

    def title(self, lang):
        return self.fields["np"][lang][0] if self.fields["np"][lang] else ""


@dataclasses.dataclass
class Topic:
    name: str
    path: str
    title: dict
    programs: list


def localise(code, lang):
    """Keeps one language of the comments "//: zh ~~ en"."""
    lines = []
    for line in code.split("\n"):
        found = re.match(r"(.*?)//: (.*) ~~ (.*)$", line)
        if found:
            line = f"{found[1]}// {found[2] if lang == 'zh' else found[3]}"
        lines.append(line)
    return "\n".join(lines)


def stable_hash(text):
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def split_pair(text, where):
    parts = text.split(BETWEEN)
    if len(parts) != 2:
        raise TopicError(f"{where}: expected 'zh ~~ en', found: {text!r}")
    return parts[0].strip(), parts[1].strip()


def phrases(text, where):
    zh, en = split_pair(text, where)
    return {"zh": [p.strip() for p in zh.split(" / ")], "en": [p.strip() for p in en.split(" / ")]}


def holds(condition, values, where):
    """"a=x b!=y" is true when all hold; "a=x,y" when a is one of them; "a=x or b=y" when one does."""
    def one(term):
        found = re.match(r"(\w+)(!?=)([\w,-]+)$", term)
        if not found or found[1] not in values:
            raise TopicError(f"{where}: bad condition {term!r}")
        return (values[found[1]] in found[3].split(",")) == (found[2] == "=")
    return any(all(one(t) for t in part.split()) for part in condition.split(" or "))


def render(lines, values, table, where):
    """Applies %if/%elif/%else/%end and {{axis.key}} to the lines of a template."""
    out, stack = [], []  # stack of [taken now, taken before]
    for line in lines:
        found = re.match(r"\s*%(if|elif|else|end)\b\s*(.*)$", line)
        if found:
            word, rest = found[1], found[2].strip()
            if word == "if":
                now = holds(rest, values, where)
                stack.append([now, now])
            elif not stack:
                raise TopicError(f"{where}: %{word} without %if")
            elif word == "end":
                stack.pop()
            else:
                now = not stack[-1][1] and (word == "else" or holds(rest, values, where))
                stack[-1] = [now, now or stack[-1][1]]
            continue
        if all(level[0] for level in stack):
            def fill(found):
                axis, key = found[1], found[2]
                entry = table.get((axis, values.get(axis)))
                if entry is None or key not in entry:
                    raise TopicError(f"{where}: nothing for {found[0]} with {values}")
                return entry[key]
            out.append(re.sub(r"\{\{(\w+)\.(\w+)\}\}", fill, line))
    if stack:
        raise TopicError(f"{where}: %if without %end")
    return out


def numbers_of(text):
    return re.findall(r"-?\d+(?:\.\d+)?", text)


def parse_program(topic, name, lines, where):
    axes, table, changes, skips, ordered, rest = {}, {}, {}, [], [], []
    for line in lines:
        if line.startswith("axis "):
            axis, values = line[5:].split(":", 1)
            axes[axis.strip()] = [v.strip() for v in values.split(",")]
        elif line.startswith("val "):
            head, *pairs = line[4:].split(" | ")
            axis, value = head.strip().split(".")
            entry = dict(p.split("=", 1) for p in pairs)
            if "change" in entry:
                changes.setdefault(axis, {})[value] = phrases(entry["change"], where)
            table[(axis, value)] = entry
        elif line.startswith("ordered:"):  # of two axes with the same values: each pair once
            ordered.append(line[8:].split())
        elif line.startswith("skip:"):
            skips.append(line[5:].strip())
        else:
            rest.append(line)
    for axis, values in axes.items():
        for value in values:
            table.setdefault((axis, value), {})
    defaults = {axis: values[0] for axis, values in axes.items()}
    combos = [dict(zip(axes, combo)) for combo in itertools.product(*axes.values())]
    combos = [c for c in combos if not any(holds(s, c, where) for s in skips)]
    for one, two in ordered:
        order = axes[one] + [v for v in axes[two] if v not in axes[one]]
        combos = [c for c in combos if order.index(c[one]) < order.index(c[two])]
    programs = []
    for values in combos:
        label = name + "".join("+" + v for v in values.values())
        body = render(rest, values, table, f"{where}: {label}")
        program = parse_body(topic, label, values, defaults, changes, body, f"{where}: {label}")
        # The rule of held-out combinations: corpus/README.md.
        # What differs from the default in one axis is what people ask for in a word: it is trained on.
        changed = sum(values[axis] != defaults[axis] for axis in values)
        program.held_out = (len(combos) >= 12 and changed >= 2 and
                            stable_hash(f"combination {program.id}") % 5 == 0)
        programs.append(program)
    return programs


def parse_body(topic, name, values, defaults, changes, lines, where):
    fields = {"np": {"zh": [], "en": []}, "vp": {"zh": [], "en": []}, "symptom": {"zh": [], "en": []},
              "why": {"zh": [], "en": []}}
    points, links, cases, error, arguments, weight, exact = [], [], [], "", (), 1.0, True
    sections, current = [], None
    for line in lines:
        if line.startswith("--- "):
            current = (line[4:].strip(), [])
            sections.append(current)
        elif current is not None:
            current[1].append(line)
        elif not line.strip() or line.startswith("# "):
            continue
        else:
            key, _, text = line.partition(":")
            text = text.strip()
            if key in fields:
                for lang, some in phrases(text, where).items():
                    fields[key][lang] += some
            elif key == "kp":
                points += text.split()
            elif key == "error":
                error = text
            elif key == "args":
                arguments = tuple(text.split())
            elif key == "exact":
                exact = text != "no"
            elif key == "weight":
                weight = float(text)
            elif key.startswith("then "):
                links.append((key[5:].strip(), phrases(text, where)))
            else:
                raise TopicError(f"{where}: unknown field {key!r}")
    code, broken, steps, stdin = "", "", {"zh": [], "en": []}, ""
    for kind, body in sections:
        while body and not body[-1].strip():
            body.pop()
        text = "\n".join(body) + "\n" if body else ""
        if kind == "code":
            code = text
        elif kind == "broken":
            broken = text
        elif kind == "in":
            stdin = text
        elif kind == "out":
            cases.append(Case(stdin, text, numbers_of(text) or text.split()))
            stdin = ""
        elif kind == "need":
            cases[-1].need = [line for line in body if line.strip()]
        elif kind == "steps":
            for line in body:
                if line.strip():
                    zh, en = split_pair(line, where)
                    steps["zh"].append(zh)
                    steps["en"].append(en)
        else:
            raise TopicError(f"{where}: unknown section {kind!r}")
    if stdin:
        cases.append(Case(stdin, None, []))
    if not code:
        raise TopicError(f"{where}: no code")
    return Program(topic, name, values, defaults, fields, points, code, cases, steps, links, changes,
                   broken, error, arguments, exact, weight)


def read_topic(path):
    topic = re.sub(r"^\d+-", "", path.stem)
    title, programs, name, block = None, [], None, []

    def finish():
        if name is not None:
            programs.extend(parse_program(topic, name, block, f"{path.name}"))
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.startswith("=== "):
            finish()
            name, block = line[4:].strip(), []
        elif name is not None:
            block.append(line)
        elif line.startswith("title:"):
            zh, en = split_pair(line[6:].strip(), path.name)
            title = {"zh": zh, "en": en}
        elif line.strip() and not line.startswith("#"):
            raise TopicError(f"{path.name}: unknown line before the first program: {line!r}")
    finish()
    if title is None or not programs:
        raise TopicError(f"{path.name}: a topic needs a title and programs")
    names = [p.name for p in programs]
    for program in programs:
        for link, _ in program.links:
            if not any(n == link or n.startswith(link + "+") for n in names):
                raise TopicError(f"{path.name}: {program.name} links to unknown {link}")
    return Topic(topic, str(path), title, programs)


def read_topics(only=None):
    paths = sorted((HERE / "topics").glob("*.txt"))
    topics = [read_topic(p) for p in paths if only is None or only in p.name]
    names = [t.name for t in topics]
    if len(set(names)) != len(names):
        raise TopicError(f"two files of one topic: {sorted(n for n in names if names.count(n) > 1)}")
    return topics


def read_knowledge():
    """id -> {"zh": (name, sentence), "en": (name, sentence)}"""
    points, name = {}, None
    for number, line in enumerate((HERE / "knowledge.txt").read_text(encoding="utf-8").split("\n"), 1):
        where = f"knowledge.txt:{number}"
        if not line.strip() or line.startswith("# "):
            continue
        if line.startswith("  "):
            zh, en = split_pair(line, where)
            points[name] = {"zh": (points[name]["zh"], zh), "en": (points[name]["en"], en)}
        else:
            name, _, names = line.partition(":")
            if name in points:
                raise TopicError(f"{where}: {name} twice")
            zh, en = split_pair(names, where)
            points[name] = {"zh": zh, "en": en}
    return points
