// jiang verify: are the installed files still what came.
#include "base/json_value.h"
#include "base/quantity.h"
#include "cli/commands/table.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "hub/model_ref.h"
#include "hub/store.h"

namespace jiang {
namespace {

Result<int> run_verify(const std::vector<std::string>& arguments) {
  std::vector<std::string> names;
  bool as_json = false;
  Options options("verify");
  options.rest(names, "NAME", "the models; all without one");
  options.flag(as_json, "--json", "as JSON");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  const Store store(jiang_home());
  std::vector<Manifest> manifests;
  std::vector<std::string> damaged;
  if (names.empty()) manifests = store.list(&damaged);
  for (const std::string& name : names) {
    TRY(std::optional<Manifest> found, store.find(name));
    if (!found)
      return fail(ErrorKind::not_found, "no model '{}' is installed; see 'jiang list'", name);
    manifests.push_back(*std::move(found));
  }
  bool all_good = damaged.empty();
  Json reports = Json::array();
  for (const std::string& error : damaged) {
    reports.push_back({{"error", error}});
    if (!as_json) TRY_STATUS(print(error + "\n"));
  }
  const InterruptScope scope;
  for (const Manifest& manifest : manifests) {
    std::optional<ProgressLine> line(manifest.name);
    auto outcome = store.verify(manifest, [&](uint64_t done, uint64_t total) {
      line->update(done, total);
      return !interrupted();
    });
    line.reset();
    TRY(const VerifyReport report, std::move(outcome));
    all_good = all_good && report.problems.empty();
    Json problems = Json::array();
    std::string text = fmt::format("{}: {} read, {}\n", manifest.name, human_bytes(report.bytes),
                                   report.problems.empty() ? "all as it came" : "DAMAGED");
    for (const VerifyProblem& problem : report.problems) {
      problems.push_back(
          {{"file", problem.file}, {"sha256", problem.sha256}, {"what", problem.what}});
      text += fmt::format("  {} {}\n", problem.file, problem.what);
    }
    if (!report.problems.empty()) {
      text += fmt::format("  mend it: jiang rm {0}; jiang pull {1}\n", manifest.name,
                          manifest.wanted.empty() ? manifest.name : manifest.wanted);
    }
    for (const std::string& file : report.unverified) {
      text += fmt::format("  {}: its origin told no hash when it came\n", file);
    }
    reports.push_back({{"name", manifest.name},
                       {"bytes", report.bytes},
                       {"good", report.problems.empty()},
                       {"problems", problems},
                       {"unverified", report.unverified}});
    if (!as_json) TRY_STATUS(print(text));
  }
  if (as_json) TRY_STATUS(print(to_string(reports, 2) + "\n"));
  return all_good ? 0 : 1;
}

}  // namespace

const Command kVerify = {
    .name = "verify",
    .usage = "usage: jiang verify [NAME...] [--json]",
    .summary = "hash the installed files and compare with what came",
    .examples =
        "  jiang verify\n"
        "  jiang verify qwen2:1.5b",
    .run = run_verify,
};

}  // namespace jiang
