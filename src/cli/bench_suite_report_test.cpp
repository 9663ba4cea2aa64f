#include "cli/bench_suite_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_value.h"

namespace jiang {
namespace {

using testing::HasSubstr;
using testing::Not;

// A machine of 10 GB/s and 1000 Gop/s; a model of 1e9 multiply-accumulates a token and 1 GB.
SuiteReport made_up() {
  SuiteReport report;
  report.arguments = {"m.gguf", "--suite"};
  report.version = "1.2.3";
  report.date = "2026-01-02T03:04:05Z";
  report.cpu = "A CPU";
  report.isa = "avx2";
  report.threads = 2;
  report.kv_type = "f16";
  report.limits = {.read_gb_per_s = 10, .dot_gop_per_s = 1000};
  report.one_thread = {.read_gb_per_s = 8, .dot_gop_per_s = 500};
  ModelResult model;
  model.model = "/models/m.gguf";
  model.parameters = 1500000000;
  model.weight_bytes = 1100000000;
  model.cell_model = {
      .costs = {.macs = {.per_token = 1000000000, .head = 0, .attention_per_pair = 0},
                .weight_bytes = 1e9,
                .kv_bytes = 0},
      .context = 4096,
      .threads = 2};
  model.cells = {
      {{.tokens = 512}, {{300, 250, 260}}},
      {{.group = CellGroup::together, .kind = CellKind::decode, .tokens = 64}, {{8, 9, 7}}},
      {{.group = CellGroup::together, .kind = CellKind::decode, .tokens = 64, .batch = 4},
       {{20, 20, 20}}},
      {{.group = CellGroup::depth, .kind = CellKind::decode, .tokens = 64, .depth = 1983}, {{6}}},
      {{.group = CellGroup::one_thread, .tokens = 512}, {{130, 130, 130}}}};
  model.memory = {{.during = "512 tokens prefilled, 64 decoded",
                   .peak = 1200000000,
                   .weights = 1100000000,
                   .kv = 16000000}};
  model.left_out = {
      {"prefill of 8192 tokens", "it needs a context of 8193, the model was trained for 4096"}};
  model.expected_seconds = 100;
  model.seconds = 120;
  report.models = {model};
  return report;
}

TEST(BenchSuiteReport, TableShowsEachCellBesideItsLimit) {
  EXPECT_EQ(suite_text(made_up()), R"(jiang 1.2.3, A CPU, avx2, 2 threads, KV f16
machine  reads 10.0 GB/s, dot products 1000 Gop/s (500 on 1 thread)

/models/m.gguf: 1.5 B parameters, weights 1.1 GB
                               tokens/s        least to most   runs   of the limit
decode, one answer
  at an empty context               8.0           7.0 to 9.0      3   80 % of reads
  at a context of 2048              6.0           6.0 to 6.0      1   60 % of reads
decode, answers together
  1 answer                          8.0           7.0 to 9.0      3   80 % of reads
  4 answers                        20.0         20.0 to 20.0      3   50 % of reads
prefill
  512 tokens                      260.0       250.0 to 300.0      3   52 % of dot products
  512 tokens, 1 thread            130.0       130.0 to 130.0      3   52 % of dot products
  512 tokens, 2 threads            2.00 times as fast as 1
memory
  512 tokens prefilled, 64 decoded: peak 1.2 GB = weights 1.1 GB + KV 16 MB + 84 MB
left out
  prefill of 8192 tokens: it needs a context of 8193, the model was trained for 4096
took 120 s, expected 100 s
)");
}

TEST(BenchSuiteReport, FiguresCountOperationsAndBytes) {
  const SuiteReport report = made_up();
  const ModelResult& model = report.models[0];
  const CellFigures prefill = figures_of(report, model, model.cells[0]);
  EXPECT_NEAR(prefill.gop_per_s, 2 * 260, 1e-9);
  EXPECT_NEAR(prefill.gb_per_s, 260.0 / 512, 1e-9);  // the weights once for 512 tokens
  EXPECT_NEAR(prefill.operations_per_byte, 2 * 512, 1e-9);
  EXPECT_NEAR(prefill.fraction, 0.52, 1e-9);
  const CellFigures batch = figures_of(report, model, model.cells[2]);
  EXPECT_NEAR(batch.gb_per_s, 5, 1e-9);  // the weights once for 4 tokens
  EXPECT_NEAR(batch.gop_per_s, 40, 1e-9);
  EXPECT_STREQ(batch.limit, "reads");
}

TEST(BenchSuiteReport, JsonHoldsRunsLimitsAndWhatWasLeftOut) {
  const Json json = suite_json(made_up());
  EXPECT_EQ(json["arguments"], Json({"m.gguf", "--suite"}));
  EXPECT_EQ(json["machine"]["read_gb_per_s"], 10);
  EXPECT_EQ(json["machine"]["one_thread"]["dot_gop_per_s"], 500);
  const Json& model = json["models"][0];
  const Json& cell = model["cells"][0];
  EXPECT_EQ(cell["kind"], "prefill");
  EXPECT_EQ(cell["runs"], Json({300, 250, 260}));
  EXPECT_EQ(cell["tokens_per_second"], 260);
  EXPECT_EQ(cell["min"], 250);
  EXPECT_EQ(cell["limit"], "dot products");
  EXPECT_NEAR(cell["fraction_of_limit"].get<double>(), 0.52, 1e-9);
  EXPECT_EQ(model["cells"][3]["context"], 2048);
  EXPECT_EQ(model["cells"][4]["threads"], 1);
  EXPECT_EQ(model["memory"][0]["extra_bytes"], 84000000);
  EXPECT_EQ(model["left_out"][0]["name"], "prefill of 8192 tokens");
}

TEST(BenchSuiteReport, ANameCannotControlTheTerminal) {
  SuiteReport report = made_up();
  report.models[0].model = "evil\x1b[2J\n.gguf";
  EXPECT_THAT(suite_text(report), Not(HasSubstr("\x1b")));
}

TEST(BenchSuiteReport, RooflineHasAPointForEachCellOfAllThreads) {
  const Roofline chart = suite_roofline(made_up());
  EXPECT_EQ(chart.points.size(), 4u);
  EXPECT_THAT(chart.series, testing::ElementsAre("m.gguf"));
  EXPECT_EQ(chart.points[0].label, "512");
  EXPECT_EQ(chart.points[2].label, "x4");
  EXPECT_EQ(chart.points[3].label, "at 2048");
  EXPECT_NEAR(chart.points[0].gop_per_s, 520, 1e-9);
}

}  // namespace
}  // namespace jiang
