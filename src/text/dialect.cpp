#include "text/dialect.h"

#include <algorithm>
#include <array>

#include "base/json_value.h"
#include "text/json_schema.h"
#include "text/pattern_automaton.h"

namespace jiang {
namespace {

constexpr std::string_view kNumber = "{n}";

// Those with longer markers first: the first that fits is taken.
constexpr std::array<Dialect, 11> kDialects = {{
    // Hermes, Qwen 2.5 and 3, and many others.
    {.name = "hermes",
     .trigger = "<tool_call>",
     .section_open = "",
     .call_open = "<tool_call>\n{\"name\": \"",
     .name_close = "\", \"arguments\": ",
     .call_close = "}\n</tool_call>",
     .separator = "\n",
     .section_close = ""},
    // Llama 3.1 to 3.3: the whole answer is one object.
    {.name = "llama3",
     .trigger = "{\"name\":",
     .section_open = "",
     .call_open = "{\"name\": \"",
     .name_close = "\", \"parameters\": ",
     .call_close = "}",
     .separator = "",
     .section_close = "",
     .only_at_start = true,
     .parallel = false},
    {.name = "mistral-args",  // Devstral, Ministral
     .trigger = "[TOOL_CALLS]",
     .section_open = "",
     .call_open = "[TOOL_CALLS]",
     .name_close = "[ARGS]",
     .call_close = "",
     .separator = "",
     .section_close = ""},
    {.name = "mistral",  // Mistral 7B v0.3, Nemo
     .trigger = "[TOOL_CALLS]",
     .section_open = "[TOOL_CALLS][",
     .call_open = "{\"name\": \"",
     .name_close = "\", \"arguments\": ",
     .call_close = "}",
     .separator = ", ",
     .section_close = "]"},
    {.name = "functionary",  // v3.1
     .trigger = "<function=",
     .section_open = "",
     .call_open = "<function=",
     .name_close = ">",
     .call_close = "</function>",
     .separator = "",
     .section_close = ""},
    // The bars and blocks of DeepSeek's markers are U+FF5C and U+2581.
    {.name = "deepseek-r1",
     .trigger = "<\uFF5Ctool\u2581calls\u2581begin\uFF5C>",
     .section_open = "<\uFF5Ctool\u2581calls\u2581begin\uFF5C>",
     .call_open = "<\uFF5Ctool\u2581call\u2581begin\uFF5C>function<\uFF5Ctool\u2581sep\uFF5C>",
     .name_close = "\n```json\n",
     .call_close = "\n```<\uFF5Ctool\u2581call\u2581end\uFF5C>",
     .separator = "\n",
     .section_close = "<\uFF5Ctool\u2581calls\u2581end\uFF5C>"},
    {.name = "deepseek-v3",  // V3.1
     .trigger = "<\uFF5Ctool\u2581calls\u2581begin\uFF5C>",
     .section_open = "<\uFF5Ctool\u2581calls\u2581begin\uFF5C>",
     .call_open = "<\uFF5Ctool\u2581call\u2581begin\uFF5C>",
     .name_close = "<\uFF5Ctool\u2581sep\uFF5C>",
     .call_close = "<\uFF5Ctool\u2581call\u2581end\uFF5C>",
     .separator = "",
     .section_close = "<\uFF5Ctool\u2581calls\u2581end\uFF5C>"},
    {.name = "kimi-k2",
     .trigger = "<|tool_calls_section_begin|>",
     .section_open = "<|tool_calls_section_begin|>",
     .call_open = "<|tool_call_begin|>functions.",
     .name_close = ":{n}<|tool_call_argument_begin|>",
     .call_close = "<|tool_call_end|>",
     .separator = "",
     .section_close = "<|tool_calls_section_end|>"},
    {.name = "command-r",  // Command R7B
     .trigger = "<|START_ACTION|>",
     .section_open = "<|START_ACTION|>[\n",
     .call_open = "    {\"tool_call_id\": \"{n}\", \"tool_name\": \"",
     .name_close = "\", \"parameters\": ",
     .call_close = "}",
     .separator = ",\n",
     .section_close = "\n]<|END_ACTION|>"},
    {.name = "phi4",  // Phi-4 mini
     .trigger = "<|tool_call|>",
     .section_open = "<|tool_call|>[",
     .call_open = "{\"name\": \"",
     .name_close = "\", \"arguments\": ",
     .call_close = "}",
     .separator = ", ",
     .section_close = "]<|/tool_call|>"},
    {.name = "apertus",
     .trigger = "<|tools_prefix|>",
     .section_open = "<|tools_prefix|>[",
     .call_open = "{\"",
     .name_close = "\": ",
     .call_close = "}",
     .separator = ", ",
     .section_close = "]<|tools_suffix|>"},
}};

std::string without_space(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' && c != '\n' && c != '\t' && c != '\r') out += c;
  }
  return out;
}

std::string with_number(std::string_view marker, int number) {
  std::string out(marker);
  const size_t at = out.find(kNumber);
  if (at != std::string::npos) out.replace(at, kNumber.size(), std::to_string(number));
  return out;
}

// A marker's text; its number may be any of up to three digits.
NodeId add_marker(Grammar& grammar, std::string_view marker) {
  const size_t at = marker.find(kNumber);
  if (at == std::string_view::npos) return grammar.add_text(std::string(marker));
  return grammar.add_sequence(
      {grammar.add_text(std::string(marker.substr(0, at))),
       grammar.add_dfa(pattern_dfa("0|[1-9][0-9]{0,2}", PatternMode::whole).value()),
       grammar.add_text(std::string(marker.substr(at + kNumber.size())))});
}

// Everything up to the first name, without the trigger.
std::string_view first_open(const Dialect& dialect, std::string& scratch) {
  scratch = std::string(dialect.section_open) + std::string(dialect.call_open);
  return std::string_view(scratch).substr(dialect.trigger.size());
}

// Arguments are an object; one that lists no members has none.
Json argument_schema(Json schema) {
  if (!schema.is_object()) return schema;  // its error comes from the compiler
  if (!schema.contains("type")) schema["type"] = "object";
  const bool has_rules =
      std::any_of(schema.begin(), schema.end(),
                  [&](const Json& value) { return value.is_object() && !value.empty(); }) ||
      schema.contains("anyOf") || schema.contains("oneOf") || schema.contains("allOf") ||
      schema.contains("$ref");
  if (!has_rules && !schema.contains("additionalProperties"))
    schema["additionalProperties"] = false;
  return schema;
}

// Names and arguments of the functions, and what closes the call.
Result<std::vector<NodeId>> add_functions(Grammar& grammar, const CallRules& rules,
                                          std::vector<Json>& schemas) {
  std::vector<NodeId> nodes;
  schemas.reserve(rules.functions.size());
  for (const CallRules::Function& function : rules.functions) {
    Json parameters = Json::object();
    if (!function.parameters.empty()) {
      TRY(parameters, parse_json(function.parameters, function.path));
    }
    schemas.push_back(argument_schema(std::move(parameters)));
    TRY(const NodeId arguments, add_json_schema(grammar, schemas.back(), function.path));
    nodes.push_back(grammar.add_sequence(
        {grammar.add_text(function.name), add_marker(grammar, rules.dialect->name_close), arguments,
         grammar.add_text(std::string(rules.dialect->call_close))}));
  }
  return nodes;
}

// The calls without the trigger.
Result<NodeId> add_rest_of_calls(Grammar& grammar, const CallRules& rules) {
  const Dialect& dialect = *rules.dialect;
  std::vector<Json> schemas;
  TRY(auto functions, add_functions(grammar, rules, schemas));
  const NodeId function = grammar.add_choice(std::move(functions));
  const NodeId close = grammar.add_text(std::string(dialect.section_close));
  NodeId more = close;
  if (rules.parallel && dialect.parallel) {
    more = grammar.reserve();
    const NodeId next =
        grammar.add_sequence({grammar.add_text(std::string(dialect.separator)),
                              add_marker(grammar, dialect.call_open), function, more});
    grammar.fill(more, {.kind = GrammarNode::Kind::choice, .parts = {close, next}});
  }
  std::string scratch;
  return grammar.add_sequence({add_marker(grammar, first_open(dialect, scratch)), function, more});
}

}  // namespace

std::span<const Dialect> dialects() { return kDialects; }

const Dialect* find_dialect(std::string_view name) {
  const auto* found = std::find_if(kDialects.begin(), kDialects.end(),
                                   [&](const Dialect& dialect) { return dialect.name == name; });
  return found == kDialects.end() ? nullptr : found;
}

const Dialect& plain_dialect() { return kDialects[0]; }

const Dialect* recognize_dialect(std::string_view prompt, std::string_view function) {
  // Without white space, in which templates differ. Numbers are 0 in a first call.
  const std::string text = without_space(prompt);
  for (const Dialect& dialect : kDialects) {
    const std::string open = std::string(dialect.section_open) + std::string(dialect.call_open) +
                             std::string(function) + std::string(dialect.name_close);
    if (text.find(without_space(with_number(open, 0)) + "{") == std::string::npos) continue;
    return &dialect;
  }
  return nullptr;
}

Result<std::vector<CallRules::Function>> functions_of(const Json& tools) {
  if (!tools.is_array()) return fail(ErrorKind::invalid_argument, "tools must be a list");
  std::vector<CallRules::Function> functions;
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string path = fmt::format("tools[{}].function", i);
    const Json* function = tools[i].is_object() ? find_member(tools[i], "function") : nullptr;
    const Json* name = function && function->is_object() ? find_member(*function, "name") : nullptr;
    if (!name || !name->is_string()) {
      return fail(ErrorKind::invalid_argument, "{} must be an object with a name", path);
    }
    const std::string& text = name->get_ref<const std::string&>();
    const bool is_good =
        !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) {
          return c == '_' || c == '-' || c == '.' || (c >= '0' && c <= '9') ||
                 (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        });
    if (!is_good) {
      return fail(ErrorKind::invalid_argument,
                  "{}.name must be 1 to 128 letters, digits, '_', '-' or '.', not {}", path,
                  to_string(*name));
    }
    const Json* parameters = find_member(*function, "parameters");
    functions.push_back({text, parameters ? to_string(*parameters) : "", path + ".parameters"});
  }
  return functions;
}

Result<NodeId> add_calls(Grammar& grammar, const CallRules& rules) {
  TRY(const NodeId rest, add_rest_of_calls(grammar, rules));
  return grammar.add_sequence({grammar.add_text(std::string(rules.dialect->trigger)), rest});
}

Result<NodeId> add_text_or_calls(Grammar& grammar, const CallRules& rules) {
  TRY(const NodeId rest, add_rest_of_calls(grammar, rules));
  return grammar.add({.kind = GrammarNode::Kind::free_text,
                      .may_end = true,
                      .only_at_start = rules.dialect->only_at_start,
                      .text = std::string(rules.dialect->trigger),
                      .rest = rest});
}

NodeId add_text_without_calls(Grammar& grammar, const Dialect& dialect) {
  return grammar.add({.kind = GrammarNode::Kind::free_text,
                      .may_end = true,
                      .only_at_start = dialect.only_at_start,
                      .text = std::string(dialect.trigger),
                      .rest = grammar.add({})});
}

NodeId add_after_reasoning(Grammar& grammar, const ReasoningMarkers& markers, bool has_begun,
                           NodeId answer) {
  if (markers.open.empty()) return answer;
  const NodeId space = grammar.add_dfa(pattern_dfa("\\n{0,2}", PatternMode::whole).value());
  const NodeId thought = grammar.add({.kind = GrammarNode::Kind::free_text,
                                      .text = markers.close,
                                      .rest = grammar.add_sequence({space, answer})});
  if (has_begun) return thought;
  return grammar.add_choice(
      {grammar.add_sequence({grammar.add_text(markers.open), thought}), answer});
}

std::string write_call(const Dialect& dialect, std::string_view name, std::string_view arguments,
                       int number) {
  return with_number(dialect.call_open, number) + std::string(name) +
         with_number(dialect.name_close, number) + std::string(arguments) +
         std::string(dialect.call_close);
}

}  // namespace jiang
