"""python3 bench/peers/table_test.py: the arithmetic of the side-by-side table, on made-up runs."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import table  # noqa: E402


def llama(prefill, decode, per_decode=1):
    return {"prefill": {"tokens_per_second": prefill, "wall_tokens_per_second": prefill * 0.9, "tokens_per_decode": 512},
            "decode": {"tokens_per_second": decode, "wall_tokens_per_second": decode * 0.9,
                       "tokens_per_decode": per_decode}}


def jiang(prefill, decode, read=10, dot=1000):
    # 3 Gop and 0.5 GB a token.
    return {"isa": "avx2", "machine": {"read_gb_per_s": read, "dot_gop_per_s": dot},
            "prefill": {"tokens_per_second": prefill, "gop_per_s": 3 * prefill},
            "decode": {"tokens_per_second": decode, "bytes_per_token": 5e8}}


def report():
    made = {
        "cpu": "A|CPU", "isa": "avx2", "threads": 2, "rounds": 3, "load_before": 0.25, "date": "2026-01-02", "command": "bench/peers/run m.gguf",
        "models": [{
            "model": "m.gguf", "system": "AVX2 = 1", "left_out": [table.find_group("long").needs(4096)], "flash": {"short": {"prefill": True, "decode": False}},
            "runs": {"short": {"llama.cpp": [llama(100, 10), llama(80, 8), llama(120, 12)],
                               "jiang": [jiang(200, 12), jiang(240, 12, read=12), jiang(180, 9, dot=1200)]}},
        }],
    }
    made["rows"] = table.rows_of(made)
    return made


class Table(unittest.TestCase):
    def test_ratios_are_of_neighbours(self):
        prefill, decode = report()["rows"]
        self.assertEqual(prefill["ratio"]["runs"], [2, 3, 1.5])
        self.assertEqual(prefill["ratio"]["median"], 2)
        self.assertEqual(prefill["llama.cpp"]["median"], 100)
        self.assertEqual(prefill["jiang"], {"median": 200, "least": 180, "most": 240, "runs": [200, 240, 180]})
        self.assertEqual([round(x, 6) for x in decode["ratio"]["runs"]], [1.2, 1.5, 0.75])

    def test_fractions_are_of_the_best_limit_measured(self):
        prefill, decode = report()["rows"]
        self.assertAlmostEqual(prefill["fraction_of_limit"]["jiang"], 200 * 3 / 1200)
        self.assertAlmostEqual(prefill["fraction_of_limit"]["llama.cpp"], 100 * 3 / 1200)
        self.assertAlmostEqual(decode["fraction_of_limit"]["jiang"], 12 * 0.5 / 12)

    def test_text_says_how_it_was_measured(self):
        text = table.as_text(report())
        self.assertIn("prefill 512", text)
        self.assertIn("100.0 (80.0 to 120.0)", text)
        self.assertIn("2.00 (1.50 to 3.00)", text)
        self.assertIn("25 %, 50 % of dot products", text)
        self.assertIn("reads 12.0 GB/s, dot products 1200 Gop/s", text)
        self.assertIn("AVX2 = 1", text)
        self.assertIn("left out: prefill 8192, decode, context of 8192: needs a context of 8257, trained for 4096", text)

    def test_markdown_has_the_command_and_whole_rows(self):
        text = table.as_markdown(report())
        self.assertIn("`bench/peers/run m.gguf`", text)
        self.assertIn("A\\|CPU", text)
        rows = [line for line in text.splitlines() if line.startswith("|")]
        self.assertEqual(len(rows), 4)
        self.assertEqual(len({row.count("|") for row in rows}), 1)

    def test_a_busy_machine_is_said(self):
        made = report()
        self.assertNotIn("BUSY", table.as_text(made).upper())
        made["load_before"] = 3
        self.assertIn("busy before", table.as_text(made))

    def test_two_files_of_one_name_are_two_tables(self):
        made = report()
        made["models"].append(dict(made["models"][0]))
        made["rows"] = table.rows_of(made)
        self.assertEqual([len(rows) for _, rows, _ in table.by_model(made)], [2, 2])

    def test_names_of_files_are_plain(self):
        self.assertEqual(table.slug("Intel(R) Xeon(R) CPU @ 2.10GHz"), "intel-xeon-cpu-2-10ghz")
        self.assertEqual(table.slug("../.."), "machine")

    def test_groups_are_tried_short(self):
        trial = table.find_group("long").for_trial()
        self.assertEqual((trial.sizes["prefill"], trial.sizes["depth"], trial.sizes["decode"]), (2048, 2048, 16))
        self.assertEqual(table.find_group("short").for_trial().sizes, {"prefill": 512, "decode": 16})
        self.assertFalse(table.PREFILL_ONLY.is_long)


if __name__ == "__main__":
    unittest.main()
