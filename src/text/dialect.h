// Dialect: how a family of models writes tool calls, as one row of markers.
//
//   section_open (call_open NAME name_close ARGUMENTS call_close) separator (...) section_close
//
// ARGUMENTS is a JSON object. "{n}" in a marker stands for a number. To add a family, add a row to
// dialect.cpp and a .case file to tests/cases/output_parser.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "text/grammar.h"
#include "text/output_parser.h"

namespace jiang {

struct Dialect {
  std::string_view name;
  std::string_view trigger;  // the first bytes of the calls, from which nothing else can follow
  std::string_view section_open;  // begins with the trigger, or is empty and call_open does
  std::string_view call_open;
  std::string_view name_close;
  std::string_view call_close;
  std::string_view separator;
  std::string_view section_close;
  bool only_at_start = false;  // calls are the whole answer: the trigger counts at its start only
  bool parallel = true;        // several calls in one answer
};

std::span<const Dialect> dialects();
const Dialect* find_dialect(std::string_view name);
// For models whose template knows no tools: told to the model in words (tool_prompt.h).
const Dialect& plain_dialect();

// The row that fits a prompt in which the assistant has called `function`; null when none does.
const Dialect* recognize_dialect(std::string_view prompt, std::string_view function);

// What tool calls an answer may have.
struct CallRules {
  const Dialect* dialect = nullptr;
  struct Function {
    std::string name;
    std::string parameters;  // a JSON Schema; "": it takes no arguments
    std::string path;        // for errors
  };
  std::vector<Function> functions = {};
  bool parallel = true;
};

// `tools` in OpenAI's form. Errors name the tool and the field.
Result<std::vector<CallRules::Function>> functions_of(const Json& tools);

// One call, or several. The trigger is part of it.
Result<NodeId> add_calls(Grammar& grammar, const CallRules& rules);
// Free text, and calls from where the trigger comes.
Result<NodeId> add_text_or_calls(Grammar& grammar, const CallRules& rules);
// Free text in which no call can begin.
NodeId add_text_without_calls(Grammar& grammar, const Dialect& dialect);
// `answer` after the reasoning of a model that thinks aloud.
NodeId add_after_reasoning(Grammar& grammar, const ReasoningMarkers& markers, bool has_begun,
                           NodeId answer);

// One call as the dialect writes it, for prompts and tests.
std::string write_call(const Dialect& dialect, std::string_view name, std::string_view arguments,
                       int number);

}  // namespace jiang
