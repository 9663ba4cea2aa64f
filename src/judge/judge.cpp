#include "judge/judge.h"

#include <algorithm>

#include "base/json_value.h"
#include "judge/answer_text.h"
#include "sandbox/c_program.h"

namespace jiang {
namespace {

constexpr std::string_view kPullCommand = "jiang pull";
constexpr std::string_view kPointsHeading[] = {"知识点", "Key points", "knowledge points"};

// At least half of the expected names, behind the heading.
bool lists_points(const JudgeQuestion& question, const std::string& answer) {
  size_t at = std::string::npos;
  for (const std::string_view heading : kPointsHeading) {
    at = std::min(at, answer.find(heading));
  }
  if (at == std::string::npos || question.points.empty()) return false;
  const std::string_view list = std::string_view(answer).substr(at);
  const auto found =
      std::count_if(question.points.begin(), question.points.end(),
                    [&](const auto& name) { return list.find(name) != std::string_view::npos; });
  return 2 * static_cast<size_t>(found) >= question.points.size();
}

struct Outcome {
  bool compiles = false;
  bool passes = false;
  std::string reason;
};

Result<Outcome> try_cases(const std::vector<ProgramCase>& cases, const std::string& source,
                          Sandbox& sandbox) {
  Outcome outcome;
  for (const ProgramCase& one : cases) {
    TRY(const CRun run, run_c(sandbox, {.source = source,
                                        .input = one.input,
                                        .arguments = one.arguments,
                                        .warnings_are_errors = true}));
    if (!run.compiled) {
      outcome.reason = "does not compile: " + run.compile.err.substr(0, 300);
      return outcome;
    }
    outcome.compiles = true;
    if (!run.run || run.run->end != SandboxResult::End::exited || run.run->exit_code != 0) {
      outcome.reason = run.hint.empty() ? "ends with an error" : run.hint;
      return outcome;
    }
    if (!occur_in_order(run.run->out, one.need)) {
      outcome.reason = "prints " + run.run->out.substr(0, 200);
      return outcome;
    }
  }
  outcome.passes = true;
  return outcome;
}

Json to_json(const Figures::Share& share) {
  return {{"percent", share.percent()}, {"good", share.good}, {"of", share.of}};
}

}  // namespace

Verdict judge_text(const JudgeQuestion& question, const std::string& answer) {
  Verdict verdict;
  verdict.has_program = first_c_program(answer).has_value();
  verdict.refuses = answer.find(kPullCommand) != std::string::npos && !verdict.has_program;
  verdict.right_language = language_of(answer) == question.language;
  verdict.has_points = lists_points(question, answer);
  if (question.wants_program() && !verdict.has_program) {
    verdict.reason = "no whole program";
  } else if (question.kind == JudgeQuestion::Kind::outside && !verdict.refuses) {
    verdict.reason = "does not say that this is outside its field";
  } else if (!verdict.right_language) {
    verdict.reason = "not in the language of the question";
  } else if (question.wants_program() && !verdict.has_points) {
    verdict.reason = "too few of the knowledge points";
  }
  return verdict;
}

Result<Verdict> judge(const JudgeQuestion& question, const std::string& answer, Sandbox& sandbox) {
  Verdict verdict = judge_text(question, answer);
  const auto program = first_c_program(answer);
  if (!question.wants_program() || !program) return verdict;
  std::string reason;
  for (const auto& cases : question.alternatives) {
    TRY(const Outcome outcome, try_cases(cases, *program, sandbox));
    verdict.compiles = verdict.compiles || outcome.compiles;
    if (outcome.passes) {
      verdict.behaves = true;
      break;
    }
    if (reason.empty()) reason = outcome.reason;
    if (!outcome.compiles) break;  // it will not compile for the next alternative either
  }
  if (!verdict.behaves) verdict.reason = reason;
  return verdict;
}

void Figures::add(const JudgeQuestion& question, const Verdict& verdict) {
  const auto count = [](Share& share, bool good) {
    share.good += good;
    ++share.of;
  };
  count(language, verdict.right_language);
  if (question.kind == JudgeQuestion::Kind::outside) count(refusal, verdict.refuses);
  if (!question.wants_program()) return;
  if (question.kind == JudgeQuestion::Kind::preset) {
    count(behaves_preset, verdict.behaves);
    return;
  }
  count(compiles, verdict.compiles);
  count(behaves, verdict.behaves);
  count(points, verdict.has_points);
  count(false_refusal, verdict.refuses);
  count(question.language == "zh" ? behaves_zh : behaves_en, verdict.behaves);
  count(
      question.kind == JudgeQuestion::Kind::combination ? behaves_combination : behaves_paraphrase,
      verdict.behaves);
}

std::string to_table(const Figures& figures) {
  std::string table;
  const auto row = [&](const char* name, const Figures::Share& share) {
    table +=
        fmt::format("{:<44}{:>7.1f} %  {:>4} of {}\n", name, share.percent(), share.good, share.of);
  };
  row("held-out questions: compiles, no warning", figures.compiles);
  row("held-out questions: runs as expected", figures.behaves);
  row("  in Chinese", figures.behaves_zh);
  row("  in English", figures.behaves_en);
  row("  held out by paraphrase", figures.behaves_paraphrase);
  row("  held out by combination", figures.behaves_combination);
  row("knowledge points present", figures.points);
  row("in the language of the question", figures.language);
  row("outside C: says so, names a bigger model", figures.refusal);
  row("of C, but refused", figures.false_refusal);
  row("the preset questions run as expected", figures.behaves_preset);
  return table;
}

Json to_json(const Figures& figures) {
  return {{"compiles", to_json(figures.compiles)},
          {"behaves", to_json(figures.behaves)},
          {"behaves_zh", to_json(figures.behaves_zh)},
          {"behaves_en", to_json(figures.behaves_en)},
          {"behaves_paraphrase", to_json(figures.behaves_paraphrase)},
          {"behaves_combination", to_json(figures.behaves_combination)},
          {"behaves_preset", to_json(figures.behaves_preset)},
          {"points", to_json(figures.points)},
          {"language", to_json(figures.language)},
          {"refusal", to_json(figures.refusal)},
          {"false_refusal", to_json(figures.false_refusal)}};
}

}  // namespace jiang
