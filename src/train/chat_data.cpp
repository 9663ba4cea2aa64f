#include "train/chat_data.h"

#include <algorithm>

#include "base/unicode.h"

namespace jiang {
namespace {

Error unusable(std::string_view what) { return fail(ErrorKind::invalid_argument, "{}", what); }

Json turn(const char* role, std::string content) {
  return {{"role", role}, {"content", std::move(content)}};
}

Result<std::string> member_text(const Json& object, const char* key) {
  const Json* found = find_member(object, key);
  if (!found || !found->is_string())
    return unusable(fmt::format("\"{}\" is missing or not a string", key));
  return found->get<std::string>();
}

Result<Json> from_share_gpt(const Json& turns) {
  if (!turns.is_array()) return unusable("\"conversations\" is not a list");
  Json messages = Json::array();
  for (const Json& item : turns) {
    TRY(const std::string from, member_text(item, "from"));
    TRY(std::string value, member_text(item, "value"));
    const char* role = from == "human" || from == "user"         ? "user"
                       : from == "gpt" || from == "assistant"    ? "assistant"
                       : from == "system"                        ? "system"
                       : from == "tool" || from == "observation" ? "tool"
                                                                 : nullptr;
    if (!role)
      return unusable("\"from\" is \"" + from + "\": human, gpt, system or tool are known");
    messages.push_back(turn(role, std::move(value)));
  }
  return messages;
}

Result<Json> from_alpaca(const Json& line) {
  TRY(std::string instruction, member_text(line, "instruction"));
  TRY(std::string output, member_text(line, "output"));
  const Json* input = find_member(line, "input");
  if (input && !input->is_string()) return unusable("\"input\" is not a string");
  if (input && !input->get_ref<const std::string&>().empty())
    instruction += "\n\n" + input->get<std::string>();
  Json messages = Json::array();
  if (find_member(line, "system")) {
    TRY(std::string system, member_text(line, "system"));
    if (!system.empty()) messages.push_back(turn("system", std::move(system)));
  }
  messages.push_back(turn("user", std::move(instruction)));
  messages.push_back(turn("assistant", std::move(output)));
  return messages;
}

}  // namespace

Result<Json> to_conversation(const Json& line) {
  Json conversation = Json::object();
  if (const Json* messages = find_member(line, "messages")) {
    if (!messages->is_array() || messages->empty()) return unusable("\"messages\" is not a list");
    for (const Json& message : *messages) {
      TRY(const std::string role, member_text(message, "role"));
      if (!message.contains("content") && !message.contains("tool_calls"))
        return unusable("a message without \"content\"");
    }
    conversation["messages"] = *messages;
    if (const Json* tools = find_member(line, "tools")) conversation["tools"] = *tools;
  } else if (const Json* turns = find_member(line, "conversations")) {
    TRY(conversation["messages"], from_share_gpt(*turns));
  } else if (find_member(line, "instruction")) {
    TRY(conversation["messages"], from_alpaca(line));
  } else {
    return unusable("none of \"messages\", \"conversations\" and \"instruction\" is there");
  }
  return conversation;
}

Result<ChatEncoder> ChatEncoder::create(TextAssets assets) {
  if (assets.chat_template.empty()) {
    return fail(ErrorKind::unsupported,
                "this model has no chat template; add one to its tokenizer_config.json");
  }
  TRY(ChatTemplate parsed, ChatTemplate::parse(assets.chat_template));
  return ChatEncoder(std::move(assets), std::move(parsed));
}

Result<ChatEncoder::Rendered> ChatEncoder::render(const Json& messages, const Json& tools,
                                                  bool with_prompt) const {
  Json context = {{"messages", messages},           {"tools", tools},
                  {"documents", nullptr},           {"add_generation_prompt", with_prompt},
                  {"bos_token", assets_.bos_token}, {"eos_token", assets_.eos_token}};
  TRY(const auto segments, template_.render(context));
  Rendered rendered;
  for (const PromptSegment& segment : segments) {
    const size_t begin = rendered.text.size();
    rendered.text += replace_invalid_utf8(segment.text);
    if (segment.from_template) rendered.from_template.push_back({begin, rendered.text.size()});
  }
  return rendered;
}

std::vector<TokenId> ChatEncoder::encode_part(const Rendered& rendered, size_t begin,
                                              size_t end) const {
  std::vector<TextRange> ranges;
  for (const TextRange& range : rendered.from_template) {
    const size_t first = std::max(range.begin, begin), last = std::min(range.end, end);
    if (first < last) ranges.push_back({first - begin, last - begin});
  }
  return tokenizer().encode(
      std::string_view(rendered.text).substr(begin, end - begin),
      {.parse_specials = !ranges.empty(), .add_specials = false, .specials_within = ranges});
}

Result<Example> ChatEncoder::encode(const Json& conversation) const {
  const Json& messages = conversation["messages"];
  const Json tools = conversation.contains("tools") ? conversation["tools"] : Json();
  Example example;
  TRY(const Rendered all, render(messages, tools, false));
  size_t done = 0;  // of all.text
  const auto append = [&](const std::vector<TokenId>& ids, size_t n_learned) {
    for (size_t i = 0; i < ids.size(); ++i) {
      example.tokens.push_back(ids[i]);
      example.counts.push_back(i < n_learned ? 1 : 0);
    }
  };
  Json so_far = Json::array();
  for (const Json& message : messages) {
    if (message["role"] != "assistant") {
      so_far.push_back(message);
      continue;
    }
    if (so_far.empty()) return unusable("the assistant speaks first");
    TRY(const Rendered before, render(so_far, tools, true));
    so_far.push_back(message);
    TRY(const Rendered after, render(so_far, tools, false));
    // The answer is encoded by itself, as it is made by itself when the model runs.
    if (!all.text.starts_with(before.text) || !all.text.starts_with(after.text) ||
        before.text.size() < done || after.text.size() < before.text.size()) {
      return unusable("the template writes an earlier turn differently when a later one follows");
    }
    append(encode_part(all, done, before.text.size()), 0);
    const std::vector<TokenId> answer = encode_part(all, before.text.size(), after.text.size());
    // What follows the token that ends the turn is nothing that the model says.
    const auto ends = tokenizer().end_ids();
    size_t n_learned = answer.size();
    for (size_t i = answer.size(); i-- > 0;) {
      if (std::find(ends.begin(), ends.end(), answer[i]) == ends.end()) continue;
      n_learned = i + 1;
      break;
    }
    append(answer, n_learned);
    done = after.text.size();
  }
  if (done == 0) return unusable("no turn of the assistant");
  return example;  // what comes after its last turn teaches nothing
}

Result<std::vector<TokenId>> ChatEncoder::prompt(const Json& messages, const Json& tools) const {
  TRY(const Rendered rendered, render(messages, tools, true));
  return encode_part(rendered, 0, rendered.text.size());
}

Result<std::vector<TokenId>> ChatEncoder::answer(const Json& messages, const Json& tools,
                                                 const std::string& text) const {
  Json with = messages;
  with.push_back(turn("assistant", text));
  Json conversation = {{"messages", with}};
  if (!tools.is_null()) conversation["tools"] = tools;
  TRY(const Example example, encode(conversation));
  TRY(const auto ids, prompt(messages, tools));
  if (example.tokens.size() < ids.size() ||
      !std::equal(ids.begin(), ids.end(), example.tokens.begin()))
    return unusable("the prompt has assistant's turns that join its tokens otherwise");
  size_t end = example.tokens.size();
  while (end > ids.size() && !example.counts[end - 1]) --end;
  return std::vector<TokenId>(example.tokens.begin() + static_cast<std::ptrdiff_t>(ids.size()),
                              example.tokens.begin() + static_cast<std::ptrdiff_t>(end));
}

Result<std::vector<Example>> read_conversations(const std::vector<std::string>& paths,
                                                const ChatEncoder& encoder, int64_t most_tokens,
                                                std::vector<BadLine>& bad) {
  std::vector<Example> examples;
  for (const std::string& path : paths) {
    TRY(const auto lines, read_json_lines(path, bad));
    for (const JsonLine& line : lines) {
      const auto conversation = to_conversation(line.value);
      if (!conversation) {
        bad.push_back({path, line.line, conversation.error().message});
        continue;
      }
      auto example = encoder.encode(*conversation);
      if (!example) {
        bad.push_back({path, line.line, example.error().message});
      } else if (static_cast<int64_t>(example->tokens.size()) > most_tokens) {
        bad.push_back(
            {path, line.line,
             fmt::format("{} tokens, sequence_length is {}", example->tokens.size(), most_tokens)});
      } else {
        examples.push_back(*std::move(example));
      }
    }
  }
  return examples;
}

}  // namespace jiang
