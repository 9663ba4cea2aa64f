#!/usr/bin/env python3
"""Writes the training data of the bundled model from corpus/: deterministic, for a seed.

  generate.py [--out build/corpus] [--seed 1] [--scale 1.0] [--rounds 6]

pretrain.jsonl  documents, {"text": ...} a line; pretrain-valid.jsonl is one in a hundred of them
chats.jsonl     OpenAI messages, fresh questions in every round; chats-valid.jsonl: some of the first, apart
heldout.jsonl   questions with what is expected of the answer (the rule is in corpus/README.md)
dpo.jsonl       questions for preference pairs, with the same expectations
"""
import argparse
import json
import pathlib
import random
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import explain  # noqa: E402
import grammar  # noqa: E402
import topicfile  # noqa: E402
from topicfile import HERE, stable_hash  # noqa: E402

SYSTEM = ("你是代码匠，专门处理用户编程需求，通过提示词快速生成C语言代码，并以耐心细致的语气指导用户理解代码及背后的知识点。"
          "你的能力有:\n-解析用户需求，快速生成C语言代码。\n-列出编写代码所需的知识点。\n-鼓励用户学习并理解代码逻辑。")
PRESETS = [("如何用C语言实现一个简单的计算器？", "calculator/simple"),
           ("请编写一个C语言程序，实现数组排序。", "sort/sort+bubble+asc+fixed"),
           ("我想用C语言做一个学生管理系统，应该如何开始编写代码？", "student/system")]
HEADINGS = {"zh": ("**步骤讲解**", "**知识点**", "**逐行解释**", "**运行结果**"),
            "en": ("**Step by step**", "**Key points**", "**Line by line**", "**Output**")}
RESTATE = {"zh": ("用一句话复述：{}", "一句话说说要写什么：{}"), "en": ("In one sentence: {}", "Say it in one sentence: {}")}
CODE_ONLY = {"zh": ("只写代码：{}",), "en": ("Code only: {}",)}
LANGS = ("zh", "en")
LONGEST = 5200  # bytes of a conversation: it must fit 2048 tokens


def held_out_question(text):
    """One question in ten, by its words alone."""
    return stable_hash("question " + re.sub(r"\s+", " ", text.strip().lower())) % 10 == 0


def capital(text):
    return text[:1].upper() + text[1:]


class Frames:
    """frames.txt: kinds of sentence, each a list of grammars; "!" ones apart."""

    def __init__(self):
        self.open, self.kept, key = {}, {}, None
        for line in (HERE / "frames.txt").read_text(encoding="utf-8").split("\n"):
            if line.startswith("== "):
                key = line[3:].strip()
                self.open[key], self.kept[key] = [], []
            elif line.strip() and not line.startswith("# "):
                (self.kept if line.startswith("!") else self.open)[key].append(
                    grammar.parse(line.lstrip("!")))

    def say(self, key, rng, kept=False, **slots):
        text = grammar.draw(rng.choice((self.kept if kept else self.open)[key]), rng)
        for name, value in slots.items():
            text = text.replace("{" + name + "}", value)
        return text

    def wrapped(self, text, lang, rng):
        """A greeting before the question or a word after it, one question in four."""
        space, chance = "" if lang == "zh" else " ", rng.random()
        if chance < 0.12:
            if lang == "en" and text[1:2].islower():
                text = text[0].lower() + text[1:]
            return self.say(f"before {lang}", rng) + space + text
        if chance < 0.24:
            end = "" if text[-1] in "。？！.?!" else "。" if lang == "zh" else "."
            return text + end + space + self.say(f"after {lang}", rng)
        return text

    def roughened(self, text, lang, rng):
        """As people type: another C, no full stop, small letters. One question in five."""
        text = self.wrapped(text, lang, rng)
        if rng.random() > 0.2:
            return text
        if lang == "zh":
            text = text.replace("C语言", rng.choice(["c语言", "C 语言", "C语言"]))
            return text.rstrip("。？！") if rng.random() < 0.5 else text
        text = rng.choice([text, text.lower() if "`" not in text and '"' not in text else text])
        return text.rstrip(".?!") if rng.random() < 0.5 else text


def read_small_talk():
    items, item = [], None
    for line in (HERE / "talk/small.txt").read_text(encoding="utf-8").split("\n"):
        if line.startswith("=== "):
            item = {"name": line[4:].strip(), "ask": {"zh": [], "en": []}, "kept": {"zh": [], "en": []},
                    "say": {"zh": [], "en": []}}
            items.append(item)
        elif item is not None and (found := re.match(r"(ask|say) (zh|en): (!?)(.*)", line)):
            item["kept" if found[3] else found[1]][found[2]].append(grammar.parse(found[4]))
        elif line.strip() and not line.startswith("#"):
            raise topicfile.TopicError(f"small.txt: unknown line {line!r}")
    return items


def read_compare():
    """talk/compare.txt: pairs of things, and how they differ."""
    items = []
    for line in (HERE / "talk/compare.txt").read_text(encoding="utf-8").split("\n"):
        if line.startswith("=== "):
            items.append({})
        elif found := re.match(r"(pair|say) (zh|en): (.*)", line):
            items[-1][found[1], found[2]] = found[3].split(" / ") if found[1] == "pair" else found[3]
        elif line.strip() and not line.startswith("#"):
            raise topicfile.TopicError(f"compare.txt: unknown line {line!r}")
    return items


class Outside:
    def __init__(self):
        self.slots, self.ask, self.kept, self.says = {}, {}, {}, {}
        part = None
        for line in (HERE / "talk/outside.txt").read_text(encoding="utf-8").split("\n"):
            if line.startswith("== "):
                part = line[3:].split()
                if len(part) == 2:
                    for table in (self.ask, self.kept, self.says):
                        table.setdefault(part[1], [])
            elif not line.strip() or line.startswith("# "):
                continue
            elif part == ["slots"]:
                name, _, values = line.partition(":")
                self.slots[name] = [v.strip() for v in values.split("/")]
            elif part[0] == "ask":
                (self.kept if line[0] == "!" else self.ask)[part[1]].append(line.lstrip("!"))
            else:
                self.says[part[1]].append(line)

    def question(self, lang, rng, kept=False):
        text = grammar.draw(rng.choice((self.kept if kept else self.ask)[lang]), rng)
        return capital(re.sub(r"\{(\w+)\}", lambda m: rng.choice(self.slots[f"{m[1]}.{lang}"]), text))

    def answer(self, lang, rng):
        return grammar.draw(rng.choice(self.says[lang]), rng)


class Synonyms:
    """synonyms.txt: says a phrase in other words, at most two changes at a time."""

    def __init__(self):
        self.rows = {"zh": [], "en": []}
        for line in (HERE / "synonyms.txt").read_text(encoding="utf-8").split("\n"):
            if line.strip() and not line.startswith("#"):
                words = [w.strip() for w in line[3:].split(" / ")]
                self.rows[line[:2]].append((words[0], words[1:]))

    def reword(self, phrase, lang, rng):
        if rng.random() < 0.5:
            return phrase
        changes = 0
        for word, others in rng.sample(self.rows[lang], len(self.rows[lang])):
            pattern = re.escape(word) if lang == "zh" else rf"\b{re.escape(word)}\b"
            if re.search(pattern, phrase) and "`" not in phrase:
                phrase = re.sub(pattern, lambda _: rng.choice(others), phrase, count=1)
                changes += 1
                if changes == 2:
                    break
        return phrase


class Writer:
    def __init__(self, seed):
        self.topics = topicfile.read_topics()
        self.points = topicfile.read_knowledge()
        self.frames, self.small, self.outside = Frames(), read_small_talk(), Outside()
        self.synonyms, self.compare = Synonyms(), read_compare()
        self.programs = [p for t in self.topics for p in t.programs]
        self.trained = [p for p in self.programs if not p.held_out]
        self.by_id = {p.id: p for p in self.programs}
        self.by_topic = {t.name: t for t in self.topics}
        self.sharing = {}  # (lang, phrase) -> programs that it asks for
        for p in self.programs:
            for field in ("np", "vp"):
                for lang in LANGS:
                    for phrase in p.fields[field][lang]:
                        self.sharing.setdefault((lang, phrase), []).append(p)
        self.rng = random.Random(seed)

    # Parts of an answer.

    def code(self, program, lang):
        return "```c\n" + program.source(lang).strip("\n") + "\n```"

    def steps(self, program, lang):
        return "\n".join([HEADINGS[lang][0]] + [f"{i}. {s}" for i, s in enumerate(program.steps[lang], 1)])

    def knowledge(self, program, lang):
        colon = "：" if lang == "zh" else ": "
        lines = [f"- **{self.points[k][lang][0]}**{colon}{self.points[k][lang][1]}"
                 for k in dict.fromkeys(program.points)]
        return "\n".join([HEADINGS[lang][1]] + lines)

    def opening(self, program, lang, rng):
        """Says what was asked in the program's own words: the first of its `vp`."""
        return self.frames.say(f"open {lang}", rng, vp=program.fields["vp"][lang][0])

    def answer(self, program, lang, rng):
        if program.broken:
            fixed = "改正后的程序：" if lang == "zh" else "The program put right:"
            parts = [program.fields["why"][lang][0] + "\n\n" + fixed]
        else:
            parts = [self.opening(program, lang, rng)]
        parts += [self.code(program, lang), self.steps(program, lang), self.knowledge(program, lang),
                  self.frames.say(f"close {lang}", rng)]
        return "\n\n".join(parts)

    def question(self, program, lang, rng, kept=False):
        """(question, phrase)"""
        if program.broken:
            if program.error and rng.random() < 0.4:
                return capital(self.frames.say(f"ask error {lang}", rng, kept, error=program.error)), None
            text = self.frames.say(f"ask broken {lang}", rng, kept, symptom=rng.choice(program.fields["symptom"][lang]))
            return capital(text) + "\n```c\n" + topicfile.localise(program.broken, lang).strip("\n") + "\n```", None
        field, phrase = rng.choice([(f, p) for f in ("np", "vp") for p in program.fields[f][lang]])
        said = self.synonyms.reword(phrase, lang, rng)
        return self.frames.roughened(capital(self.frames.say(f"ask {field} {lang}", rng, kept, **{field: said})), lang, rng), phrase

    # Follow-ups: a question and an answer about the program just shown, or None.

    def follow(self, program, lang, rng):
        def ask(kind):
            return capital(self.frames.say(f"follow {kind} {lang}", rng))
        other = "en" if lang == "zh" else "zh"
        kinds = ["explain", "explain", "points", "output", "compile", "translate", "thanks", "another",
                 "change", "change", "change", "link", "link"]
        kind = rng.choice(kinds)
        if kind == "explain":
            lines = explain.explain(program.source(lang), lang)
            if lines:
                colon = "：" if lang == "zh" else ": "
                body = "\n".join(f"- `{line}`{colon}{text}" for line, text in lines)
                return ask(kind), f"{HEADINGS[lang][2]}\n{body}\n\n" + self.frames.say(f"close {lang}", rng), program
        elif kind == "points":
            return ask(kind), self.knowledge(program, lang) + "\n\n" + self.frames.say(f"close {lang}", rng), program
        elif kind == "output" and program.cases and program.exact:
            case = rng.choice(program.cases)
            if case.stdout and len(case.stdout) < 400:
                lead = ""
                if case.stdin:
                    given = case.stdin.strip()
                    lead = (f"输入\n```text\n{given}\n```\n时，" if lang == "zh" else
                            f"For the input\n```text\n{given}\n```\n")
                says = "程序输出：" if lang == "zh" else ("the program prints:" if lead else "The program prints:")
                return ask(kind), f"{lead}{says}\n```text\n{case.stdout.rstrip()}\n```", program
        elif kind == "compile":
            library = " -lm" if "#include <math.h>" in program.code else ""
            command = f"```bash\ngcc -std=c17 -Wall -Wextra main.c -o main{library}\n./main\n```"
            return ask(kind), self.frames.say(f"say compile {lang}", rng) + "\n" + command, program
        elif kind == "translate":
            return ask(kind), self.steps(program, other) + "\n\n" + self.knowledge(program, other), program
        elif kind == "thanks":
            return ask(kind), self.frames.say(f"say thanks {lang}", rng), program
        elif kind == "another":
            others = [p for p in self.by_topic[program.topic].programs
                      if p is not program and not p.held_out and not p.broken]
            if others:
                chosen = rng.choice(others)
                return ask(kind), self.answer(chosen, lang, rng), chosen
        elif kind == "change" and program.values:
            axis = rng.choice(list(program.values))
            wanted = [p for p in self.by_topic[program.topic].programs
                      if p.values.keys() == program.values.keys() and not p.held_out and
                      p.values[axis] != program.values[axis] and p.name.split("+")[0] == program.name.split("+")[0] and
                      all(p.values[a] == v for a, v in program.values.items() if a != axis)]
            wanted = [p for p in wanted if p.values[axis] in p.changes.get(axis, {})]
            if wanted:
                chosen = rng.choice(wanted)
                text = rng.choice(chosen.changes[axis][chosen.values[axis]][lang])
                return self.polite(text, lang, rng), self.answer(chosen, lang, rng), chosen
        elif kind == "link" and program.links:
            name, texts = rng.choice(program.links)
            chosen = next((p for p in self.by_topic[program.topic].programs
                           if (p.name == name or p.name.startswith(name + "+")) and not p.held_out), None)
            if chosen:
                return self.polite(rng.choice(texts[lang]), lang, rng), self.answer(chosen, lang, rng), chosen
        return None

    def polite(self, text, lang, rng):
        if lang == "zh":
            return grammar.draw(rng.choice(["{}。", "请{}。", "{}", "能不能{}？", "{}，谢谢。"]), rng).replace("{}", text) \
                if "吗" not in text and "怎么" not in text and "有没有" not in text else text + "？"
        if re.match(r"(can|how|is|could) ", text):
            return capital(text) + "?"
        return capital(rng.choice(["{}.", "please {}.", "{}, please.", "now {}."]).replace("{}", text))

    # Conversations.

    def conversation(self, program, lang, rng, turns):
        question, _ = self.question(program, lang, rng)
        if held_out_question(question):
            return None
        messages = [("user", question), ("assistant", self.answer(program, lang, rng))]
        now = program
        for _ in range(turns):
            more = self.follow(now, lang, rng)
            if more is None:
                continue
            size = sum(len(text.encode()) for _, text in messages) + len((more[0] + more[1]).encode())
            if size > LONGEST or any(more[0] == text for _, text in messages):
                continue
            messages += [("user", more[0]), ("assistant", more[1])]
            now = more[2]
        return messages

    def point_conversation(self, point, lang, rng):
        question = capital(self.frames.say(f"ask point {lang}", rng, name=self.points[point][lang][0]))
        if held_out_question(question):
            return None
        users = sorted((p for p in self.trained if point in p.points[:2] and not p.broken),
                       key=lambda p: (len(p.code), p.id))
        text = self.points[point][lang][1]
        if users:
            program = users[0]
            lead = "看一个例子：" if lang == "zh" else "Here is an example:"
            text += f"\n\n{lead}\n\n" + self.code(program, lang) + "\n\n" + self.steps(program, lang)
        return [("user", question), ("assistant", text + "\n\n" + self.frames.say(f"close {lang}", rng))]

    def compare_conversation(self, lang, rng, kept=False):
        item = rng.choice(self.compare)
        pair = list(item["pair", lang])
        rng.shuffle(pair)
        question = self.frames.roughened(capital(self.frames.say(f"ask pair {lang}", rng, kept, a=pair[0], b=pair[1])), lang, rng)
        if not kept and held_out_question(question):
            return None
        return [("user", question), ("assistant", item["say", lang] + "\n\n" + self.frames.say(f"close {lang}", rng))]

    def small_conversation(self, lang, rng, kept=False):
        items = [i for i in self.small if i["kept" if kept else "ask"][lang]]
        item = rng.choice(items)
        question = grammar.draw(rng.choice(item["kept" if kept else "ask"][lang]), rng)
        return [("user", question), ("assistant", grammar.draw(rng.choice(item["say"][lang]), rng))]

    def outside_conversation(self, lang, rng):
        question = self.outside.question(lang, rng)
        if held_out_question(question):
            return None
        return [("user", question), ("assistant", self.outside.answer(lang, rng))]

    # The files.

    def brief(self, program, lang, rng, fronts, answer):
        """A question behind a front that asks for a part of the answer."""
        question, _ = self.question(program, lang, rng)
        if held_out_question(question):
            return None
        return [("user", rng.choice(fronts).replace("{}", question)), ("assistant", answer)]

    def chats(self, scale, turns=(0, 0, 0, 0, 0, 1, 1, 2)):
        """One round: every program is asked for in fresh words, for the whole answer, for the code alone, and
        for the sentence that says which program is meant. Two whole answers in five stand behind the system prompt
        that the page sends."""
        rng = random.Random(f"{self.rng.random()}")
        out, seen = [], set()

        def add(messages, behind_system=0.4):
            key = messages and tuple(text for _, text in messages)
            if key and key not in seen:
                seen.add(key)
                out.append([("system", SYSTEM)] * (rng.random() < behind_system) + messages)
        for program in self.trained:
            for lang in LANGS:
                for _ in range(max(2, round(7 * scale * program.weight))):
                    add(self.conversation(program, lang, rng, rng.choice(turns)))
                if program.broken:
                    continue
                for _ in range(round(5 * scale * program.weight)):
                    opening = self.opening(program, lang, rng)
                    add(self.brief(program, lang, rng, CODE_ONLY[lang], f"{opening}\n\n{self.code(program, lang)}"), 0)
                for _ in range(round(8 * scale)):
                    add(self.brief(program, lang, rng, RESTATE[lang], self.opening(program, lang, rng)), 0)
        for question, name in PRESETS:
            for _ in range(round(6 * scale)):
                add([("user", question), ("assistant", self.answer(self.by_id[name], "zh", rng))])
        for point in self.points:
            for lang in LANGS:
                for _ in range(round(3 * scale)):
                    add(self.point_conversation(point, lang, rng))
        for lang in LANGS:
            for _ in range(round(500 * scale)):
                add(self.small_conversation(lang, rng))
                if rng.random() < 0.5:
                    add(self.compare_conversation(lang, rng))
            for _ in range(round(900 * scale)):
                add(self.outside_conversation(lang, rng))
        # Small talk before or after a program: the context changes, the answers do not.
        for _ in range(round(400 * scale)):
            lang = rng.choice(LANGS)
            first = rng.choice([self.small_conversation, self.outside_conversation])(lang, rng)
            second = self.conversation(rng.choice(self.trained), lang, rng, 0)
            if first and second:
                add(first + second if rng.random() < 0.6 else second + first)
        rng.shuffle(out)
        return out

    def pretrain(self, scale):
        rng = random.Random(f"{self.rng.random()}")
        docs = []
        for program in self.trained:
            for lang in LANGS:
                other = "en" if lang == "zh" else "zh"
                about = program.fields["why" if program.broken else "vp"][lang][0]
                title = capital(program.title(lang) or (program.fields["symptom"][lang][0] if program.broken else about))
                about = capital(about.rstrip(".。")) + ("。" if lang == "zh" else ".")
                code, steps, points = self.code(program, lang), self.steps(program, lang), self.knowledge(program, lang)
                docs.append(f"# {title}\n\n{about}\n\n{code}\n\n{steps}\n\n{points}")
                docs.append(f"// {about}\n{program.source(lang).strip()}")
                docs.append(f"{steps}\n\n{self.steps(program, other)}")
                lines = explain.explain(program.source(lang), lang, limit=40)
                if lines:
                    colon = "：" if lang == "zh" else ": "
                    docs.append(f"{code}\n\n{HEADINGS[lang][2]}\n" +
                                "\n".join(f"- `{line}`{colon}{text}" for line, text in lines))
                for _ in range(max(1, round(4 * scale * program.weight))):
                    talk = self.conversation(program, lang, rng, rng.choice([0, 0, 1]))
                    if talk:
                        docs.append("\n\n".join(text for _, text in talk))
        for point, both in self.points.items():
            users = [p for p in self.trained if point in p.points and not p.broken]
            for lang in LANGS:
                other = "en" if lang == "zh" else "zh"
                docs.append(f"{capital(both[lang][0])}\n\n{both[lang][1]}\n\n{capital(both[other][0])}\n\n{both[other][1]}")
                for program in rng.sample(users, min(len(users), round(4 * scale))):
                    docs.append(f"# {capital(both[lang][0])}\n\n{both[lang][1]}\n\n{self.code(program, lang)}\n\n"
                                f"{self.steps(program, lang)}")
        for lang in LANGS:
            for _ in range(round(300 * scale)):
                docs.append("\n\n".join(t for _, t in self.small_conversation(lang, rng)))
                for talk in (self.outside_conversation(lang, rng), self.compare_conversation(lang, rng)):
                    if talk is None:
                        continue
                    docs.append("\n\n".join(t for _, t in talk))
        rng.shuffle(docs)
        return docs

    def expectation(self, program, lang, phrase, kind, question):
        accepted = self.sharing.get((lang, phrase), [program])
        if program not in accepted or program.broken:
            accepted = [program]
        return {"kind": kind, "lang": lang, "topic": program.topic, "program": program.id,
                "messages": [{"role": "user", "content": question}],
                # One of these must hold whole: run with `arguments` and `stdin`, `need` in this order.
                "checks": [{"program": p.id, "cases": [
                    {"stdin": c.stdin, "arguments": list(p.arguments), "need": c.need} for c in p.cases]}
                    for p in accepted],
                "points": [self.points[k][lang][0] for k in dict.fromkeys(program.points)]}

    def held_out(self, seed):
        rng = random.Random(f"held out {seed}")
        items, seen = [], set()

        def add(item):
            text = item["messages"][0]["content"]
            if text not in seen:
                seen.add(text)
                items.append(item)
                return True
            return False

        def ask(program, lang, kind):
            for attempt in range(400):
                kept = attempt % 2 == 0
                question, phrase = self.question(program, lang, rng, kept)
                if (kept or held_out_question(question)) and add(self.expectation(program, lang, phrase, kind, question)):
                    return
        plain = {t.name: [p for p in t.programs if not p.held_out] for t in self.topics}
        for round_number in range(2):  # each topic twice in each language: its main program, then another
            for name, some in plain.items():
                for lang in LANGS:
                    ask(some[0] if round_number == 0 else rng.choice(some), lang, "paraphrase")
        combinations = [p for p in self.programs if p.held_out]
        rng.shuffle(combinations)
        for i, program in enumerate(combinations[:60]):
            ask(program, LANGS[i % 2], "combination")
        for lang in LANGS:
            for question, refuse in [(lambda: self.outside.question(lang, rng, kept=True), True)] * 30 + \
                    [(lambda: self.small_conversation(lang, rng, kept=True)[0][1], False),
                     (lambda: self.compare_conversation(lang, rng, kept=True)[0][1], False)] * 10:
                for _ in range(100):
                    if add({"kind": "outside" if refuse else "about", "lang": lang,
                            "messages": [{"role": "user", "content": question()}]}):
                        break
        for question, name in PRESETS:
            items.append(self.expectation(self.by_id[name], "zh", None, "preset", question))
        for i, item in enumerate(items):
            item["id"] = f"{item['kind']}-{i:03d}"
        return items

    def dpo(self, seed, count):
        rng = random.Random(f"dpo {seed}")
        items, seen = [], set()
        while len(items) < count:
            lang, program = rng.choice(LANGS), rng.choice(self.trained)
            question, phrase = self.question(program, lang, rng)
            if question not in seen and not held_out_question(question):
                seen.add(question)
                items.append({"prompt": question, **self.expectation(program, lang, phrase, "dpo", question)})
        return items


def plain(messages):
    return {"messages": [{"role": role, "content": text} for role, text in messages]}


def write_lines(path, rows):
    with open(path, "w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    print(f"{path}: {len(rows)} items, {path.stat().st_size / 1e6:.1f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=str(HERE.parent / "build" / "corpus"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="of the amount; 0.05 for a quick look")
    parser.add_argument("--rounds", type=int, default=6, help="of fine-tuning: each asks for everything in fresh words")
    parser.add_argument("--dpo", type=int, default=1500)
    arguments = parser.parse_args()
    out = pathlib.Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    writer = Writer(arguments.seed)
    docs = writer.pretrain(arguments.scale)
    rows = [{"text": doc.strip("\n")} for doc in docs]
    write_lines(out / "pretrain-valid.jsonl", rows[:len(rows) // 100])
    write_lines(out / "pretrain.jsonl", rows[len(rows) // 100:])
    held_out = writer.held_out(arguments.seed)
    kept = {item["messages"][0]["content"] for item in held_out if item["kind"] != "preset"}
    chats = []
    for number in range(arguments.rounds):
        chats += [m for m in Writer(arguments.seed + number).chats(arguments.scale)
                  if not any(text in kept for role, text in m if role == "user")]
    valid = len(chats) // 100 // arguments.rounds
    write_lines(out / "chats-valid.jsonl", [plain(m) for m in chats[:valid]])
    write_lines(out / "chats.jsonl", [plain(m) for m in chats[valid:]])
    write_lines(out / "heldout.jsonl", held_out)
    write_lines(out / "dpo.jsonl", writer.dpo(arguments.seed, arguments.dpo))


if __name__ == "__main__":
    main()
