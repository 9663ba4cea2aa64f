#include <algorithm>
#include <array>

#include "base/json_value.h"
#include "base/unicode.h"
#include "chat/chat.h"

namespace jiang {
namespace {

constexpr size_t kMaxExtraBytes = size_t{256} << 10;
constexpr size_t kMaxExtraName = 64;
constexpr int64_t kStepsPerMessage = 10'000;

// `extra` adds variables of the template's own (enable_thinking, documents ...). It must not touch
// what the chat is made of, nor the special tokens, whose text is trusted.
Status check_extra(const Json& extra) {
  constexpr std::array<std::string_view, 10> kReserved = {
      "messages", "tools",     "add_generation_prompt", "range",       "dict", "cycler",
      "joiner",   "namespace", "raise_exception",       "strftime_now"};
  if (extra.is_null()) return ok();
  if (!extra.is_object()) {
    return fail(ErrorKind::invalid_argument, "the template's variables must be an object, not {}",
                extra.type_name());
  }
  for (const auto& [name, value] : extra.items()) {
    const bool is_name = !name.empty() && name.size() <= kMaxExtraName &&
                         (name[0] < '0' || name[0] > '9') &&
                         std::all_of(name.begin(), name.end(), [](char c) {
                           return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                                  (c >= 'A' && c <= 'Z');
                         });
    if (!is_name) {
      return fail(ErrorKind::invalid_argument, "\"{}\" is no name of a template's variable",
                  name.substr(0, kMaxExtraName));
    }
    if (std::count(kReserved.begin(), kReserved.end(), name) || name.ends_with("_token")) {
      return fail(ErrorKind::invalid_argument,
                  "the template's variable \"{}\" cannot be set from outside", name);
    }
  }
  const size_t bytes = to_string(extra).size();
  if (bytes > kMaxExtraBytes) {
    return fail(ErrorKind::too_large,
                "the template's variables take {} bytes, at most {} are allowed", bytes,
                kMaxExtraBytes);
  }
  return ok();
}

}  // namespace

Result<ChatModel> ChatModel::create(TextAssets assets) {
  JIANG_CHECK(assets.tokenizer != nullptr, "a chat model needs a tokenizer");
  ChatModel model;
  if (!assets.chat_template.empty()) {
    TRY(model.template_, ChatTemplate::parse(assets.chat_template));
    model.traits_ = probe(*model.template_, assets.bos_token, assets.eos_token);
  }
  model.assets_ = std::move(assets);
  return model;
}

Result<std::vector<PromptSegment>> ChatModel::render(const Json& messages, const Json& tools,
                                                     bool add_generation_prompt,
                                                     const Json& extra) const {
  if (!template_) {
    return fail(ErrorKind::unsupported,
                "this model has no chat template: it can only complete raw text (--raw)");
  }
  TRY_STATUS(check_extra(extra));
  const bool has_tools = !tools.is_null() && !tools.empty();
  if (has_tools && !tools.is_array()) {
    return fail(ErrorKind::invalid_argument, "tools must be a list, not {}", tools.type_name());
  }
  Json context = extra.is_null() ? Json::object() : extra;
  TRY(context["messages"], adapt_messages(messages, traits_));
  context["tools"] = has_tools ? tools : Json();
  if (!context.contains("documents")) context["documents"] = nullptr;
  context["add_generation_prompt"] = add_generation_prompt;
  context["bos_token"] = assets_.bos_token;
  context["eos_token"] = assets_.eos_token;
  // Some templates look back over the whole chat at each message.
  TemplateLimits limits;
  limits.max_steps += kStepsPerMessage * static_cast<int64_t>(messages.size());
  return template_->render(context, limits);
}

Result<std::vector<TokenId>> ChatModel::prompt(const Json& messages, const Json& tools,
                                               bool add_generation_prompt,
                                               const Json& extra) const {
  TRY(const auto segments, render(messages, tools, add_generation_prompt, extra));
  return encode(segments);
}

// One encode() of the whole text, so that tokens form across the borders of segments as they did
// in training.
std::vector<TokenId> ChatModel::encode(const std::vector<PromptSegment>& segments) const {
  std::string text;
  std::vector<TextRange> ranges;
  for (const PromptSegment& segment : segments) {
    const size_t begin = text.size();
    text += replace_invalid_utf8(segment.text);
    if (segment.from_template) ranges.push_back({begin, text.size()});
  }
  return assets_.tokenizer->encode(
      text, {.parse_specials = !ranges.empty(), .add_specials = false, .specials_within = ranges});
}

std::vector<TokenId> ChatModel::raw_prompt(std::string_view text) const {
  return assets_.tokenizer->encode(text, {.add_specials = true});
}

}  // namespace jiang
