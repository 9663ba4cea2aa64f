#include "judge/question.h"

#include "base/file.h"
#include "base/json_value.h"

namespace jiang {
namespace {

constexpr size_t kMostBytes = size_t{64} << 20;
constexpr const char* kKinds[] = {"paraphrase", "combination", "preset", "outside", "about"};

Result<std::vector<std::string>> strings(const Json& object, const char* key,
                                         std::string_view where) {
  std::vector<std::string> all;
  const Json* list = find_member(object, key);
  if (!list) return all;
  if (!list->is_array()) return fail(ErrorKind::bad_file, "{}: {} is no list", where, key);
  for (const Json& item : *list) {
    if (!item.is_string()) {
      return fail(ErrorKind::bad_file, "{}: {} holds something other than strings", where, key);
    }
    all.push_back(item.get<std::string>());
  }
  return all;
}

Result<std::vector<ProgramCase>> parse_cases(const Json& check, std::string_view where) {
  const Json* list = find_member(check, "cases");
  if (!list || !list->is_array() || list->empty()) {
    return fail(ErrorKind::bad_file, "{}: a check has no cases", where);
  }
  std::vector<ProgramCase> cases;
  for (const Json& item : *list) {
    ProgramCase one;
    TRY(one.input, get_string_or(item, "stdin", "", where));
    TRY(one.arguments, strings(item, "arguments", where));
    TRY(one.need, strings(item, "need", where));
    cases.push_back(std::move(one));
  }
  return cases;
}

}  // namespace

const char* name_of(JudgeQuestion::Kind kind) { return kKinds[static_cast<size_t>(kind)]; }

Result<JudgeQuestion> parse_question(const Json& line, std::string_view where) {
  JudgeQuestion question;
  TRY(question.id, get_string_or(line, "id", "", where));
  TRY(const std::string kind, get_string(line, "kind", where));
  size_t at = 0;
  while (at < std::size(kKinds) && kind != kKinds[at]) ++at;
  if (at == std::size(kKinds)) {
    return fail(ErrorKind::bad_file, "{}: unknown kind \"{}\"", where, kind);
  }
  question.kind = static_cast<JudgeQuestion::Kind>(at);
  TRY(question.language, get_string(line, "lang", where));
  if (question.language != "zh" && question.language != "en") {
    return fail(ErrorKind::bad_file, "{}: lang is \"{}\", not \"zh\" or \"en\"", where,
                question.language);
  }
  TRY(question.topic, get_string_or(line, "topic", "", where));
  const Json* messages = find_member(line, "messages");
  if (!messages || !messages->is_array() || messages->size() != 1) {
    return fail(ErrorKind::bad_file, "{}: messages must be one user turn", where);
  }
  TRY(question.text, get_string((*messages)[0], "content", where));
  if (const Json* checks = find_member(line, "checks")) {
    if (!checks->is_array()) return fail(ErrorKind::bad_file, "{}: checks is no list", where);
    for (const Json& check : *checks) {
      TRY(auto cases, parse_cases(check, where));
      question.alternatives.push_back(std::move(cases));
    }
  }
  TRY(question.points, strings(line, "points", where));
  return question;
}

Result<std::vector<JudgeQuestion>> read_questions(const std::string& path) {
  TRY(const std::string text, read_file(path, kMostBytes));
  std::vector<JudgeQuestion> questions;
  size_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = fmt::format("{}:{}", path, number);
    TRY(const Json json, parse_json(line, where));
    TRY(JudgeQuestion question, parse_question(json, where));
    questions.push_back(std::move(question));
  }
  if (questions.empty()) return fail(ErrorKind::bad_file, "{}: no questions in it", path);
  return questions;
}

}  // namespace jiang
