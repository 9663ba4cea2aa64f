// Judge: whether an answer is what its question asked for. The compiler and a run in the sandbox
// decide about programs; nothing of an answer is ever executed outside of it.
//
// Thread-safe, as the Sandbox is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "judge/question.h"
#include "sandbox/sandbox.h"

namespace jiang {

struct Verdict {
  bool has_program = false;
  bool compiles = false;    // -Wall -Wextra without a warning
  bool behaves = false;     // passes all cases of one alternative
  bool has_points = false;  // a list of knowledge points with at least half of those expected
  bool right_language = false;
  bool refuses = false;     // says how to get a bigger model, and writes no program
  std::string reason = {};  // the first thing that is wrong, or ""
};

// What needs no compiler: program, points, language, refusal.
Verdict judge_text(const JudgeQuestion& question, const std::string& answer);
// All. An error is a box or a compiler that fails, never a bad program.
Result<Verdict> judge(const JudgeQuestion& question, const std::string& answer, Sandbox& sandbox);

// Shares of verdicts, for the card.
struct Figures {
  struct Share {
    int64_t good = 0;
    int64_t of = 0;
    double percent() const { return of == 0 ? 0 : 100.0 * double(good) / double(of); }
  };
  // Over held-out questions of C; presets are trained on and counted apart.
  Share compiles, behaves, points;
  Share behaves_zh, behaves_en, behaves_paraphrase, behaves_combination, behaves_preset;
  Share refusal;        // of questions outside C
  Share false_refusal;  // of held-out questions of C: bad
  Share language;       // of all answers

  void add(const JudgeQuestion& question, const Verdict& verdict);
};

std::string to_table(const Figures& figures);
Json to_json(const Figures& figures);

}  // namespace jiang
