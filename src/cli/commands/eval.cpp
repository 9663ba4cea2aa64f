// jiang eval: asks a model the held-out questions of a recipe, compiles and runs the programs of
// its answers in the sandbox, and prints the figures of the model card.
#include <algorithm>
#include <atomic>
#include <mutex>

#include "agent/loop.h"
#include "base/file.h"
#include "base/json_value.h"
#include "base/suggest.h"
#include "base/threads.h"
#include "base/toml.h"
#include "chat/chat.h"
#include "chat/local_backend.h"
#include "cli/commands/table.h"
#include "cli/interrupt.h"
#include "cli/loaded_model.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/output.h"
#include "judge/judge.h"

namespace jiang {
namespace {

struct EvalRecipe {
  std::string model;
  std::string questions;
  std::string system;  // "": none
  int32_t max_tokens = 1200;
  int32_t parallel = 8;
  int32_t repairs = 0;  // times that a program which does not compile is given back
  SamplingParams sampling = {.temperature = 0, .seed = 1};
};

std::string beside(const std::string& recipe, const std::string& path) {
  const size_t slash = recipe.rfind('/');
  return path.starts_with('/') || slash == std::string::npos ? path
                                                             : recipe.substr(0, slash + 1) + path;
}

Result<EvalRecipe> read_eval_recipe(const std::string& path) {
  TRY(const TomlDocument document, parse_toml_file(path));
  const Json* table = find_member(document.value, "eval");
  if (!table || !table->is_object() || document.value.size() != 1) {
    return fail(ErrorKind::invalid_argument, "{}: it must have the table [eval] and no other",
                path);
  }
  static const std::vector<std::string> kKeys = {"model",    "questions",   "system", "max_tokens",
                                                 "parallel", "temperature", "seed"};
  for (const auto& [key, value] : table->items()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      return fail(ErrorKind::invalid_argument, "{}:{}: eval.{} is not known", path,
                  document.line("/eval/" + key), key);
    }
  }
  EvalRecipe recipe;
  TRY(recipe.model, get_string_or(*table, "model", "", path));
  // A name of an installed model, or a path from the recipe's folder.
  if (recipe.model.find('/') != std::string::npos) recipe.model = beside(path, recipe.model);
  TRY(const std::string questions, get_string(*table, "questions", path));
  recipe.questions = beside(path, questions);
  TRY(recipe.system, get_string_or(*table, "system", "", path));
  TRY(const int64_t max_tokens, get_int_or(*table, "max_tokens", recipe.max_tokens, path));
  TRY(const int64_t parallel, get_int_or(*table, "parallel", recipe.parallel, path));
  TRY(const double temperature, get_number_or(*table, "temperature", 0, path));
  TRY(const int64_t seed, get_int_or(*table, "seed", 1, path));
  const auto in_range = [&](const char* key, double value, double low, double high) -> Status {
    if (value >= low && value <= high) return ok();
    return fail(ErrorKind::invalid_argument, "{}:{}: eval.{} must be from {} to {}", path,
                document.line(std::string("/eval/") + key), key, low, high);
  };
  TRY_STATUS(in_range("max_tokens", static_cast<double>(max_tokens), 1, 1 << 20));
  TRY_STATUS(in_range("parallel", static_cast<double>(parallel), 1, 64));
  TRY_STATUS(in_range("temperature", temperature, 0, 5));
  TRY_STATUS(in_range("seed", static_cast<double>(seed), 0, 1e15));
  recipe.max_tokens = static_cast<int32_t>(max_tokens);
  recipe.parallel = static_cast<int32_t>(parallel);
  recipe.sampling.temperature = static_cast<float>(temperature);
  recipe.sampling.seed = static_cast<uint64_t>(seed);
  return recipe;
}

struct Asked {
  std::string answer;
  Verdict verdict;
  // With repairs: the model's last words, and what they are worth.
  std::string mended;
  Verdict mended_verdict;
};

// The agent's self-mending turn, as the page has it: the first turn is the answer that was measured
// without it, the last is what the agent ends with.
Result<Asked> ask_with_repairs(const JudgeQuestion& question, const EvalRecipe& recipe,
                               Json messages, ChatBackend& backend, Sandbox& sandbox) {
  AgentRequest request;
  request.chat.messages = std::move(messages);
  request.chat.sampling = recipe.sampling;
  request.chat.max_tokens = recipe.max_tokens;
  request.budget.repairs = recipe.repairs;
  request.budget.steps = recipe.repairs + 1;
  request.budget.tokens = recipe.max_tokens * (recipe.repairs + 1);
  request.context.sandbox = &sandbox;
  request.verifies_code = true;
  request.locale = question.language == "zh" ? Locale::chinese : Locale::english;
  Asked asked;
  bool is_first = true;
  AgentEvents events;
  std::atomic<bool> stop = false;
  events.on_text = [&](const TextDelta& delta) {
    if (is_first) asked.answer += delta.text;
    stop = interrupted();
  };
  events.on_part = [&](const Json&) { is_first = false; };
  TRY(const AgentOutcome outcome, run_agent(backend, std::move(request), events, stop));
  if (outcome.finish.error) return *outcome.finish.error;
  asked.mended = outcome.last_turn;
  // Without a run nothing was added to the first turn but, perhaps, a word of the budget's.
  if (outcome.steps == 1) asked.answer = outcome.last_turn;
  TRY(asked.verdict, judge(question, asked.answer, sandbox));
  TRY(asked.mended_verdict, judge(question, asked.mended, sandbox));
  return asked;
}

Result<Asked> ask(const JudgeQuestion& question, const EvalRecipe& recipe, Engine& engine,
                  const ChatModel& chat, ChatBackend& backend, Sandbox& sandbox) {
  Json messages = Json::array();
  if (!recipe.system.empty()) {
    messages.push_back({{"role", "system"}, {"content", recipe.system}});
  }
  messages.push_back({{"role", "user"}, {"content", question.text}});
  if (recipe.repairs > 0) {
    return ask_with_repairs(question, recipe, std::move(messages), backend, sandbox);
  }
  TRY(auto prompt, chat.prompt(messages, nullptr, true, nullptr));
  TRY(Generation generation,
      generate(engine, chat, std::move(prompt),
               {.max_tokens = recipe.max_tokens, .sampling = recipe.sampling},
               [](std::string_view) { return !interrupted(); }));
  if (generation.finish.error) return *generation.finish.error;
  Asked asked;
  asked.answer = std::move(generation.text);
  TRY(asked.verdict, judge(question, asked.answer, sandbox));
  return asked;
}

// All questions, `parallel` at a time: the engine batches them. The first error ends the run.
Result<std::vector<Asked>> ask_all(const std::vector<JudgeQuestion>& questions,
                                   const EvalRecipe& recipe, Engine& engine, const ChatModel& chat,
                                   Sandbox& sandbox) {
  const auto backend = make_local_backend(chat, engine);
  std::vector<Asked> all(questions.size());
  std::atomic<size_t> next = 0;
  std::mutex mutex;  // guards the three below
  std::optional<Error> error;
  size_t done = 0;
  ProgressLine progress("asking");
  const auto work = [&] {
    for (size_t i = next++; i < questions.size(); i = next++) {
      if (interrupted()) return;
      auto asked = ask(questions[i], recipe, engine, chat, *backend, sandbox);
      const std::lock_guard lock(mutex);
      if (!asked) {
        if (!error) error = asked.error();
        next = questions.size();
        return;
      }
      all[i] = *std::move(asked);
      progress.update_count(++done, questions.size(), "questions");
    }
  };
  Threads threads;
  const auto wanted = std::min<size_t>(static_cast<size_t>(recipe.parallel), questions.size());
  for (size_t i = 0; i < wanted; ++i) {
    auto started = threads.start(work);
    if (!started && i == 0) return std::move(started).error();
    if (!started) break;  // fewer answer the same questions
  }
  threads.join();
  if (interrupted()) return Error{ErrorKind::cancelled, message(Phrase::interrupted)};
  if (error) return *std::move(error);
  return all;
}

std::string answers_as_lines(const std::vector<JudgeQuestion>& questions,
                             const std::vector<Asked>& asked) {
  std::string lines;
  for (size_t i = 0; i < asked.size(); ++i) {
    const Verdict& v = asked[i].verdict;
    Json line = {{"id", questions[i].id},         {"topic", questions[i].topic},
                 {"question", questions[i].text}, {"answer", asked[i].answer},
                 {"compiles", v.compiles},        {"behaves", v.behaves},
                 {"points", v.has_points},        {"language", v.right_language},
                 {"refuses", v.refuses},          {"reason", v.reason}};
    if (!asked[i].mended.empty()) {
      line["mended"] = asked[i].mended;
      line["mended_compiles"] = asked[i].mended_verdict.compiles;
      line["mended_behaves"] = asked[i].mended_verdict.behaves;
    }
    lines += to_string(line) + "\n";
  }
  return lines;
}

Result<int> run_eval(const std::vector<std::string>& arguments) {
  ModelFlags flags;
  std::string recipe_path;
  std::optional<std::string> answers;
  int32_t limit = 0;
  int32_t repairs = 0;
  bool as_json = false;
  Options options("eval");
  options.positional(recipe_path, "RECIPE", Options::Need::required,
                     "a TOML file with the table [eval]");
  options.positional(flags.model, "MODEL", Options::Need::optional,
                     "the model to ask, instead of the recipe's");
  options.text(answers, "--answers", "FILE", "every answer and its verdict, a JSON line each");
  options.number(limit, "--limit", Range<int32_t>{0, 1 << 30},
                 "every k-th question, so that about N remain; 0: all");
  options.number(repairs, "--repairs", Range<int32_t>{0, 10},
                 "give a program that does not compile back so often; prints both figures");
  options.flag(as_json, "--json", "the figures as JSON");
  flags.add_threads_to(options);
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;

  TRY(EvalRecipe recipe, read_eval_recipe(recipe_path));
  recipe.repairs = repairs;
  if (flags.model.empty()) flags.model = recipe.model;
  if (flags.model.empty()) {
    return fail(ErrorKind::invalid_argument, "{}: eval.model is missing, and no MODEL was given",
                recipe_path);
  }
  TRY(std::vector<JudgeQuestion> questions, read_questions(recipe.questions));
  if (limit > 0 && static_cast<size_t>(limit) < questions.size()) {
    const size_t step = questions.size() / static_cast<size_t>(limit);
    std::vector<JudgeQuestion> some;
    for (size_t i = 0; i < questions.size(); i += step) some.push_back(std::move(questions[i]));
    questions = std::move(some);
  }
  // First: without a box nothing can be said, so nothing is asked.
  TRY(const auto sandbox, Sandbox::open());
  TRY(LoadedModel loaded, load(flags, {.max_sequences = recipe.parallel}));
  TRY(const ChatModel chat, ChatModel::create(std::move(loaded.text)));
  if (!chat.has_template()) {
    return fail(ErrorKind::unsupported, "{} has no chat template: it cannot be asked", loaded.path);
  }
  const InterruptScope scope;
  TRY(const auto asked, ask_all(questions, recipe, *loaded.engine, chat, *sandbox));
  Figures figures;
  Figures mended;
  for (size_t i = 0; i < asked.size(); ++i) {
    figures.add(questions[i], asked[i].verdict);
    if (repairs > 0) mended.add(questions[i], asked[i].mended_verdict);
  }
  if (answers) TRY_STATUS(write_file(*answers, answers_as_lines(questions, asked)));
  if (as_json) {
    Json report = to_json(figures);
    report["model"] = loaded.path;
    report["questions"] = questions.size();
    if (repairs > 0) report["with_repairs"] = to_json(mended);
    TRY_STATUS(print(to_string(report, 2) + "\n"));
  } else {
    TRY_STATUS(print(to_table(figures)));
    if (repairs > 0) {
      TRY_STATUS(print(fmt::format("\nwith up to {} repairs:\n", repairs) + to_table(mended)));
    }
  }
  return 0;
}

}  // namespace

const Command kEval = {
    .name = "eval",
    .usage = "usage: jiang eval RECIPE [MODEL] [OPTIONS]",
    .summary = "asks the held-out questions, compiles and runs the answers, prints the figures",
    .examples =
        "  jiang eval recipes/eval-craftsman.toml\n"
        "  jiang eval recipes/eval-craftsman.toml sft.gguf --answers answers.jsonl --limit 50\n"
        "  jiang eval recipes/eval-craftsman.toml --repairs 2     # what the self-mending turn "
        "adds",
    .run = run_eval,
};

}  // namespace jiang
