#include "cli/chat_session.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/file.h"
#include "base/json_value.h"
#include "base/suggest.h"
#include "cli/answer.h"
#include "cli/interrupt.h"
#include "cli/messages.h"
#include "cli/model_report.h"
#include "cli/output.h"
#include "cli/sanitizer.h"
#include "cli/saved_chat.h"
#include "cli/terminal.h"
#include "hub/model_ref.h"

namespace jiang {
namespace {

// "set parameter x" -> "set", "parameter x"
std::pair<std::string, std::string> split_word(const std::string& text) {
  const size_t space = text.find_first_of(" \t\n");
  if (space == std::string::npos) return {text, {}};
  return {text.substr(0, space), std::string(trim_ascii(std::string_view(text).substr(space)))};
}

Error unknown(const std::string& word, const std::vector<std::string>& known) {
  const auto near = suggest(word, known);
  return Error{ErrorKind::invalid_argument, near ? message(Phrase::chat_unknown_near, word, *near)
                                                 : message(Phrase::chat_unknown, word)};
}

}  // namespace

struct ChatSession::ChatCommand {
  const char* name;
  Status (*run)(ChatSession& session, const std::string& rest);
};

const ChatSession::ChatCommand ChatSession::kCommands[] = {
    {"/set", [](ChatSession& s, const std::string& rest) { return s.set(rest); }},
    {"/show", [](ChatSession& s, const std::string& rest) { return s.show(rest); }},
    {"/system", [](ChatSession& s, const std::string& rest) { return s.set_system(rest); }},
    {"/clear", [](ChatSession& s, const std::string&) { return s.clear(); }},
    {"/save", [](ChatSession& s, const std::string& rest) { return s.save(rest); }},
    {"/load", [](ChatSession& s, const std::string& rest) { return s.load_file(rest); }},
    {"/help",
     [](ChatSession&, const std::string&) {
       note_part(message(Phrase::chat_help));
       return ok();
     }},
    {"/bye", nullptr},
};

ChatSession::ChatSession(LoadedModel& loaded, const ChatModel& chat, ChatSettings settings)
    : loaded_(loaded),
      chat_(chat),
      settings_(std::move(settings)),
      history_(jiang_home() + "/history"),
      messages_(std::make_unique<Json>(Json::array())) {
  begin_messages();
  history_.set_persistent(settings_.history);
}

ChatSession::~ChatSession() = default;

void ChatSession::begin_messages() {
  *messages_ = Json::array();
  for (const auto& [role, text] : settings_.first_messages) {
    messages_->push_back({{"role", role}, {"content", text}});
  }
}

Status ChatSession::run() {
  const InterruptScope scope;
  std::optional<Terminal> terminal;
  if (terminal_can_edit()) terminal.emplace();
  if (is_raw() && !settings_.raw) note(message(Phrase::chat_no_template));
  note(message(Phrase::chat_hint, loaded_.engine->context(),
               loaded_.model->config().max_position_embeddings));
  const Prompts prompts;
  while (!must_leave()) {
    const Line line = terminal ? terminal->read_line(prompts, message(Phrase::chat_placeholder),
                                                     history_.entries())
                               : read_plain_line(prompts);
    if (must_leave()) break;
    if (line.outcome == LineOutcome::left) return ok();
    if (line.outcome == LineOutcome::interrupted) {
      if (line.text.empty()) note(message(Phrase::chat_leave_hint));
      continue;
    }
    history_.add(line.text);
    auto next = handle_line(line.text);
    if (!next) {
      if (next.error().kind == ErrorKind::io) return std::move(next).error();
      note(visible_line(next.error().message));
    } else if (*next == Next::leave) {
      return ok();
    }
    clear_interrupt();
  }
  return Error{ErrorKind::cancelled, message(Phrase::interrupted)};
}

Result<ChatSession::Next> ChatSession::handle_line(const std::string& text) {
  const std::string bare(trim_ascii(text));
  if (bare.empty()) return Next::go_on;
  if (bare[0] == '/' && bare.find('\n') == std::string::npos) return run_command(bare);
  TRY_STATUS(answer(unquote_multiline(text)));
  return Next::go_on;
}

Json ChatSession::messages_with_system() const {
  Json all = Json::array();
  if (settings_.system) all.push_back({{"role", "system"}, {"content", *settings_.system}});
  for (const Json& one : *messages_) all.push_back(one);
  return all;
}

Result<std::vector<TokenId>> ChatSession::next_prompt(const std::string& text) const {
  if (is_raw()) {
    const std::string start =
        transcript_.empty() && settings_.system ? *settings_.system + "\n\n" : "";
    return chat_.raw_prompt(start + transcript_ + text);
  }
  Json all = messages_with_system();
  all.push_back({{"role", "user"}, {"content", text}});
  return chat_.prompt(all, Json(), true, Json::object());
}

Status ChatSession::answer(const std::string& text) {
  TRY(GenerateOptions options, settings_.generation.apply(loaded_.source->generation_config()));
  TRY(std::vector<TokenId> prompt, next_prompt(text));
  options.continues_text = is_raw();
  const int32_t context = loaded_.engine->context();
  if (static_cast<int64_t>(prompt.size()) >= context) {
    return Error{ErrorKind::too_large, message(Phrase::context_full, context)};
  }
  TRY(const Answer answer, stream_answer(*loaded_.engine, chat_, std::move(prompt), options));
  TRY_STATUS(print("\n"));
  if (is_raw()) {
    transcript_ += text + answer.text;
  } else {
    messages_->push_back({{"role", "user"}, {"content", text}});
    messages_->push_back({{"role", "assistant"}, {"content", answer.text}});
  }
  const RequestStats& stats = answer.finish.stats;
  if (answer.finish.reason == FinishReason::length &&
      stats.prompt_tokens + stats.generated_tokens >= context) {
    note(message(Phrase::context_full, context));
  }
  if (settings_.verbose) note(describe_speed(stats));
  return ok();
}

Result<ChatSession::Next> ChatSession::run_command(const std::string& line) {
  auto [name, rest] = split_word(line);
  if (name == "/?") name = "/help";
  if (name == "/exit" || name == "/quit") name = "/bye";
  std::vector<std::string> names;
  for (const ChatCommand& command : kCommands) {
    names.emplace_back(command.name);
    if (name != command.name) continue;
    if (!command.run) return Next::leave;
    auto status = command.run(*this, rest);
    // What went wrong with a file is for the person, not the end of the chat.
    if (!status) note(visible_line(status.error().message));
    return Next::go_on;
  }
  note(unknown(name, names).message);
  return Next::go_on;
}

Status ChatSession::set(const std::string& rest) {
  const auto [what, value] = split_word(rest);
  if (what == "parameter") {
    const auto [name, number] = split_word(value);
    if (name.empty() || number.empty()) {
      return fail(ErrorKind::invalid_argument,
                  "/set parameter NAME VALUE; /show parameters lists them");
    }
    return settings_.generation.set(name, number);
  }
  if (what == "system") return set_system(value);
  if (what == "verbose" || what == "quiet") {
    settings_.verbose = what == "verbose";
    return ok();
  }
  if (what == "history" || what == "nohistory") {
    history_.set_persistent(what == "history");
    return ok();
  }
  const std::vector<std::string> parameters = GenerationFlags::parameter_names();
  if (std::find(parameters.begin(), parameters.end(), what) != parameters.end()) {
    return settings_.generation.set(what, value);
  }
  return unknown("/set " + what, {"/set parameter", "/set system", "/set verbose", "/set quiet",
                                  "/set history", "/set nohistory"});
}

Status ChatSession::set_system(const std::string& rest) {
  const std::string text = unquote_multiline(rest);
  if (text.empty()) {
    settings_.system.reset();
  } else {
    settings_.system = text;
  }
  return ok();
}

Status ChatSession::show(const std::string& rest) const {
  const std::string what = rest.empty() ? "info" : rest;
  if (what == "info" || what == "model") {
    TRY(const Json report, describe_model(*loaded_.source, {}));
    note_part(model_report_text(report));
  } else if (what == "parameters") {
    TRY(const GenerateOptions now, settings_.generation.apply(loaded_.source->generation_config()));
    note_part(settings_.generation.describe(now));
  } else if (what == "system") {
    note(settings_.system.value_or(""));
  } else if (what == "template") {
    note(TerminalSanitizer().feed(chat_.assets().chat_template));
  } else {
    return unknown("/show " + what,
                   {"/show info", "/show parameters", "/show system", "/show template"});
  }
  return ok();
}

Status ChatSession::clear() {
  begin_messages();
  transcript_.clear();
  note(message(Phrase::chat_cleared));
  return ok();
}

Status ChatSession::save(const std::string& path) const {
  if (path.empty()) return fail(ErrorKind::invalid_argument, "/save FILE: the name is missing");
  const SavedChat chat = {.model = loaded_.path,
                          .system = settings_.system,
                          .messages = *messages_,
                          .text = transcript_};
  TRY_STATUS(write_file(path, to_string(to_json(chat), 2) + "\n"));
  note(message(Phrase::chat_saved, messages_->size(), path));
  return ok();
}

Status ChatSession::load_file(const std::string& path) {
  if (path.empty()) return fail(ErrorKind::invalid_argument, "/load FILE: the name is missing");
  TRY(const Json file, parse_json_file(path));
  TRY(SavedChat chat, read_saved_chat(file, path));
  *messages_ = std::move(chat.messages);
  settings_.system = std::move(chat.system);
  transcript_ = std::move(chat.text);
  note(message(Phrase::chat_loaded, messages_->size(), path));
  if (chat.others > 0) note(message(Phrase::chat_others_left, chat.others));
  return ok();
}

}  // namespace jiang
