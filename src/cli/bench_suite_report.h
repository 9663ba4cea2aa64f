// What `jiang bench --suite` found, as a table, as JSON and as points of a roofline. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "cli/bench_cells.h"
#include "cli/roofline_svg.h"

namespace jiang {

struct CellResult {
  BenchCell cell;
  Rates rates;  // at least one run
};

// The most memory that was held at once while something ran, in bytes.
struct MemoryResult {
  std::string during;
  uint64_t peak = 0;
  uint64_t weights = 0;
  uint64_t kv = 0;

  uint64_t extra() const { return peak > weights + kv ? peak - weights - kv : 0; }
};

struct ModelResult {
  std::string model;  // its path
  uint64_t parameters = 0;
  uint64_t weight_bytes = 0;
  CellModel cell_model;
  std::vector<CellResult> cells;
  std::vector<MemoryResult> memory;
  std::vector<LeftOut> left_out;
  double expected_seconds = 0;
  double seconds = 0;
};

struct SuiteReport {
  std::vector<std::string> arguments;  // of `jiang bench`
  std::string version;
  std::string date;  // UTC
  std::string cpu;
  std::string isa;
  int threads = 1;
  std::string kv_type;
  MachineLimits limits;      // the best that was measured in this run
  MachineLimits one_thread;  // the same for 1 thread; 0: not measured
  std::vector<ModelResult> models;
};

// A cell beside the machine's limits.
struct CellFigures {
  double gop_per_s = 0;
  double gb_per_s = 0;
  double operations_per_byte = 0;
  const char* limit = "";  // "dot products" of a prefill, "reads" of decoding
  double fraction = 0;     // of that limit
};
CellFigures figures_of(const SuiteReport& report, const ModelResult& model,
                       const CellResult& result);

std::string suite_text(const SuiteReport& report);
Json suite_json(const SuiteReport& report);
Roofline suite_roofline(const SuiteReport& report);

}  // namespace jiang
