// jiang run: one answer to a prompt, or a chat.
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/json_value.h"
#include "base/machine.h"
#include "chat/answer_grammar.h"
#include "cli/agent_session.h"
#include "cli/answer.h"
#include "cli/chat_session.h"
#include "cli/commands/table.h"
#include "cli/loaded_model.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/pulling.h"
#include "hub/model_ref.h"

namespace jiang {
namespace {

constexpr size_t kMaxPromptBytes = size_t{64} << 20;

struct RunFlags {
  ModelFlags model;
  ChatSettings chat;
  std::optional<std::string> prompt;
  std::optional<std::string> format;
};

// What --format asks for: "json", or a file with a schema.
Result<ResponseFormat> read_format(const std::string& format) {
  if (format == "json") return ResponseFormat{.kind = ResponseFormat::Kind::json_object};
  TRY(Json schema, parse_json_file(format));
  return ResponseFormat{.kind = ResponseFormat::Kind::json_schema, .schema = std::move(schema)};
}

// Holds the answer to the format from its first token on: stdout has nothing but JSON.
Result<std::shared_ptr<Constraint>> make_constraint(const ResponseFormat& format,
                                                    const ChatModel& chat, int32_t max_tokens) {
  AnswerGrammars grammars(chat, {}, plain_dialect());
  ChatRequest request;
  request.format = format;
  return grammars.constraint(request, {.is_raw = true, .max_tokens = max_tokens});
}

Result<std::vector<TokenId>> encode_prompt(const RunFlags& flags, const ChatModel& chat,
                                           const std::string& prompt) {
  if (flags.chat.raw || !chat.has_template()) {
    if (!flags.chat.raw) note(message(Phrase::chat_no_template));
    return chat.raw_prompt(flags.chat.system ? *flags.chat.system + "\n\n" + prompt : prompt);
  }
  Json messages = Json::array();
  if (flags.chat.system) messages.push_back({{"role", "system"}, {"content", *flags.chat.system}});
  for (const auto& [role, text] : flags.chat.first_messages) {
    messages.push_back({{"role", role}, {"content", text}});
  }
  messages.push_back({{"role", "user"}, {"content", prompt}});
  return chat.prompt(messages, Json(), true, Json::object());
}

Status check_agent_flags(const RunFlags& flags) {
  const char* unfit = flags.chat.raw                 ? "--raw"
                      : flags.chat.system            ? "--system"
                      : !flags.model.kv_type.empty() ? "--kv-type"
                      : !flags.model.draft.empty()   ? "--draft"
                                                     : nullptr;
  if (!unfit) return ok();
  return fail(ErrorKind::invalid_argument, "{} does not go with {}: an agent's file says how it is",
              unfit, flags.model.model);
}

Result<int> run_once(const RunFlags& flags, const ResponseFormat& format, LoadedModel& loaded,
                     const ChatModel& chat, const std::string& prompt) {
  TRY(GenerateOptions options, flags.chat.generation.apply(loaded.source->generation_config()));
  options.continues_text = flags.chat.raw || !chat.has_template();
  TRY(std::vector<TokenId> ids, encode_prompt(flags, chat, prompt));
  if (format.kind != ResponseFormat::Kind::text) {
    const int32_t room = loaded.engine->context() - static_cast<int32_t>(ids.size());
    const int32_t most = options.max_tokens < 0 ? room : std::min(options.max_tokens, room);
    TRY(options.constraint, make_constraint(format, chat, most));
  }
  const double ready = process_age_seconds();
  TRY(const Answer answer, stream_answer(*loaded.engine, chat, std::move(ids), options));
  if (answer.text.empty() || answer.text.back() != '\n') TRY_STATUS(print("\n"));
  if (flags.chat.verbose)
    note(fmt::format("ready after {:.2f} s; {}", ready, describe_speed(answer.finish.stats)));
  if (answer.interrupted) return Error{ErrorKind::cancelled, message(Phrase::interrupted)};
  return 0;
}

Result<int> run_model(const std::vector<std::string>& arguments) {
  RunFlags flags;
  std::vector<std::string> words;
  Options options("run");
  options.positional(flags.model.model, "MODEL", Options::Need::optional,
                     "a .gguf file, a Hugging Face folder, an installed name, or agent:NAME");
  options.rest(words, "PROMPT",
               "answer this and leave (text from a pipe follows it); without a prompt, chat");
  options.text(flags.prompt, "-p,--prompt", "TEXT",
               "the prompt, and all of it: standard input is not read");
  options.text(flags.chat.system, "-s,--system", "TEXT", "the system prompt");
  options.text(flags.format, "--format", "json|FILE",
               "the answer is a JSON object, or valid by the JSON Schema in FILE");
  options.flag(flags.chat.raw, "--raw", "no chat template: continue the prompt as it stands");
  flags.chat.generation.add_to(options);
  flags.model.add_to(options);
  flags.model.add_lora_to(options);
  flags.model.add_draft_to(options);
  flags.model.add_kv_type_to(options, EngineOptions().kv_type);
  options.flag(
      flags.chat.verbose, "--verbose",
      "tokens/s, time to first token, and from the start to reading the prompt, on stderr");
  bool no_lookup = false;
  options.flag(no_lookup, "--no-lookup", "never guess tokens from the text so far (same answer)");
  bool no_history = false;
  bool yes = false;
  options.flag(yes, "-y,--yes",
               "do not ask: fetch a model that is not installed, let an agent use the network");
  options.flag(no_history, "--nohistory", "do not keep what is typed in a chat");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  flags.chat.history = !no_history;

  if (flags.model.model.empty() && options.given("MODEL")) {
    return fail(ErrorKind::invalid_argument, "MODEL is empty; give a file, a folder or a name");
  }
  if (flags.model.model.empty()) flags.model.model = bundled_model().value_or("");
  if (flags.model.model.empty()) {
    return Error{ErrorKind::invalid_argument, message(Phrase::no_model)};
  }
  const auto agent = agent_named(flags.model.model);
  if (agent) TRY_STATUS(check_agent_flags(flags));
  // Before a prompt is waited for.
  if (!agent) {
    TRY(flags.model.model,
        find_or_pull(flags.model.model, yes ? Assent::given : Assent::ask, flags.model.threads));
  }
  // A caller that gives -p may well hold an open pipe as our stdin: waiting for its end could last
  // for ever.
  const bool reads_stdin = !flags.prompt && !stdin_is_terminal();
  for (const std::string& word : words) {
    flags.prompt = flags.prompt ? *flags.prompt + " " + word : word;
  }
  if (reads_stdin) {
    TRY(const std::string piped, read_stdin(kMaxPromptBytes));
    if (!piped.empty()) flags.prompt = flags.prompt ? *flags.prompt + "\n\n" + piped : piped;
  }
  const bool is_chat = !flags.prompt && !reads_stdin;
  if (!is_chat && (!flags.prompt || flags.prompt->empty())) {
    return fail(ErrorKind::invalid_argument, "the prompt is empty; give one with -p or a pipe");
  }
  if (agent) {
    return run_agent_session({.agent = *agent,
                              .prompt = is_chat ? std::nullopt : flags.prompt,
                              .generation = flags.chat.generation,
                              .threads = flags.model.threads,
                              .context = flags.model.context,
                              .allows_all = yes,
                              .verbose = flags.chat.verbose,
                              .keeps_history = flags.chat.history});
  }
  if (is_chat && flags.format) {
    return fail(ErrorKind::invalid_argument, "--format needs a prompt; give one with -p or a pipe");
  }
  ResponseFormat format;
  if (flags.format) {
    TRY(format, read_format(*flags.format));
  }
  EngineOptions engine_options;
  engine_options.max_sequences = 1;
  engine_options.lookup = !no_lookup;
  TRY(LoadedModel loaded, load(flags.model, engine_options));
  if (!flags.chat.system && !loaded.settings.system.empty()) {
    flags.chat.system = loaded.settings.system;
  }
  flags.chat.first_messages = loaded.settings.messages;
  TRY_STATUS(flags.chat.generation.set_defaults(loaded.settings.parameters));
  TRY(const ChatModel chat, ChatModel::create(loaded.text));
  if (is_chat) {
    ChatSession session(loaded, chat, flags.chat);
    TRY_STATUS(session.run());
    return 0;
  }
  return run_once(flags, format, loaded, chat, *flags.prompt);
}

}  // namespace

const Command kRun = {
    .name = "run",
    .usage = "usage: jiang run [MODEL [PROMPT]] [OPTIONS]",
    .summary = "chat with a model, or answer one prompt",
    .examples =
        "  jiang run model.gguf\n"
        "  jiang run model.gguf \"Why is the sky blue?\"\n"
        "  jiang run model.gguf -p \"Once upon a time\" --raw --temp 0 -n 200\n"
        "  cat notes.txt | jiang run model.gguf \"Summarise this:\"\n"
        "  jiang run agent:craftsman \"Sort three numbers in C\"\n"
        "  jiang run model.gguf --format person.schema.json -p \"Invent a person\"",
    .run = run_model,
};

}  // namespace jiang
