#include "cli/agent_session.h"

#include <memory>

#include "agent/abilities.h"
#include "agent/agent_folder.h"
#include "agent/agent_stream.h"
#include "base/json_value.h"
#include "base/suggest.h"
#include "cli/answer.h"
#include "cli/history.h"
#include "cli/interrupt.h"
#include "cli/messages.h"
#include "cli/output.h"
#include "cli/sanitizer.h"
#include "cli/terminal.h"
#include "hub/model_ref.h"
#include "runtime/model_manager.h"
#include "runtime/remote_source.h"
#include "server/answer_request.h"
#include "server/small_model.h"

namespace jiang {
namespace {

constexpr std::string_view kPrefix = "agent:";

// All that an agent needs, for as long as the command runs. Destroyed bottom up.
struct Workshop {
  std::unique_ptr<AgentFolder> folder;
  AgentSpec agent;
  std::unique_ptr<Sandbox> sandbox;
  AgentHost host;
  std::unique_ptr<ModelManager> models;
  ModelLease lease;
};

Result<AgentSpec> find_agent(AgentFolder& folder, const std::string& name) {
  if (const auto agent = folder.find(name)) return *agent;
  for (const AgentProblem& problem : folder.problems()) {
    if (problem.file == name + ".toml") {
      return fail(ErrorKind::bad_file, "{}:{}: {}", problem.file, problem.line, problem.message);
    }
  }
  std::vector<std::string> names;
  for (const AgentSpec& agent : folder.agents()) {
    names.push_back(agent.id);
    names.push_back(agent.name);
  }
  const auto near = suggest(name, names);
  return fail(ErrorKind::not_found, "there is no agent '{}'{}", name,
              near ? "; did you mean '" + *near + "'?"
                   : "; agents are files in " + jiang_home() + "/agents");
}

Result<std::unique_ptr<Workshop>> open_workshop(const AgentSessionFlags& flags) {
  auto shop = std::make_unique<Workshop>();
  TRY(shop->folder, AgentFolder::open(jiang_home() + "/agents"));
  TRY(shop->agent, find_agent(*shop->folder, flags.agent));
  if (shop->agent.code) {
    auto sandbox = Sandbox::open();
    if (sandbox) {
      shop->sandbox = *std::move(sandbox);
      shop->host.sandbox = shop->sandbox.get();
    } else {
      shop->host.no_sandbox = sandbox.error().message;
      note("programs are not run: " + visible_line(sandbox.error().message));
    }
  }
  if (shop->agent.web) {
    TRY(shop->host.search, read_search_config(jiang_home()));
  }
  ModelManagerOptions options;
  options.threads = flags.threads;
  options.engine.context = flags.context;
  options.engine.max_sequences = 1;
  options.keep_alive = std::chrono::seconds(-1);
  TRY(shop->models, ModelManager::create(std::move(options)));
  TRY(auto remote, read_remote_source(jiang_home()));
  shop->models->add_source(std::move(remote));
  const std::string model =
      shop->agent.model.empty() ? shop->models->default_model() : shop->agent.model;
  if (model.empty()) return Error{ErrorKind::invalid_argument, message(Phrase::no_model)};
  TRY(shop->lease, shop->models->acquire(model));
  return shop;
}

// Flags over the agent's parameters.
Status add_flags(const GenerationFlags& flags, ChatRequest& request) {
  const auto take = [](auto& mine, const auto& given) {
    if (given) mine = *given;
  };
  take(request.max_tokens, flags.max_tokens);
  take(request.sampling.temperature, flags.temp);
  take(request.sampling.top_k, flags.top_k);
  take(request.sampling.top_p, flags.top_p);
  take(request.sampling.min_p, flags.min_p);
  take(request.sampling.repeat_penalty, flags.repeat_penalty);
  take(request.sampling.presence_penalty, flags.presence_penalty);
  take(request.sampling.frequency_penalty, flags.frequency_penalty);
  if (flags.seed) request.sampling.seed = *flags.seed;
  if (!flags.stop.empty()) request.stop = flags.stop;
  return ok();
}

class AgentSession {
 public:
  AgentSession(Workshop& shop, const AgentSessionFlags& flags) : shop_(shop), flags_(flags) {
    forget();
  }

  Result<int> answer_once(const std::string& prompt) {
    TRY(const bool whole, answer(prompt));
    if (!whole) return Error{ErrorKind::cancelled, message(Phrase::interrupted)};
    return 0;
  }

  Result<int> chat() {
    const InterruptScope scope;
    History history(jiang_home() + "/history");
    history.set_persistent(flags_.keeps_history);
    if (terminal_can_edit()) terminal_ = std::make_unique<Terminal>();
    if (!shop_.agent.opening.empty()) note(TerminalSanitizer().feed(shop_.agent.opening));
    for (const std::string& question : shop_.agent.questions) note("  " + visible_line(question));
    const Prompts prompts;
    while (!must_leave()) {
      const Line line = read(prompts, message(Phrase::chat_placeholder), history.entries());
      if (must_leave()) break;
      if (line.outcome == LineOutcome::left) return 0;
      if (line.outcome == LineOutcome::interrupted) {
        if (line.text.empty()) note(message(Phrase::chat_leave_hint));
        continue;
      }
      if (line.text.find_first_not_of(" \t\n") == std::string::npos) continue;
      history.add(line.text);
      if (line.text == "/bye" || line.text == "/exit" || line.text == "/quit") return 0;
      if (line.text == "/clear") {
        forget();
        note(message(Phrase::chat_cleared));
        continue;
      }
      if (line.text[0] == '/' && line.text.find_first_of(" \n") == std::string::npos) {
        note("/clear, /bye");
        continue;
      }
      const auto answered = answer(unquote_multiline(line.text));
      if (!answered && answered.error().kind == ErrorKind::io) return answered.error();
      if (!answered) note(visible_line(answered.error().message));
      clear_interrupt();
    }
    return Error{ErrorKind::cancelled, message(Phrase::interrupted)};
  }

 private:
  Line read(const Prompts& prompts, const std::string& placeholder,
            const std::vector<std::string>& history) {
    return terminal_ ? terminal_->read_line(prompts, placeholder, history)
                     : read_plain_line(prompts);
  }

  void forget() {
    messages_ = Json::array();
    if (!shop_.agent.instructions.empty()) {
      messages_.push_back({{"role", "system"}, {"content", shop_.agent.instructions}});
    }
  }

  // False: the person stopped it.
  Result<bool> answer(const std::string& prompt) {
    AgentRequest request;
    TRY_STATUS(apply_settings(shop_.agent.parameters, request.chat));
    TRY_STATUS(add_flags(flags_.generation, request.chat));
    request.chat.messages = messages_;
    request.chat.messages.push_back({{"role", "user"}, {"content", prompt}});
    request.has_untrusted_text = has_untrusted_text_;
    add_abilities(shop_.agent, shop_.host, agent_model(*shop_.models, *shop_.lease), request);
    request.allowed = allowed_;
    if (flags_.allows_all) allow_all(request);
    // Without a terminal at both ends there is nobody to ask.
    const bool can_ask = stdin_is_terminal() && stderr_is_terminal();
    TRY(const auto stream,
        AgentStream::start(shop_.lease->backend(), std::move(request),
                           can_ask ? AgentStream::Asking::yes : AgentStream::Asking::no));
    const InterruptScope scope;
    TRY(const std::string text, show(*stream));
    messages_.push_back({{"role", "user"}, {"content", prompt}});
    messages_.push_back({{"role", "assistant"}, {"content", text}});
    return !interrupted();
  }

  Result<std::string> show(AgentStream& stream) {
    std::string text;
    TerminalSanitizer sanitizer;
    bool is_thinking = false;
    while (true) {
      if (interrupted()) stream.cancel();
      auto event = stream.next_within(0.1);
      if (!event) continue;
      if (const auto* delta = std::get_if<TextDelta>(&*event)) {
        if (is_thinking) note("");
        is_thinking = false;
        text += delta->text;
        TRY_STATUS(print(stdout_is_terminal() ? sanitizer.feed(delta->text) : delta->text));
      } else if (const auto* thought = std::get_if<ReasoningDelta>(&*event)) {
        is_thinking = true;
        note_part(sanitizer.feed(thought->text));
      } else if (const auto* part = std::get_if<PartEvent>(&*event)) {
        show_part(stream, part->part);
      } else if (const auto* finish = std::get_if<ChatFinish>(&*event)) {
        if (finish->error) return *finish->error;
        if (text.empty() || text.back() != '\n') TRY_STATUS(print("\n"));
        if (flags_.verbose) note(describe_speed(finish->stats));
        return text;
      }
    }
  }

  void show_part(AgentStream& stream, const Json& part) {
    const std::string type = part.value("type", "");
    const auto lines = [&](const char* key) {
      const std::string text = TerminalSanitizer().feed(part.value(key, ""));
      if (!text.empty()) note_part(text.back() == '\n' ? text : text + "\n");
    };
    if (type == "tool_call") {
      note("\n[" + visible_line(part.value("name", "")) + "]");
    } else if (type == "code") {
      lines("code");
    } else if (type == "execution") {
      note("[" + describe_end(part) + "]");
      lines("diagnostics");
      lines("out");
      lines("err");
      lines("hint");
    } else if (type == "sources") {
      has_untrusted_text_ = true;
      for (const Json& item : part["items"]) {
        note(fmt::format("[{}] {} {}", item.value("n", 0), visible_line(item.value("title", "")),
                         visible_line(item.value("url", ""))));
      }
    } else if (type == "tool_result" && part.value("ok", true) == false) {
      lines("output");
    } else if (type == "approval" && part["answer"].is_null()) {
      ask(stream, part);
    }
  }

  static std::string describe_end(const Json& part) {
    if (part["exit_code"].is_number()) {
      return fmt::format("exit code {}", part["exit_code"].get<int>());
    }
    if (part.contains("signal")) return fmt::format("signal {}", part["signal"].get<int>());
    const std::string end = part.value("end", "");
    return end.empty() ? "compiled" : end;
  }

  void ask(AgentStream& stream, const Json& part) {
    const std::string tool = part.value("name", "");
    note(fmt::format("the agent wants to use {}: {}", visible_line(tool),
                     visible_line(part.value("arguments", ""))));
    const Line line = read({.first = "allow? once, always, no: ", .next = "... "}, "", {});
    Approval answer = Approval::deny;
    if (line.outcome == LineOutcome::submitted) {
      const char first = line.text.empty() ? 'n' : line.text[0];
      if (first == 'o' || first == 'y') answer = Approval::once;
      if (first == 'a') answer = Approval::always;
    }
    if (answer == Approval::always) allowed_.insert(tool);
    stream.approve(part.value("id", ""), answer);
  }

  Workshop& shop_;
  const AgentSessionFlags& flags_;
  std::unique_ptr<Terminal> terminal_;
  Json messages_;
  // As in the page: programs run unasked, in the box; what leaves the machine is asked about.
  std::set<std::string> allowed_ = {"run_c", "run_python"};
  bool has_untrusted_text_ = false;
};

}  // namespace

std::optional<std::string> agent_named(const std::string& model) {
  if (model.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  return model.substr(kPrefix.size());
}

Result<int> run_agent_session(const AgentSessionFlags& flags) {
  TRY(const auto shop, open_workshop(flags));
  AgentSession session(*shop, flags);
  return flags.prompt ? session.answer_once(*flags.prompt) : session.chat();
}

}  // namespace jiang
