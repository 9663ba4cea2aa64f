"""The rows of bench/peers and what is computed from the runs. Pure: table_test.py runs it on made-up
measurements."""
import dataclasses
import re
import shlex
import statistics

PREFILL_TOKENS = 512
LONG_TOKENS = 8192
DECODE_TOKENS = 64
SEQUENCES = 8


@dataclasses.dataclass(frozen=True)
class Group:
    """What one run of either program measures: a prompt, then tokens decoded after it."""
    name: str
    sizes: dict  # prefill, decode, depth, sequences: as llama.mjs and `jiang bench` take them
    titles: dict  # phase -> the row's title

    @property
    def is_long(self):
        return max(self.sizes.get("prefill", 0), self.sizes.get("depth", 0)) >= LONG_TOKENS

    def context(self):
        """Tokens that either program needs room for; one is of the answer."""
        return max(self.sizes.get("prefill", 0), self.sizes.get("depth", 1) + self.sizes.get("decode", 0)) + 1

    def needs(self, trained):
        """Why a model that was trained for so few tokens cannot be measured."""
        return f"{', '.join(self.titles.values())}: needs a context of {self.context()}, trained for {trained}"

    def phases(self):
        return list(self.titles)

    def for_trial(self):
        """Smaller, to choose llama.cpp's settings by."""
        sizes = dict(self.sizes)
        if "decode" in sizes:
            sizes["decode"] //= 4
        if self.is_long:
            sizes["prefill"] = sizes["depth"] = LONG_TOKENS // 4
        return Group(self.name, sizes, self.titles)


PREFILL_ONLY = Group("prefill", {"prefill": PREFILL_TOKENS}, {"prefill": f"prefill {PREFILL_TOKENS}"})
GROUPS = [
    Group("short", {"prefill": PREFILL_TOKENS, "decode": DECODE_TOKENS},
          {"prefill": f"prefill {PREFILL_TOKENS}", "decode": "decode, empty context"}),
    Group("together", {"decode": DECODE_TOKENS, "sequences": SEQUENCES},
          {"decode": f"decode, {SEQUENCES} together"}),
    Group("long", {"prefill": LONG_TOKENS, "decode": DECODE_TOKENS, "depth": LONG_TOKENS},
          {"prefill": f"prefill {LONG_TOKENS}", "decode": f"decode, context of {LONG_TOKENS}"}),
]


def find_group(name):
    return next(group for group in [PREFILL_ONLY, *GROUPS] if group.name == name)


def slug(text):
    """"Intel(R) Xeon(R) CPU" -> "intel-xeon-cpu"."""
    text = re.sub(r"\((r|tm|c)\)", " ", text.lower())
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-") or "machine"


def command_line(models, rounds, quick, threads):
    words = ["bench/peers/run", *models, "--rounds", str(rounds), "--threads", str(threads)]
    return shlex.join(words + (["--quick"] if quick else []))


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values), "runs": values}


def limits_of(report):
    """The best that any run of jiang measured of this machine."""
    machines = [run["machine"] for model in report["models"] for runs in model["runs"].values()
                for run in runs["jiang"]]
    return {name: max(machine[name] for machine in machines) for name in ("read_gb_per_s", "dot_gop_per_s")}


def cost_of(phase, run):
    """(what a token costs, in units of 1e9, and which limit that is) by jiang's own count: operations
    of a prefill, bytes of decoding. The same model costs llama.cpp the same."""
    figures = run[phase]
    if phase == "prefill":
        return figures["gop_per_s"] / figures["tokens_per_second"], "dot_gop_per_s"
    return figures["bytes_per_token"] / 1e9, "read_gb_per_s"


def rows_of(report):
    limits = limits_of(report)
    rows = []
    for number, model in enumerate(report["models"]):
        for name, runs in model["runs"].items():
            group = find_group(name)
            for phase, title in group.titles.items():
                theirs = [run[phase]["tokens_per_second"] for run in runs["llama.cpp"]]
                wall = [run[phase]["wall_tokens_per_second"] for run in runs["llama.cpp"]]
                ours = [run[phase]["tokens_per_second"] for run in runs["jiang"]]
                cost, limit = cost_of(phase, runs["jiang"][0])
                rows.append({
                    "model": model["model"], "model_number": number, "row": title, "phase": phase,
                    "llama.cpp": spread(theirs), "llama.cpp with node": spread(wall), "jiang": spread(ours),
                    "ratio": spread([a / b for a, b in zip(ours, theirs)]),
                    "flash_attention": model["flash"][name][phase],
                    "tokens_per_llama_decode": runs["llama.cpp"][0][phase]["tokens_per_decode"],
                    "limit": limit,
                    "fraction_of_limit": {"llama.cpp": statistics.median(theirs) * cost / limits[limit],
                                          "jiang": statistics.median(ours) * cost / limits[limit]},
                })
    return rows


HEAD = ["", "llama.cpp", "jiang", "ratio", "of the limit: llama.cpp, jiang", "flash", "tokens a llama_decode"]


def cells(row):
    def rate(figures):
        return f"{figures['median']:.1f} ({figures['least']:.1f} to {figures['most']:.1f})"

    ratio, fraction = row["ratio"], row["fraction_of_limit"]
    limit = "dot products" if row["limit"] == "dot_gop_per_s" else "reads"
    return [row["row"], rate(row["llama.cpp"]), rate(row["jiang"]),
            f"{ratio['median']:.2f} ({ratio['least']:.2f} to {ratio['most']:.2f})",
            f"{100 * fraction['llama.cpp']:.0f} %, {100 * fraction['jiang']:.0f} % of {limit}",
            "on" if row["flash_attention"] else "off", f"{row['tokens_per_llama_decode']:.0f}"]


# Others were at work before: a core that is taken away stops all threads of a step at their next
# meeting, and llama.cpp meets after every operation.
BUSY_LOAD = 0.5


def facts(report):
    """What one has to know to read the table."""
    limits = limits_of(report)
    busy = ["NOT TO BE QUOTED: the machine was busy before, which slows llama.cpp most"]
    return [
        *(busy if report["load_before"] > BUSY_LOAD else []),
        f"{report['cpu']}, {report['isa']}, {report['threads']} threads, {report['date']}, {report['rounds']} rounds in turn;"
        f" load average before {report['load_before']:.1f}",
        f"machine: reads {limits['read_gb_per_s']:.1f} GB/s, dot products {limits['dot_gop_per_s']:.0f} Gop/s"
        f" (the best that these runs of jiang measured)",
        f"llama.cpp: {report['models'][0]['system']}",
        "tokens/s: median (least to most); ratio: jiang over llama.cpp, of neighbouring runs",
        "llama.cpp is timed within llama_decode() alone, jiang from the first token to the last with its sampling",
        f"{SEQUENCES} together: {SEQUENCES} sequences of one context, each asked for a token in the same turn of"
        " node's event loop; the last column shows what went into one llama_decode()",
        "flash attention: whichever was faster for llama.cpp in two turns before (rows of"
        f" {LONG_TOKENS}: tried with {LONG_TOKENS // 4})",
    ]


def by_model(report):
    """Of each model: its name, its rows, what was left out."""
    for number, model in enumerate(report["models"]):
        rows = [cells(row) for row in report["rows"] if row["model_number"] == number]
        yield model["model"], rows, model.get("left_out", [])


def as_text(report):
    lines = list(facts(report))
    for model, rows, left_out in by_model(report):
        grid = [[model, *HEAD[1:]], *rows]
        widths = [max(len(row[i]) for row in grid) for i in range(len(HEAD))]
        lines.append("")
        lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in grid]
        lines += [f"left out: {one}" for one in left_out]
    return "\n".join(lines)


def as_markdown(report):
    def escape(text):
        return text.replace("|", "\\|")

    lines = ["# jiang and llama.cpp side by side", "", f"`{report['command']}`", ""]
    lines += [f"- {escape(fact)}" for fact in facts(report)]
    for model, rows, left_out in by_model(report):
        lines += ["", "| " + " | ".join([escape(model), *HEAD[1:]]) + " |", "|---" * len(HEAD) + "|"]
        lines += ["| " + " | ".join(map(escape, row)) + " |" for row in rows]
        lines += ["", *(f"Left out: {escape(one)}" for one in left_out)] if left_out else []
    return "\n".join(lines) + "\n"
