#include "agent/agent_import.h"

#include <set>

#include "base/toml.h"
#include "base/unicode.h"

namespace jiang {
namespace {

constexpr size_t kMaxText = size_t{4} << 20;
constexpr size_t kMaxDropped = 100;

std::string text_at(const Json& json, const char* pointer) {
  const Json::json_pointer at(pointer);
  return json.contains(at) && json.at(at).is_string() ? json.at(at).get<std::string>()
                                                      : std::string();
}

// Takes fields out of a foreign object and remembers which; what is left is what is dropped.
class Taker {
 public:
  explicit Taker(const Json& json) : json_(json) {}

  std::string text(std::initializer_list<const char*> pointers) {
    std::string found;
    for (const char* pointer : pointers) {
      const std::string here = text_at(json_, pointer);
      if (!here.empty()) taken_.insert(pointer);
      if (found.empty()) found = here;
    }
    return found;
  }
  std::vector<std::string> texts(std::initializer_list<const char*> pointers) {
    std::vector<std::string> found;
    for (const char* pointer : pointers) {
      const Json::json_pointer at(pointer);
      if (!json_.contains(at) || !json_.at(at).is_array()) continue;
      bool whole = true;
      for (const Json& item : json_.at(at)) {
        if (item.is_string()) {
          found.push_back(item.get<std::string>());
        } else {
          whole = false;
        }
      }
      if (whole) taken_.insert(pointer);
    }
    return found;
  }
  // Numbers and stop lists that our parameters know by the same name.
  Json parameters(const char* pointer) {
    Json out = Json::object();
    const Json::json_pointer at(pointer);
    if (!json_.contains(at) || !json_.at(at).is_object()) return out;
    for (const auto& [key, value] : json_.at(at).items()) {
      static const std::set<std::string> kKnown = {
          "temperature",       "top_p", "top_k", "max_tokens", "presence_penalty",
          "frequency_penalty", "stop",  "seed"};
      const bool usable = value.is_number() || (key == "stop" && value.is_array());
      if (kKnown.count(key) == 0 || !usable) continue;
      out[key] = value;
      taken_.insert(std::string(pointer) + "/" + key);
    }
    return out;
  }
  void ignore(std::initializer_list<const char*> pointers) {
    for (const char* pointer : pointers) taken_.insert(pointer);
  }
  std::vector<std::string> dropped() const {
    std::vector<std::string> names;
    collect(json_, "", names, 0);
    return names;
  }

 private:
  // The shortest paths under which nothing was taken, and that hold something.
  void collect(const Json& json, const std::string& path, std::vector<std::string>& names,
               int depth) const {
    if (taken_.count(path) != 0 || names.size() >= kMaxDropped) return;
    const auto below = taken_.lower_bound(path + "/");
    const bool taken_below =
        below != taken_.end() && below->compare(0, path.size() + 1, path + "/") == 0;
    if (json.is_object() && (path.empty() || taken_below) && depth < 8) {
      for (const auto& [key, value] : json.items()) {
        collect(value, path + "/" + key, names, depth + 1);
      }
      return;
    }
    const bool hollow = json.is_null() || json == false || json == "" ||
                        ((json.is_array() || json.is_object()) && json.empty());
    if (hollow || path.empty()) return;
    std::string name = path.substr(1);
    for (char& c : name) {
      if (c == '/') c = '.';
    }
    names.push_back(std::move(name));
  }

  const Json& json_;
  std::set<std::string> taken_;
};

ImportedAgent from_gpt(const Json& json) {
  Taker taker(json);
  ImportedAgent made;
  made.form = "gpt";
  AgentSpec& agent = made.agent;
  agent.name = taker.text({"/name", "/display/name"});
  agent.introduction = taker.text({"/description", "/display/description"});
  agent.instructions = taker.text({"/instructions", "/system_prompt"});
  agent.opening = taker.text({"/display/welcome_message", "/welcome_message"});
  agent.questions = taker.texts({"/conversation_starters", "/starter_prompts",
                                 "/display/prompt_starters", "/prompt_starters"});
  // Tools as a list of {"type": ...}, or capabilities as flags.
  if (const Json* tools = find_member(json, "tools"); tools && tools->is_array()) {
    bool all_known = true;
    for (const Json& tool : *tools) {
      const std::string type = tool.is_string() ? tool.get<std::string>() : text_at(tool, "/type");
      if (type == "code_interpreter" || type == "python") {
        agent.code = true;
      } else if (type == "web_search" || type == "browser" || type == "web_browser") {
        agent.web = true;
      } else {
        all_known = false;
      }
    }
    if (all_known) taker.ignore({"/tools"});
  }
  const auto flag = [&](const char* pointer, bool AgentSpec::*member) {
    const Json::json_pointer at(pointer);
    if (!json.contains(at) || !json.at(at).is_boolean()) return;
    agent.*member |= json.at(at).get<bool>();
    taker.ignore({pointer});
  };
  flag("/capabilities/code_interpreter", &AgentSpec::code);
  flag("/capabilities/web_browsing", &AgentSpec::web);
  flag("/capabilities/web_search", &AgentSpec::web);
  made.dropped = taker.dropped();
  return made;
}

ImportedAgent from_lobechat(const Json& json) {
  Taker taker(json);
  ImportedAgent made;
  made.form = "lobechat";
  AgentSpec& agent = made.agent;
  agent.name = taker.text({"/meta/title", "/title"});
  agent.avatar = taker.text({"/meta/avatar", "/avatar"});
  agent.introduction = taker.text({"/meta/description", "/description"});
  agent.instructions = taker.text({"/config/systemRole", "/systemRole"});
  agent.opening = taker.text({"/config/openingMessage", "/openingMessage"});
  agent.questions = taker.texts({"/config/openingQuestions", "/openingQuestions"});
  agent.parameters = taker.parameters("/config/params");
  agent.parameters.update(taker.parameters("/params"));
  made.dropped = taker.dropped();
  return made;
}

ImportedAgent from_dify(const Json& json) {
  Taker taker(json);
  ImportedAgent made;
  made.form = "dify";
  AgentSpec& agent = made.agent;
  agent.name = taker.text({"/app/name"});
  agent.avatar = taker.text({"/app/icon"});
  agent.introduction = taker.text({"/app/description"});
  agent.instructions = taker.text({"/model_config/pre_prompt"});
  agent.opening = taker.text({"/model_config/opening_statement"});
  agent.questions = taker.texts({"/model_config/suggested_questions"});
  agent.parameters = taker.parameters("/model_config/model/completion_params");
  taker.ignore({"/kind", "/version", "/app/mode", "/app/icon_background", "/app/icon_type"});
  made.dropped = taker.dropped();
  return made;
}

ImportedAgent from_jiang(const Json& json, Taker& taker) {
  ImportedAgent made;
  made.form = "jiang";
  static constexpr const char* kKeys[] = {
      "id",      "name",      "avatar", "introduction", "instructions", "skills", "code",   "web",
      "opening", "questions", "model",  "parameters",   "built_in",     "file",   "warning"};
  Json known = Json::object();
  for (const char* key : kKeys) {
    if (json.contains(key)) known[key] = json.at(key);
    taker.ignore({(std::string("/") + key).c_str()});
  }
  made.dropped = taker.dropped();
  made.agent.parameters = known;  // parsed by the caller
  return made;
}

// A foreign avatar may be an URL or a word; what an agent here cannot have is dropped by name.
void fit_avatar(ImportedAgent& made) {
  AgentSpec probe;
  probe.name = "x";
  probe.avatar = made.agent.avatar;
  if (parse_agent_json(to_json(probe, true), "agent")) return;
  made.agent.avatar.clear();
  made.dropped.emplace_back("avatar");
}

// The first `characters` characters, whole ones.
std::string_view first_characters(std::string_view text, size_t characters) {
  size_t end = 0;
  for (size_t i = 0; i < characters && end < text.size(); ++i) {
    end += grapheme_length(text.substr(end));
  }
  return text.substr(0, end);
}

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "";
  std::string out(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
  for (const std::string_view stop : {"。", "！", ".", "!"}) {
    if (out.size() > stop.size() && out.compare(out.size() - stop.size(), stop.size(), stop) == 0) {
      out.resize(out.size() - stop.size());
    }
  }
  return out;
}

// "做一个教我英语的老师" -> "教我英语的老师": the words that ask for an agent are no part of it.
std::string_view wish_of(std::string_view sentence) {
  static constexpr std::string_view kStarts[] = {
      "请",      "帮我",    "给我",           "我想要",        "我要",    "创建",
      "做一个",  "做个",    "一个",           "一位",          "please ", "make ",
      "create ", "i want ", "an agent that ", "an agent who ", "a ",      "an "};
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view start : kStarts) {
      if (sentence.size() <= start.size()) continue;
      if (to_lower(sentence.substr(0, start.size())) != start) continue;
      sentence.remove_prefix(start.size());
      again = true;
    }
  }
  return sentence;
}

}  // namespace

Result<ImportedAgent> import_agent(std::string_view text) {
  if (text.size() > kMaxText) {
    return fail(ErrorKind::too_large, "text: {} bytes, at most {} are read", text.size(), kMaxText);
  }
  const size_t start = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (start == std::string_view::npos) return fail(ErrorKind::invalid_argument, "text: is empty");
  if (text[start] != '{') {
    if (text.find("\nmodel_config:") != std::string_view::npos ||
        text.find("kind: app") != std::string_view::npos) {
      return fail(ErrorKind::unsupported,
                  "text: this is Dify's YAML, which is not read yet; convert it to JSON first");
    }
    ImportedAgent made;
    made.form = "jiang";
    TRY(made.agent, parse_agent_toml(text, "agent", "agent.toml"));
    made.agent.id.clear();
    return made;
  }
  TRY(Json json, parse_json(text.substr(start), "text", {.max_bytes = kMaxText, .max_depth = 64}));
  ImportedAgent made;
  // An agent in an export of several: the first one.
  if (const Json* list = find_member(json, "agents"); list && list->is_array() && !list->empty()) {
    const Json first = list->front();
    json = first;
  }
  if (!json.is_object()) return fail(ErrorKind::invalid_argument, "text: not an agent");
  const auto has = [&](const char* pointer) { return json.contains(Json::json_pointer(pointer)); };
  if (has("/model_config") || has("/app/mode")) {
    made = from_dify(json);
  } else if (has("/config/systemRole") || has("/systemRole") || has("/meta/title")) {
    made = from_lobechat(json);
  } else if (has("/introduction") || has("/opening") || has("/questions") || has("/skills")) {
    Taker taker(json);
    made = from_jiang(json, taker);
    const Json known = made.agent.parameters;
    TRY(made.agent, parse_agent_json(known, "agent"));
    made.agent.built_in = false;
    return made;
  } else if (has("/instructions") || has("/conversation_starters") || has("/system_prompt") ||
             has("/display")) {
    made = from_gpt(json);
  } else {
    return fail(ErrorKind::unsupported,
                "text: neither jiang's form of an agent, nor a GPT's, LobeChat's or Dify's");
  }
  if (made.agent.parameters.is_null()) made.agent.parameters = Json::object();
  fit_avatar(made);
  // The same limits as for any agent.
  TRY(made.agent, parse_agent_json(to_json(made.agent, true), "agent"));
  return made;
}

AgentSpec draft_agent(std::string_view sentence, std::string_view locale) {
  const std::string wish = trimmed(wish_of(trimmed(sentence)));
  AgentSpec agent;
  agent.name = std::string(first_characters(wish, 12));
  agent.avatar = "✨";
  agent.parameters = Json::object();
  if (locale.substr(0, 2) == "zh") {
    agent.introduction = wish + "。";
    agent.instructions = fmt::format(
        "你是“{}"
        "”。\n先弄清用户想要什么，不清楚时只问一个问题。\n回答准确、简洁，分步骤说明；不知道的事直"
        "说不知道。",
        wish);
    agent.opening = fmt::format("你好，我是{}，有什么可以帮你？", agent.name);
    agent.questions = {"你能帮我做什么？", "我该从哪里开始？", "请举一个例子。"};
  } else {
    agent.introduction = wish + ".";
    agent.instructions = fmt::format(
        "You are: {}.\nFind out what the user wants; when it is not clear, ask one question.\n"
        "Answer precisely and briefly, step by step; say so when you do not know.",
        wish);
    agent.opening = fmt::format("Hello, I am {}. What can I do for you?", agent.name);
    agent.questions = {"What can you help me with?", "Where should I begin?",
                       "Give me an example."};
  }
  return agent;
}

}  // namespace jiang
