#include "chat/answer_reader.h"

#include <algorithm>
#include <random>
#include <utility>

namespace jiang {
namespace {

// Nine letters and digits: Mistral's templates take no other ids.
std::string new_call_id() {
  constexpr std::string_view kCharacters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device device;
  std::string id;
  for (int i = 0; i < 9; ++i) id += kCharacters[device() % kCharacters.size()];
  return id;
}

}  // namespace

AnswerReader::AnswerReader(std::shared_ptr<const Tokenizer> tokenizer, StopStrings stops,
                           Options options)
    : tokenizer_(tokenizer),
      decoder_(std::move(tokenizer)),
      parser_(std::move(options.output)),
      stops_(std::move(stops)),
      markers_(std::move(options.markers)),
      wants_logprobs_(options.wants_logprobs) {}

void AnswerReader::continue_after(std::span<const TokenId> prompt) {
  decoder_.continue_after(prompt);
}

bool AnswerReader::feed(const TokenEvent& token, std::deque<ChatEvent>& out) {
  if (wants_logprobs_) {
    TokenTextLogprobs entry{token_text(token.id, token.logprob), {}};
    for (const TokenLogprob& top : token.top_logprobs)
      entry.top.push_back(token_text(top.id, top.logprob));
    logprobs_.push_back(std::move(entry));
  }
  std::string text = decoder_.feed(token.id);
  for (const auto& [marker, marker_text] : markers_) {
    if (marker == token.id) text += marker_text;
  }
  return show(parser_.feed(text), false, out);
}

void AnswerReader::finish(std::deque<ChatEvent>& out) {
  if (stop_string_) return;
  if (!show(parser_.feed(decoder_.finish()), false, out)) return;
  show(parser_.finish(), true, out);
}

bool AnswerReader::show(std::vector<OutputEvent> events, bool is_end, std::deque<ChatEvent>& out) {
  for (OutputEvent& event : events) {
    if (event.kind == OutputEvent::Kind::reasoning) {
      logprobs_.clear();  // those of content are told, as OpenAI does
      out.push_back(ReasoningDelta{std::move(event.text)});
      continue;
    }
    if (event.kind == OutputEvent::Kind::call_name) {
      push_text(stops_.finish(), out);
      out.push_back(ToolCallDelta{.index = n_calls_++, .id = new_call_id(), .name = event.text});
      continue;
    }
    if (event.kind == OutputEvent::Kind::call_arguments) {
      logprobs_.clear();
      out.push_back(ToolCallDelta{.index = n_calls_ - 1, .arguments = std::move(event.text)});
      continue;
    }
    StopStrings::Fed fed = stops_.feed(event.text);
    push_text(std::move(fed.text), out);
    if (!fed.stopped) continue;
    stop_string_ = std::move(fed.stop_string);
    return false;
  }
  if (is_end) {
    push_text(stops_.finish(), out);
    if (!logprobs_.empty()) out.push_back(TextDelta{"", std::exchange(logprobs_, {})});
  }
  return true;
}

void AnswerReader::push_text(std::string text, std::deque<ChatEvent>& out) {
  if (text.empty()) return;
  out.push_back(TextDelta{std::move(text), std::exchange(logprobs_, {})});
}

TokenText AnswerReader::token_text(TokenId id, float logprob) const {
  return {tokenizer_->token_bytes(id), logprob};
}

}  // namespace jiang
