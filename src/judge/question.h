// JudgeQuestion: one held-out question with what is expected of its answer, a line of heldout.jsonl
// (corpus/README.md says how they are held out).
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace jiang {

struct ProgramCase {
  std::string input;
  std::vector<std::string> arguments;
  std::vector<std::string> need;  // what must be printed, in this order
};

struct JudgeQuestion {
  enum class Kind : uint8_t { paraphrase, combination, preset, outside, about };
  std::string id;
  Kind kind = Kind::paraphrase;
  std::string language;  // "zh" or "en"
  std::string topic;     // "" outside C
  std::string text;      // the user's turn
  // A program is right when it passes all cases of one alternative; none: no program is expected.
  std::vector<std::vector<ProgramCase>> alternatives;
  std::vector<std::string> points;  // names of knowledge points

  bool wants_program() const { return !alternatives.empty(); }
};

const char* name_of(JudgeQuestion::Kind kind);

// Errors name the line: "heldout.jsonl:7: ...".
Result<std::vector<JudgeQuestion>> read_questions(const std::string& path);
Result<JudgeQuestion> parse_question(const Json& line, std::string_view where);

}  // namespace jiang
