#include "cli/answer.h"

#include <optional>

#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/sanitizer.h"

namespace jiang {

Result<Answer> stream_answer(Engine& engine, const ChatModel& chat, std::vector<TokenId> prompt,
                             const GenerateOptions& options) {
  const InterruptScope scope;
  const bool sanitize = stdout_is_terminal();
  TerminalSanitizer sanitizer;
  std::optional<Error> output_error;
  // A long prompt is not silence: its progress is shown until the first token comes.
  std::optional<ProgressLine> progress;
  GenerateOptions watched = options;
  watched.on_wait = [&](int32_t done, int32_t all) {
    if (!progress) progress.emplace("reading the prompt");
    if (done < all) {
      progress->update_count(static_cast<uint64_t>(done), static_cast<uint64_t>(all), "tokens");
    }
    return !interrupted();
  };
  const auto on_text = [&](std::string_view text) {
    progress.reset();
    const Status written = print(sanitize ? sanitizer.feed(text) : std::string(text));
    if (!written) output_error = written.error();
    return !output_error && !interrupted();
  };
  auto outcome = generate(engine, chat, std::move(prompt), watched, on_text);
  progress.reset();
  TRY(Generation generation, std::move(outcome));
  if (output_error) return *output_error;
  if (generation.finish.error && !interrupted()) return *generation.finish.error;
  return Answer{std::move(generation.text), std::move(generation.finish), interrupted()};
}

std::string describe_speed(const RequestStats& stats) {
  const auto rate = [](double count, double seconds) { return seconds > 0 ? count / seconds : 0; };
  const int32_t fresh = stats.prompt_tokens - stats.cached_tokens;
  // The first token comes out of the prefill.
  const int32_t decoded = stats.generated_tokens - 1;
  std::string text =
      fmt::format("prompt {} tokens ({} cached), {:.1f} tokens/s; ", stats.prompt_tokens,
                  stats.cached_tokens, rate(fresh, stats.prefill_seconds));
  text += fmt::format("answer {} tokens, {:.1f} tokens/s; first token after {:.3f} s",
                      stats.generated_tokens, rate(decoded, stats.decode_seconds),
                      stats.queue_seconds + stats.prefill_seconds);
  const GuessCount all = stats.guesses.total();
  if (all.guessed > 0) {
    text += fmt::format("; {} of {} guessed tokens were right", all.right, all.guessed);
    std::string parts;
    for (size_t i = 0; i < kGuessKindNames.size(); ++i) {
      const GuessCount& one = stats.guesses.of_kind[i];
      if (one.guessed == 0) continue;
      parts += fmt::format("{}{} {} of {}", parts.empty() ? "" : ", ", kGuessKindNames[i],
                           one.right, one.guessed);
    }
    text += " (" + parts + ")";
  }
  return text;
}

}  // namespace jiang
