#include "agent/agent_spec.h"

#include <algorithm>

#include "base/suggest.h"
#include "base/toml.h"
#include "base/unicode.h"

namespace jiang {
namespace {

constexpr size_t kMaxId = 64;
constexpr size_t kMaxAvatar = 64 * 1024;
constexpr size_t kMaxEmoji = 64;  // bytes: a family of four with skin tones has 41

// One row per key of the file: where it goes, and how long it may be.
struct TextField {
  const char* key;
  std::string AgentSpec::*member;
  size_t max_bytes;
};
constexpr TextField kTextFields[] = {
    {"name", &AgentSpec::name, 200},
    {"avatar", &AgentSpec::avatar, kMaxAvatar},
    {"introduction", &AgentSpec::introduction, 8 * 1024},
    {"instructions", &AgentSpec::instructions, 256 * 1024},
    {"opening", &AgentSpec::opening, 16 * 1024},
    {"model", &AgentSpec::model, 400},
    {"owner", &AgentSpec::owner, 200},
};
struct FlagField {
  const char* key;
  bool AgentSpec::*member;
};
constexpr FlagField kFlagFields[] = {{"code", &AgentSpec::code}, {"web", &AgentSpec::web}};
struct ListField {
  const char* key;
  std::vector<std::string> AgentSpec::*member;
};
constexpr ListField kListFields[] = {{"skills", &AgentSpec::skills},
                                     {"questions", &AgentSpec::questions}};
constexpr size_t kMaxItems = 64;
constexpr size_t kMaxItemBytes = 4 * 1024;

// What the server adds to an agent that it shows; accepted when it comes back, and not kept.
constexpr std::string_view kShownOnly[] = {"id", "built_in", "file", "mine", "warning"};

std::vector<std::string> known_keys() {
  std::vector<std::string> keys = {"parameters"};
  for (const TextField& field : kTextFields) keys.emplace_back(field.key);
  for (const FlagField& field : kFlagFields) keys.emplace_back(field.key);
  for (const ListField& field : kListFields) keys.emplace_back(field.key);
  return keys;
}

// Says where in the source a key stands: "craftsman.toml:7" or "agent".
class Places {
 public:
  Places(std::string_view where, const TomlDocument* document)
      : where_(where), document_(document) {}
  Error refuse(const std::string& key, std::string_view why) const {
    const int line = document_ ? document_->line("/" + key) : 0;
    if (line == 0) return fail(ErrorKind::invalid_argument, "{}: {}: {}", where_, key, why);
    return fail(ErrorKind::invalid_argument, "{}:{}: {}: {}", where_, line, key, why);
  }

 private:
  std::string_view where_;
  const TomlDocument* document_;
};

std::string_view problem_with_avatar(std::string_view avatar) {
  if (avatar.empty()) return "";
  if (avatar.starts_with("data:")) {
    const bool image = avatar.starts_with("data:image/png;base64,") ||
                       avatar.starts_with("data:image/jpeg;base64,");
    const std::string_view payload = avatar.substr(std::min(avatar.find(',') + 1, avatar.size()));
    const bool base64 = payload.find_first_not_of(
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") ==
                        std::string_view::npos;
    return image && base64 ? "" : "must be a PNG or JPEG as a data: URL in base64";
  }
  if (avatar.size() > kMaxEmoji || grapheme_length(avatar) != avatar.size()) {
    return "must be one emoji or character, or a data: URL of a PNG or JPEG of at most 64 KiB";
  }
  return "";
}

Result<AgentSpec> parse_agent(const Json& json, const Places& places, bool is_shown) {
  AgentSpec spec;
  spec.parameters = Json::object();
  const std::vector<std::string> keys = known_keys();
  for (const auto& [key, value] : json.items()) {
    const bool shown =
        std::find(std::begin(kShownOnly), std::end(kShownOnly), key) != std::end(kShownOnly);
    if (is_shown && shown) continue;
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    const auto meant = suggest(key, keys);
    return places.refuse(key, meant ? "is not a key of an agent; did you mean '" + *meant + "'?"
                                    : "is not a key of an agent");
  }
  for (const TextField& field : kTextFields) {
    const Json* value = find_member(json, field.key);
    if (!value) continue;
    if (!value->is_string()) return places.refuse(field.key, "must be a text");
    std::string text = value->get<std::string>();
    if (text.size() > field.max_bytes) {
      return places.refuse(field.key,
                           fmt::format("{} bytes, at most {}", text.size(), field.max_bytes));
    }
    spec.*field.member = std::move(text);
  }
  for (const FlagField& field : kFlagFields) {
    const Json* value = find_member(json, field.key);
    if (!value) continue;
    if (!value->is_boolean()) return places.refuse(field.key, "must be true or false");
    spec.*field.member = value->get<bool>();
  }
  for (const ListField& field : kListFields) {
    const Json* value = find_member(json, field.key);
    if (!value) continue;
    if (!value->is_array()) return places.refuse(field.key, "must be a list of texts");
    if (value->size() > kMaxItems) {
      return places.refuse(field.key,
                           fmt::format("{} items, at most {}", value->size(), kMaxItems));
    }
    for (const Json& item : *value) {
      if (!item.is_string()) return places.refuse(field.key, "must be a list of texts");
      std::string text = item.get<std::string>();
      if (text.size() > kMaxItemBytes) {
        return places.refuse(
            field.key, fmt::format("an item has {} bytes, at most {}", text.size(), kMaxItemBytes));
      }
      (spec.*field.member).push_back(std::move(text));
    }
  }
  if (const Json* parameters = find_member(json, "parameters")) {
    if (!parameters->is_object()) return places.refuse("parameters", "must be a table");
    spec.parameters = *parameters;
  }
  if (spec.name.empty()) return places.refuse("name", "is missing");
  const std::string_view avatar = problem_with_avatar(spec.avatar);
  if (!avatar.empty()) return places.refuse("avatar", avatar);
  return spec;
}

}  // namespace

bool is_agent_id(std::string_view id) {
  if (id.empty() || id.size() > kMaxId) return false;
  while (!id.empty()) {
    const DecodedCodePoint next = decode_utf8(id);
    const char32_t c = next.code_point;
    if (!next.valid || !(is_letter(c) || is_mark(c) || is_number(c) || c == '-' || c == '_')) {
      return false;
    }
    id.remove_prefix(static_cast<size_t>(next.length));
  }
  return true;
}

Result<AgentSpec> parse_agent_toml(std::string_view text, std::string_view id,
                                   std::string_view where) {
  TRY(const TomlDocument document, parse_toml(text, where));
  TRY(AgentSpec spec, parse_agent(document.value, Places(where, &document), false));
  if (!is_agent_id(id)) {
    return fail(ErrorKind::invalid_argument,
                "{}: a file of an agent is named by letters, digits, '-' and '_', at most {} bytes",
                where, kMaxId);
  }
  spec.id = id;
  return spec;
}

std::string to_toml(const AgentSpec& spec) {
  std::string out;
  for (const TextField& field : kTextFields) {
    const std::string& value = spec.*field.member;
    if (!value.empty()) out += fmt::format("{} = {}\n", field.key, quote_toml(value));
  }
  for (const ListField& field : kListFields) {
    const std::vector<std::string>& items = spec.*field.member;
    if (items.empty()) continue;
    out += fmt::format("{} = [\n", field.key);
    for (const std::string& item : items) out += fmt::format("  {},\n", quote_toml(item));
    out += "]\n";
  }
  for (const FlagField& field : kFlagFields) {
    if (spec.*field.member) out += fmt::format("{} = true\n", field.key);
  }
  if (spec.parameters.is_object() && !spec.parameters.empty()) {
    out += "\n[parameters]\n";
    for (const auto& [key, value] : spec.parameters.items()) {
      if (value.is_null()) continue;
      out += fmt::format("{} = {}\n", quote_toml(key), to_toml_value(value));
    }
  }
  return out;
}

Result<AgentSpec> parse_agent_json(const Json& json, std::string_view where) {
  if (!json.is_object()) {
    return fail(ErrorKind::invalid_argument, "{}: an agent is a JSON object", where);
  }
  TRY(AgentSpec spec, parse_agent(json, Places(where, nullptr), true));
  spec.owner.clear();  // whose it is, the server says
  if (const Json* id = find_member(json, "id"); id && id->is_string()) {
    spec.id = id->get<std::string>();
    if (!spec.id.empty() && !is_agent_id(spec.id)) {
      return fail(ErrorKind::invalid_argument,
                  "{}: id: letters, digits, '-' and '_', at most {} bytes", where, kMaxId);
    }
  }
  return spec;
}

Json to_json(const AgentSpec& spec, bool with_instructions) {
  Json json = {{"id", spec.id},
               {"name", spec.name},
               {"avatar", spec.avatar},
               {"introduction", spec.introduction}};
  if (with_instructions) json["instructions"] = spec.instructions;
  json["skills"] = spec.skills;
  json["code"] = spec.code;
  json["web"] = spec.web;
  json["opening"] = spec.opening;
  json["questions"] = spec.questions;
  json["model"] = spec.model;
  // Parameters may say much of the same (stop strings, biases): who sees one sees the other.
  if (with_instructions) {
    json["parameters"] = spec.parameters.is_object() ? spec.parameters : Json::object();
  }
  json["built_in"] = spec.built_in;
  return json;
}

const AgentSpec& craftsman() {
  static const AgentSpec spec = [] {
    AgentSpec made;
    made.id = "craftsman";
    made.name = "代码匠";
    made.avatar = "🛠️";
    made.introduction = "C语言代码一键生成，编程master亲自讲授，知识点同步掌握！";
    made.instructions =
        "你是代码匠，专门处理用户编程需求，通过提示词快速生成C语言代码，并以耐心细致的语气指导用户"
        "理解"
        "代码及背后的知识点。你的能力有:\n"
        "-解析用户需求，快速生成C语言代码。\n"
        "-列出编写代码所需的知识点。\n"
        "-鼓励用户学习并理解代码逻辑。";
    made.code = true;
    made.web = true;
    made.opening = "你好，我是代码匠，专帮你解决C语言编程难题，让我们猛猛开始吧！";
    made.questions = {"如何用C语言实现一个简单的计算器？", "请编写一个C语言程序，实现数组排序。",
                      "我想用C语言做一个学生管理系统，应该如何开始编写代码？"};
    made.parameters = Json::object();
    made.built_in = true;
    return made;
  }();
  return spec;
}

}  // namespace jiang
