#include "cli/bench_suite_report.h"

#include "base/json_value.h"
#include "base/quantity.h"
#include "cli/sanitizer.h"

namespace jiang {
namespace {

constexpr int kNameColumns = 26;

const CellResult* find_cell(const ModelResult& model, CellGroup group, int32_t tokens,
                            int32_t batch = 1) {
  for (const CellResult& result : model.cells) {
    if (result.cell.group == group && result.cell.tokens == tokens && result.cell.batch == batch)
      return &result;
  }
  return nullptr;
}

std::string cell_row(const SuiteReport& report, const ModelResult& model, const std::string& name,
                     const CellResult& result) {
  const CellFigures figures = figures_of(report, model, result);
  const Rates& rates = result.rates;
  return fmt::format("  {:<{}} {:>10.1f} {:>20} {:>6}   {:.0f} % of {}\n", name, kNameColumns,
                     rates.median(), fmt::format("{:.1f} to {:.1f}", rates.low(), rates.high()),
                     rates.values.size(), 100 * figures.fraction, figures.limit);
}

std::string depth_rows(const SuiteReport& report, const ModelResult& model) {
  std::string text;
  if (const CellResult* empty = find_cell(model, CellGroup::together, kSuiteDecodeTokens))
    text += cell_row(report, model, "at an empty context", *empty);
  for (const CellResult& result : model.cells) {
    if (result.cell.group != CellGroup::depth) continue;
    text +=
        cell_row(report, model, fmt::format("at a context of {}", result.cell.context()), result);
  }
  return text;
}

std::string together_rows(const SuiteReport& report, const ModelResult& model) {
  std::string text;
  for (const CellResult& result : model.cells) {
    if (result.cell.group != CellGroup::together) continue;
    const int32_t batch = result.cell.batch;
    text +=
        cell_row(report, model, fmt::format("{} answer{}", batch, batch == 1 ? "" : "s"), result);
  }
  return text;
}

std::string prefill_rows(const SuiteReport& report, const ModelResult& model) {
  std::string text;
  for (const CellResult& result : model.cells) {
    if (result.cell.kind != CellKind::prefill) continue;
    const bool one = result.cell.group == CellGroup::one_thread;
    text +=
        cell_row(report, model,
                 fmt::format("{} tokens{}", result.cell.tokens, one ? ", 1 thread" : ""), result);
    const CellResult* all =
        one ? find_cell(model, CellGroup::prefill, result.cell.tokens) : nullptr;
    if (!all) continue;
    text += fmt::format("  {:<{}} {:>10.2f} times as fast as 1\n",
                        fmt::format("{} tokens, {} threads", result.cell.tokens, report.threads),
                        kNameColumns, all->rates.median() / result.rates.median());
  }
  return text;
}

std::string memory_rows(const ModelResult& model) {
  std::string text;
  for (const MemoryResult& memory : model.memory) {
    text += fmt::format("  {}: peak {} = weights {} + KV {} + {}\n", memory.during,
                        human_bytes(memory.peak), human_bytes(memory.weights),
                        human_bytes(memory.kv), human_bytes(memory.extra()));
  }
  return text;
}

std::string left_out_rows(const ModelResult& model) {
  std::string text;
  for (const LeftOut& one : model.left_out) {
    text += fmt::format("  {}: {}\n", one.name, visible_line(one.reason));
  }
  return text;
}

std::string model_text(const SuiteReport& report, const ModelResult& model) {
  std::string text = fmt::format("\n{}: {} parameters, weights {}\n", visible_line(model.model),
                                 human_count(model.parameters), human_bytes(model.weight_bytes));
  text += fmt::format("  {:<{}} {:>10} {:>20} {:>6}   {}\n", "", kNameColumns, "tokens/s",
                      "least to most", "runs", "of the limit");
  const auto section = [&](const char* title, const std::string& rows) {
    if (!rows.empty()) text += fmt::format("{}\n{}", title, rows);
  };
  section("decode, one answer", depth_rows(report, model));
  section("decode, answers together", together_rows(report, model));
  section("prefill", prefill_rows(report, model));
  section("memory", memory_rows(model));
  section("left out", left_out_rows(model));
  return text +
         fmt::format("took {:.0f} s, expected {:.0f} s\n", model.seconds, model.expected_seconds);
}

Json limits_json(const MachineLimits& limits) {
  return {{"read_gb_per_s", limits.read_gb_per_s}, {"dot_gop_per_s", limits.dot_gop_per_s}};
}

Json cell_json(const SuiteReport& report, const ModelResult& model, const CellResult& result) {
  const CellFigures figures = figures_of(report, model, result);
  const BenchCell& cell = result.cell;
  Json json = {{"name", cell.name()},
               {"kind", cell.kind == CellKind::prefill ? "prefill" : "decode"},
               {"tokens", cell.tokens},
               {"batch", cell.batch},
               {"depth", cell.kind == CellKind::prefill ? 0 : cell.depth},
               {"context", cell.context()},
               {"threads", cell.group == CellGroup::one_thread ? 1 : report.threads},
               {"runs", result.rates.values},
               {"tokens_per_second", result.rates.median()},
               {"min", result.rates.low()},
               {"max", result.rates.high()}};
  json["gop_per_s"] = figures.gop_per_s;
  json["gb_per_s"] = figures.gb_per_s;
  json["operations_per_byte"] = figures.operations_per_byte;
  json["limit"] = figures.limit;
  json["fraction_of_limit"] = figures.fraction;
  return json;
}

Json model_json(const SuiteReport& report, const ModelResult& model) {
  Json json = {{"model", model.model},
               {"parameters", model.parameters},
               {"weight_bytes", model.weight_bytes},
               {"kv_bytes_per_token", model.cell_model.costs.kv_bytes},
               {"trained_context", model.cell_model.context},
               {"expected_seconds", model.expected_seconds},
               {"seconds", model.seconds}};
  json["cells"] = Json::array();
  for (const CellResult& result : model.cells)
    json["cells"].push_back(cell_json(report, model, result));
  json["memory"] = Json::array();
  for (const MemoryResult& memory : model.memory) {
    json["memory"].push_back({{"during", memory.during},
                              {"peak_bytes", memory.peak},
                              {"weight_bytes", memory.weights},
                              {"kv_bytes", memory.kv},
                              {"extra_bytes", memory.extra()}});
  }
  json["left_out"] = Json::array();
  for (const LeftOut& one : model.left_out)
    json["left_out"].push_back({{"name", one.name}, {"reason", one.reason}});
  return json;
}

std::string point_label(const BenchCell& cell) {
  if (cell.kind == CellKind::prefill) return std::to_string(cell.tokens);
  if (cell.group == CellGroup::together) return fmt::format("x{}", cell.batch);
  return fmt::format("at {}", cell.context());
}

std::string base_name(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == std::string::npos || slash + 1 == path.size() ? path : path.substr(slash + 1);
}

}  // namespace

CellFigures figures_of(const SuiteReport& report, const ModelResult& model,
                       const CellResult& result) {
  const BenchCell& cell = result.cell;
  const TokenCosts& costs = model.cell_model.costs;
  const MachineLimits& limits =
      cell.group == CellGroup::one_thread ? report.one_thread : report.limits;
  const bool is_prefill = cell.kind == CellKind::prefill;
  const double operations = is_prefill ? prefill_operations(costs, cell.tokens) / cell.tokens
                                       : decode_operations(costs, cell.depth, cell.tokens);
  const double bytes = is_prefill
                           ? prefill_bytes(costs, cell.tokens, kSuitePrefillRows) / cell.tokens
                           : decode_bytes(costs, cell.batch, cell.depth, cell.tokens);
  const double rate = result.rates.median();
  CellFigures figures;
  figures.gop_per_s = operations * rate / 1e9;
  figures.gb_per_s = bytes * rate / 1e9;
  figures.operations_per_byte = operations / bytes;
  figures.limit = is_prefill ? "dot products" : "reads";
  figures.fraction = is_prefill ? figures.gop_per_s / limits.dot_gop_per_s
                                : figures.gb_per_s / limits.read_gb_per_s;
  return figures;
}

std::string suite_text(const SuiteReport& report) {
  std::string text = fmt::format("jiang {}, {}, {}, {} thread{}, KV {}\n", report.version,
                                 visible_line(report.cpu), report.isa, report.threads,
                                 report.threads == 1 ? "" : "s", report.kv_type);
  text += fmt::format("machine  reads {:.1f} GB/s, dot products {:.0f} Gop/s",
                      report.limits.read_gb_per_s, report.limits.dot_gop_per_s);
  if (report.one_thread.dot_gop_per_s > 0)
    text += fmt::format(" ({:.0f} on 1 thread)", report.one_thread.dot_gop_per_s);
  text += "\n";
  for (const ModelResult& model : report.models) text += model_text(report, model);
  return text;
}

Json suite_json(const SuiteReport& report) {
  Json json = {{"jiang", report.version},   {"arguments", report.arguments},
               {"date", report.date},       {"cpu", report.cpu},
               {"isa", report.isa},         {"threads", report.threads},
               {"kv_type", report.kv_type}, {"machine", limits_json(report.limits)}};
  if (report.one_thread.dot_gop_per_s > 0)
    json["machine"]["one_thread"] = limits_json(report.one_thread);
  json["models"] = Json::array();
  for (const ModelResult& model : report.models)
    json["models"].push_back(model_json(report, model));
  return json;
}

Roofline suite_roofline(const SuiteReport& report) {
  Roofline chart;
  chart.title = "jiang bench --suite";
  chart.subtitle = fmt::format("{}, {}, {} thread{}, {}", report.cpu, report.isa, report.threads,
                               report.threads == 1 ? "" : "s", report.date);
  chart.read_gb_per_s = report.limits.read_gb_per_s;
  chart.dot_gop_per_s = report.limits.dot_gop_per_s;
  chart.circle_means = "prefill of so many tokens";
  chart.square_means = "decode: so many answers together, or one at a long context";
  for (size_t i = 0; i < report.models.size(); ++i) {
    const ModelResult& model = report.models[i];
    chart.series.push_back(base_name(model.model));
    for (const CellResult& result : model.cells) {
      if (result.cell.group == CellGroup::one_thread) continue;  // below other limits
      const CellFigures figures = figures_of(report, model, result);
      chart.points.push_back({.label = point_label(result.cell),
                              .series = i,
                              .shape = result.cell.kind == CellKind::prefill
                                           ? RooflinePoint::Shape::circle
                                           : RooflinePoint::Shape::square,
                              .operations_per_byte = figures.operations_per_byte,
                              .gop_per_s = figures.gop_per_s});
    }
  }
  return chart;
}

}  // namespace jiang
