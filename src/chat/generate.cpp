#include <span>

#include "chat/chat.h"
#include "chat/stop_strings.h"

namespace jiang {
namespace {

constexpr double kWaitSeconds = 0.05;

// Turns tokens into text for the reader, until a stop string or the reader ends it.
class TextOut {
 public:
  TextOut(const ChatModel& chat, StopStrings stops,
          const std::function<bool(std::string_view)>& on_text)
      : decoder_(chat.assets().tokenizer), stops_(std::move(stops)), on_text_(on_text) {}

  void continue_after(std::span<const TokenId> prompt) { decoder_.continue_after(prompt); }

  // False: no more is wanted.
  bool feed(TokenId id) { return show(stops_.feed(decoder_.feed(id))); }

  void finish() {
    if (!show(stops_.feed(decoder_.finish()))) return;
    show({stops_.finish(), false});
  }

  bool stopped() const { return stopped_; }
  std::string take_text() { return std::move(text_); }

 private:
  bool show(const StopStrings::Fed& fed) {
    stopped_ = stopped_ || fed.stopped;
    text_ += fed.text;
    const bool wanted = fed.text.empty() || !on_text_ || on_text_(fed.text);
    return wanted && !fed.stopped;
  }

  StreamDecoder decoder_;
  StopStrings stops_;
  const std::function<bool(std::string_view)>& on_text_;
  std::string text_;
  bool stopped_ = false;
};

// The next token, asking the caller now and then whether to go on. Nullopt: the stream has ended.
std::optional<TokenEvent> next_token(Stream& stream, const GenerateOptions& options) {
  if (!options.on_wait) return stream.next();
  while (true) {
    std::optional<TokenEvent> event = stream.next_within(kWaitSeconds);
    if (event || stream.finish()) return event;
    const auto [done, all] = stream.prefill_progress();
    if (!options.on_wait(done, all)) {
      stream.cancel();
      return stream.next();
    }
  }
}

}  // namespace

Result<Generation> generate(Engine& engine, const ChatModel& chat, std::vector<TokenId> prompt,
                            const GenerateOptions& options,
                            const std::function<bool(std::string_view)>& on_text) {
  TRY(StopStrings stops, StopStrings::create(options.stop));
  TextOut out(chat, std::move(stops), on_text);
  if (options.continues_text) out.continue_after(prompt);
  const std::span<const TokenId> ends = chat.tokenizer().end_ids();
  TRY(Stream stream, engine.submit({.prompt = std::move(prompt),
                                    .max_tokens = options.max_tokens,
                                    .sampling = options.sampling,
                                    .stop_ids = {ends.begin(), ends.end()},
                                    .constraint = options.constraint}));
  bool wanted = true;
  while (const auto event = next_token(stream, options)) {
    if (!wanted) continue;  // what was under way when we cancelled
    wanted = out.feed(event->id);
    if (!wanted) stream.cancel();
  }
  if (wanted) out.finish();
  Generation generation;
  generation.finish = stream.finish().value();
  // What ended the answer for its reader; the engine may have run ahead, or seen a cancel only.
  if (out.stopped()) {
    generation.finish.reason = FinishReason::stop;
  } else if (!wanted) {
    generation.finish.reason = FinishReason::cancelled;
  }
  generation.text = out.take_text();
  return generation;
}

}  // namespace jiang
