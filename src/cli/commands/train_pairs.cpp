// jiang train pairs: the model answers, a program scores, the best and the worst become a pair.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/file.h"
#include "base/json_value.h"
#include "base/threads.h"
#include "chat/chat.h"
#include "cli/commands/table.h"
#include "cli/interrupt.h"
#include "cli/loaded_model.h"
#include "cli/options.h"
#include "cli/output.h"
#include "sandbox/sandbox.h"
#include "train/pairs_recipe.h"

namespace jiang {
namespace {

// A folder with the scorer's files, which every box gets a copy of.
class ScorerFolder {
 public:
  static Result<ScorerFolder> make(const std::vector<std::string>& files) {
    std::string name = (std::filesystem::temp_directory_path() / "jiang-scorer-XXXXXX").string();
    if (!::mkdtemp(name.data())) return fail(ErrorKind::io, "{}: cannot be made", name);
    ScorerFolder folder;
    folder.path_ = name;
    for (const std::string& file : files) {
      TRY(const std::string bytes, read_file(file, size_t{16} << 20));
      TRY_STATUS(write_file(name + "/" + std::filesystem::path(file).filename().string(), bytes));
    }
    return folder;
  }
  ScorerFolder(ScorerFolder&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  ~ScorerFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  ScorerFolder() = default;
  std::string path_;
};

// The number that the scorer prints first. It reads {"prompt", "answer", "line"} from stdin.
Result<double> score(Sandbox& sandbox, const PairsRecipe& recipe, const std::string& folder,
                     const PairPrompt& prompt, const std::string& answer) {
  SandboxRequest request;
  request.command = recipe.scorer;
  request.input =
      to_string(Json{{"prompt", prompt.messages}, {"answer", answer}, {"line", prompt.line.value}});
  request.folder = folder;
  request.limits.wall_seconds = recipe.seconds;
  request.limits.cpu_seconds = recipe.seconds;
  request.limits.memory_bytes = uint64_t{1} << 30;
  request.limits.processes = 64;
  request.profile = SandboxRequest::Profile::compile;
  TRY(const SandboxResult result, sandbox.run(request));
  if (result.end != SandboxResult::End::exited || result.exit_code != 0) {
    return fail(ErrorKind::invalid_argument, "the scorer {}{}: {}", name_of(result.end),
                result.end == SandboxResult::End::exited
                    ? fmt::format(" with code {}", result.exit_code)
                    : "",
                result.err.substr(0, result.err.find('\n')));
  }
  char* end = nullptr;
  const double value = std::strtod(result.out.c_str(), &end);
  if (end == result.out.c_str() || !std::isfinite(value))
    return fail(ErrorKind::invalid_argument, "the scorer printed no number first");
  return value;
}

// The answers to one prompt, all at once: they share the prompt's state and the batch.
Result<std::vector<std::string>> sample(Engine& engine, const ChatModel& chat,
                                        const std::vector<TokenId>& prompt,
                                        const PairsRecipe& recipe, size_t index) {
  const auto n = static_cast<size_t>(recipe.samples);
  std::vector<std::optional<Result<Generation>>> made(n);
  Threads threads;
  for (size_t i = 0; i < n; ++i) {
    TRY_STATUS(threads.start([&, i] {
      GenerateOptions generation;
      generation.max_tokens = static_cast<int32_t>(recipe.max_tokens);
      generation.sampling.temperature = static_cast<float>(recipe.temperature);
      generation.sampling.top_p = static_cast<float>(recipe.top_p);
      generation.sampling.min_p = 0;
      generation.sampling.top_k = 0;
      generation.sampling.seed = recipe.seed + index * n + i;
      made[i] = generate(engine, chat, prompt, generation,
                         [](std::string_view) { return !interrupted(); });
    }));
  }
  threads.join();
  std::vector<std::string> texts;
  for (auto& result : made) {
    TRY(Generation answer, std::move(*result));
    texts.push_back(std::move(answer.text));
  }
  return texts;
}

Result<int> run_train_pairs(const std::vector<std::string>& arguments) {
  std::string path;
  ModelFlags flags;
  Options options("train pairs");
  options.positional(path, "RECIPE", Options::Need::required, "a TOML file; docs/training.md");
  flags.add_threads_to(options);
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  TRY(const PairsRecipe recipe, read_pairs_recipe(path));
  std::vector<BadLine> bad;
  TRY(const auto prompts, read_pair_prompts(recipe.prompt_files, bad));
  if (!bad.empty()) note(describe_bad_lines(bad));
  if (prompts.empty())
    return fail(ErrorKind::invalid_argument, "{}: data.prompts holds no prompt", path);
  TRY(const auto sandbox, Sandbox::open());
  TRY(const ScorerFolder folder, ScorerFolder::make(recipe.files));
  flags.model = recipe.model_path;
  TRY(LoadedModel model, load(flags, EngineOptions{}));
  TRY(const ChatModel chat, ChatModel::create(model.text));

  const InterruptScope scope;
  std::string lines;
  size_t n_pairs = 0, n_unscored = 0, n_done = 0;
  std::string first_failure;
  std::optional<ProgressLine> progress("sampling");
  for (const PairPrompt& prompt : prompts) {
    if (interrupted()) break;
    TRY(const auto ids, chat.prompt(prompt.messages, Json(), true, Json()));
    TRY(const auto texts, sample(*model.engine, chat, ids, recipe, n_done));
    std::vector<ScoredAnswer> answers;
    for (const std::string& text : texts) {
      if (interrupted()) break;
      const auto value = score(*sandbox, recipe, folder.path(), prompt, text);
      if (value) {
        answers.push_back({text, *value});
      } else if (n_unscored++ == 0) {
        first_failure =
            fmt::format("{}:{}: {}", prompt.line.file, prompt.line.line, value.error().message);
      }
    }
    if (interrupted()) break;
    const Json pair = best_and_worst(prompt.line.value["prompt"], answers, recipe.margin);
    if (!pair.is_null()) {
      lines += to_string(pair) + "\n";
      ++n_pairs;
    }
    progress->update_count(++n_done, prompts.size(), "prompts");
  }
  progress.reset();
  if (n_unscored > 0)
    note(fmt::format("{} answers could not be scored: {}", n_unscored, first_failure));
  TRY_STATUS(write_file(recipe.out, lines));
  if (interrupted()) {
    return fail(ErrorKind::cancelled, "stopped after {} of {} prompts; {} has {} pairs", n_done,
                prompts.size(), recipe.out, n_pairs);
  }
  TRY_STATUS(print(fmt::format("{}: {} pairs from {} prompts, {} answers each\n", recipe.out,
                               n_pairs, prompts.size(), recipe.samples)));
  return 0;
}

}  // namespace

const Command kTrainPairs = {
    .name = "train pairs",
    .usage = "usage: jiang train pairs RECIPE [OPTIONS]",
    .summary = "sample answers, score them with a program, write preference pairs",
    .examples =
        "  jiang train pairs recipes/pairs.toml\n"
        "  jiang train dpo recipes/dpo.toml",
    .run = run_train_pairs,
};

}  // namespace jiang
