// `jiang bench MODEL... --suite`: measures the cells of bench_cells.h for each model, one after the
// other, beside the machine's limits. Blocks for minutes; shows progress on a terminal, says on
// stderr how long it will take, and gives up at Ctrl-C.
#pragma once

#include <string>
#include <vector>

#include "cli/bench_suite_report.h"
#include "cli/model_flags.h"

namespace jiang {

struct SuiteOptions {
  std::vector<std::string> models;
  ModelFlags flags;  // of each: threads, kv_type
  int32_t repeats = 3;
  bool quick = false;  // without what takes longer than a minute
};

Result<SuiteReport> run_suite(const SuiteOptions& options);

// Makes the folder if it is missing: before minutes are spent on what could not be kept.
Status prepare_suite_folder(const std::string& folder);
// suite.json and roofline.svg.
Status write_suite(const SuiteReport& report, const std::string& folder);

}  // namespace jiang
