#include "hub/modelfile.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "base/ascii.h"
#include "base/json_value.h"
#include "base/suggest.h"
#include "base/toml.h"
#include "base/unicode.h"

namespace jiang {
namespace {

constexpr size_t kMaxText = size_t{1} << 20;
constexpr size_t kMaxEntries = 1000;

struct Parameter {
  const char* name;
  bool is_whole = false;
  double low = 0, high = 0;
  bool is_text = false;
};
constexpr std::array kParameters = {
    Parameter{"temperature", false, 0, 100},
    Parameter{"top_k", true, 0, 1 << 30},
    Parameter{"top_p", false, 0, 1},
    Parameter{"min_p", false, 0, 1},
    Parameter{"seed", true, 0, 9007199254740992.0},
    Parameter{"num_predict", true, -1, 1 << 30},
    Parameter{"num_ctx", true, 1, 1 << 30},
    Parameter{"repeat_penalty", false, 0.01, 100},
    Parameter{"presence_penalty", false, -100, 100},
    Parameter{"frequency_penalty", false, -100, 100},
    Parameter{"stop", false, 0, 0, true},
};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

bool is_go_template(std::string_view text) {
  for (const char* mark : {".Prompt", ".System", ".Messages", ".Response", ".Content"}) {
    if (text.find(mark) != std::string_view::npos && text.find("{{") != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

bool is_role(std::string_view role) {
  return role == "system" || role == "user" || role == "assistant";
}

// A name or path that one line holds as it is: unquoted, it must be read back the same.
Status check_from(const std::string& from, std::string_view where) {
  if (from.empty()) {
    return fail(ErrorKind::invalid_argument, "{}: FROM is missing: the model to begin with", where);
  }
  const bool has_control = std::any_of(from.begin(), from.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (!has_control && from.front() != '"' && trim_ascii(from) == from) return ok();
  return fail(ErrorKind::invalid_argument,
              "{}: FROM begins or ends with a blank, begins with a quotation mark, or has a line "
              "break in it; give a model's name, or another path to its file",
              where);
}

// Instruction after instruction; `line` is where the current one begins.
class Reader {
 public:
  Reader(std::string_view text, std::string_view where) : text_(text), where_(where) {}

  Result<Modelfile> run() {
    while (true) {
      skip_blank();
      if (at_ >= text_.size()) break;
      start_line_ = line_;
      const std::string word = upper(next_word());
      TRY_STATUS(instruction(word));
      if (++n_instructions_ > kMaxEntries) return bad("has more than 1000 instructions");
    }
    TRY_STATUS(check_from(out_.from, where_));
    return std::move(out_);
  }

 private:
  Error bad(std::string_view what) const {
    return fail(ErrorKind::invalid_argument, "{}:{}: {}", where_, start_line_, what);
  }

  void advance() {
    if (text_[at_] == '\n') ++line_;
    ++at_;
  }
  void skip_blank() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') advance();
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        advance();
      } else {
        return;
      }
    }
  }
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) advance();
  }
  std::string_view next_word() {
    const size_t begin = at_;
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) == std::string::npos) {
      advance();
    }
    return text_.substr(begin, at_ - begin);
  }

  // """...""" over lines, "..." on one, or the rest of the line.
  Result<std::string> next_value() {
    skip_spaces();
    if (text_.substr(at_, 3) == "\"\"\"") {
      at_ += 3;
      const size_t end = text_.find("\"\"\"", at_);
      if (end == std::string_view::npos) return bad("\"\"\" is not closed");
      std::string value(text_.substr(at_, end - at_));
      while (at_ < end + 3) advance();
      TRY_STATUS(nothing_follows());
      return value;
    }
    const size_t end = std::min(text_.find('\n', at_), text_.size());
    std::string_view value = trim_ascii(text_.substr(at_, end - at_));
    while (at_ < end) advance();
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    return std::string(value);
  }
  Status nothing_follows() {
    const size_t end = std::min(text_.find('\n', at_), text_.size());
    if (trim_ascii(text_.substr(at_, end - at_)).empty()) return ok();
    return bad("something follows the closing \"\"\"");
  }

  Status once(std::string& target, std::string_view word) {
    TRY(std::string value, next_value());
    if (!target.empty()) return bad(fmt::format("a second {}", word));
    if (value.empty()) return bad(fmt::format("{} is empty", word));
    target = std::move(value);
    return ok();
  }

  Status instruction(const std::string& word) {
    if (word == "FROM") return once(out_.from, word);
    if (word == "SYSTEM") return once(out_.settings.system, word);
    if (word == "TEMPLATE") {
      TRY_STATUS(once(out_.settings.chat_template, word));
      if (!is_go_template(out_.settings.chat_template)) return ok();
      return bad(
          "TEMPLATE is in Go's language; jiang takes Jinja. Leave it out to use the model's own");
    }
    if (word == "LICENSE") {
      TRY(const std::string value, next_value());
      out_.settings.licence += (out_.settings.licence.empty() ? "" : "\n") + value;
      return ok();
    }
    if (word == "PARAMETER") {
      skip_spaces();
      std::string name(next_word());
      TRY(std::string value, next_value());
      auto good = check_parameter(name, value);
      if (!good) return bad(good.error().message);
      out_.settings.parameters.emplace_back(std::move(name), std::move(value));
      return ok();
    }
    if (word == "MESSAGE") {
      skip_spaces();
      std::string role(next_word());
      if (!is_role(role)) return bad("a MESSAGE's role is system, user or assistant");
      TRY(std::string value, next_value());
      out_.settings.messages.emplace_back(std::move(role), std::move(value));
      return ok();
    }
    if (word == "ADAPTER") return bad("adapters (LoRA) cannot be loaded yet");
    if (word == "REQUIRES") {
      return bad("REQUIRES names a version of Ollama, which says nothing here; remove the line");
    }
    const std::vector<std::string> known = {"FROM",   "PARAMETER", "TEMPLATE",
                                            "SYSTEM", "MESSAGE",   "LICENSE"};
    const auto near = suggest(word, known);
    return bad(fmt::format("no instruction '{}'{}", word.substr(0, 40),
                           near ? fmt::format("; did you mean {}?", *near) : ""));
  }

  std::string_view text_, where_;
  size_t at_ = 0;
  int line_ = 1, start_line_ = 1;
  size_t n_instructions_ = 0;
  Modelfile out_;
};

std::string block(const std::string& text) { return "\"\"\"" + text + "\"\"\""; }

std::string plain_number(const Json& value) {
  return value.is_string() ? value.get<std::string>() : to_string(value);
}

}  // namespace

Status check_parameter(std::string_view name, std::string_view value) {
  for (const Parameter& row : kParameters) {
    if (name != row.name) continue;
    if (row.is_text) {
      if (!value.empty()) return ok();
      return fail(ErrorKind::invalid_argument, "the parameter {} is empty", name);
    }
    const std::string text(value);
    char* end = nullptr;
    const double number = std::strtod(text.c_str(), &end);
    // Blanks before a number, which strtod() skips, would not be read back.
    const bool is_number = !text.empty() && static_cast<unsigned char>(text.front()) > ' ' &&
                           end == text.c_str() + text.size();
    if (is_number && number >= row.low && number <= row.high &&
        (!row.is_whole || number == std::floor(number))) {
      return ok();
    }
    return fail(ErrorKind::invalid_argument, "the parameter {} is '{}', not a {} of {} to {}", name,
                value, row.is_whole ? "whole number" : "number", row.low, row.high);
  }
  std::vector<std::string> known;
  std::string list;
  for (const Parameter& row : kParameters) {
    known.emplace_back(row.name);
    list += (list.empty() ? "" : ", ") + known.back();
  }
  const auto near = suggest(name, known);
  return fail(ErrorKind::invalid_argument, "no parameter '{}'{}", name,
              near ? fmt::format("; did you mean {}?", *near) : "; there are " + list);
}

Status check_settings(const ModelSettings& settings) {
  std::vector<const std::string*> texts = {&settings.system, &settings.chat_template,
                                           &settings.licence};
  for (const auto& [role, text] : settings.messages) {
    if (!is_role(role)) {
      return fail(ErrorKind::invalid_argument,
                  "a message's role is '{}', not system, user or "
                  "assistant",
                  role);
    }
    texts.push_back(&text);
  }
  for (const auto& [name, value] : settings.parameters) {
    TRY_STATUS(check_parameter(name, value));
    texts.push_back(&value);
  }
  for (const std::string* text : texts) {
    if (text->find("\"\"\"") != std::string::npos || !is_valid_utf8(*text) ||
        text->size() > kMaxText || text->find('\0') != std::string::npos) {
      return fail(
          ErrorKind::invalid_argument,
          "a text of the model is not UTF-8, longer than {} bytes, or has \"\"\" in it, which "
          "a Modelfile cannot hold",
          kMaxText);
    }
    // A quote at the end would run into the closing """.
    if (text->ends_with('"')) {
      return fail(ErrorKind::invalid_argument,
                  "a text of the model ends with a quotation mark, which a Modelfile cannot hold");
    }
  }
  if (is_go_template(settings.chat_template)) {
    return fail(
        ErrorKind::invalid_argument,
        "the template is in Go's language; jiang takes Jinja: leave it out to use the model's "
        "own");
  }
  return ok();
}

Result<Modelfile> parse_modelfile(std::string_view text, std::string_view where) {
  if (!is_valid_utf8(text)) {
    return fail(ErrorKind::invalid_argument, "{}: is not UTF-8", where);
  }
  TRY(Modelfile modelfile, Reader(text, where).run());
  TRY_STATUS(check_settings(modelfile.settings));
  return modelfile;
}

Result<Modelfile> parse_modelfile_toml(std::string_view text, std::string_view where) {
  TRY(const TomlDocument document, parse_toml(text, where));
  Modelfile out;
  for (const auto& [key, value] : document.value.items()) {
    const std::string place = fmt::format("{}:{}", where, document.line("/" + key));
    std::string* target = key == "from"       ? &out.from
                          : key == "system"   ? &out.settings.system
                          : key == "template" ? &out.settings.chat_template
                          : key == "licence"  ? &out.settings.licence
                                              : nullptr;
    if (target) {
      if (!value.is_string())
        return fail(ErrorKind::invalid_argument, "{}: {} is no text", place, key);
      *target = value.get<std::string>();
    } else if (key == "parameters" && value.is_object()) {
      for (const auto& [name, setting] : value.items()) {
        const Json list = setting.is_array() ? setting : Json::array({setting});
        for (const Json& each : list) {
          const std::string written = plain_number(each);
          auto good = check_parameter(name, written);
          if (!good)
            return fail(ErrorKind::invalid_argument, "{}: {}", place, good.error().message);
          out.settings.parameters.emplace_back(name, written);
        }
      }
    } else if (key == "messages" && value.is_array()) {
      for (const Json& message : value) {
        if (!message.is_object()) {
          return fail(ErrorKind::invalid_argument, "{}: a message is a table", place);
        }
        TRY(std::string role, get_string(message, "role", place));
        TRY(std::string content, get_string(message, "content", place));
        out.settings.messages.emplace_back(std::move(role), std::move(content));
      }
    } else {
      const std::vector<std::string> known = {"from",    "system",     "template",
                                              "licence", "parameters", "messages"};
      const auto near = suggest(key, known);
      return fail(ErrorKind::invalid_argument, "{}: no key '{}' of that kind{}", place, key,
                  near ? fmt::format("; did you mean {}?", *near) : "");
    }
  }
  TRY_STATUS(check_from(out.from, where));
  TRY_STATUS(check_settings(out.settings));
  return out;
}

std::string modelfile_text(const Modelfile& modelfile) {
  const ModelSettings& settings = modelfile.settings;
  std::string text = "FROM " + modelfile.from + "\n";
  if (!settings.chat_template.empty()) text += "TEMPLATE " + block(settings.chat_template) + "\n";
  if (!settings.system.empty()) text += "SYSTEM " + block(settings.system) + "\n";
  for (const auto& [name, value] : settings.parameters) {
    text += fmt::format("PARAMETER {} {}\n", name, name == "stop" ? block(value) : value);
  }
  for (const auto& [role, content] : settings.messages) {
    text += fmt::format("MESSAGE {} {}\n", role, block(content));
  }
  if (!settings.licence.empty()) text += "LICENSE " + block(settings.licence) + "\n";
  return text;
}

}  // namespace jiang
