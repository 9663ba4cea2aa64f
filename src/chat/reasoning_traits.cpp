#include "chat/reasoning_traits.h"

#include <array>

#include "base/ascii.h"
#include "base/json_value.h"

namespace jiang {
namespace {

struct KnownMarkers {
  std::string_view open, close;
};
constexpr std::array<KnownMarkers, 5> kMarkers = {{{"<think>", "</think>"},
                                                   {"[THINK]", "[/THINK]"},
                                                   {"<|START_THINKING|>", "<|END_THINKING|>"},
                                                   {"<|inner_prefix|>", "<|inner_suffix|>"},
                                                   {"<seed:think>", "</seed:think>"}}};
constexpr std::array<std::string_view, 2> kSwitches = {"enable_thinking", "thinking"};

bool is_word(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// `name` as a whole word that is no member ("message.thinking") and no key ("['thinking']").
bool reads_variable(std::string_view source, std::string_view name) {
  for (size_t at = source.find(name); at != std::string_view::npos;
       at = source.find(name, at + 1)) {
    const char before = at > 0 ? source[at - 1] : ' ';
    const char after = at + name.size() < source.size() ? source[at + name.size()] : ' ';
    const auto joins = [](char c) { return is_word(c) || c == '.' || c == '\'' || c == '"'; };
    if (!joins(before) && !joins(after) && after != '>' && before != '<') return true;
  }
  return false;
}

}  // namespace

ReasoningTraits reasoning_traits(const TextAssets& assets) {
  ReasoningTraits traits;
  const std::string& source = assets.chat_template;
  for (const KnownMarkers& markers : kMarkers) {
    const bool in_template = contains(source, markers.close);
    // A distilled model may think with a template that does not say so.
    const bool in_vocabulary =
        assets.tokenizer->find(markers.open) && assets.tokenizer->find(markers.close);
    if (!in_template && !in_vocabulary) continue;
    traits.markers = {std::string(markers.open), std::string(markers.close)};
    break;
  }
  for (const std::string_view name : kSwitches) {
    if (traits.switch_name.empty() && reads_variable(source, name)) traits.switch_name = name;
  }
  return traits;
}

Status set_thinking(Json& extra, const ReasoningTraits& traits, std::optional<bool> thinking) {
  if (!thinking) return ok();
  if (traits.switch_name.empty()) {
    const bool already = *thinking != traits.markers.open.empty();
    if (already) return ok();
    return fail(ErrorKind::unsupported, "this model's chat template cannot switch thinking {}",
                *thinking ? "on" : "off");
  }
  if (extra.is_null()) extra = Json::object();
  if (extra.is_object() && !extra.contains(traits.switch_name))
    extra[traits.switch_name] = *thinking;
  return ok();
}

bool ends_in_reasoning(std::string_view prompt, const ReasoningMarkers& markers) {
  if (markers.open.empty()) return false;
  const size_t last = prompt.find_last_not_of(" \t\r\n");
  return last != std::string_view::npos && prompt.substr(0, last + 1).ends_with(markers.open);
}

}  // namespace jiang
