// ChatSession: the conversation of `jiang run` without a prompt, and its /commands.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "chat/chat.h"
#include "cli/generation_flags.h"
#include "cli/history.h"
#include "cli/loaded_model.h"

namespace jiang {

struct ChatSettings {
  GenerationFlags generation;
  std::optional<std::string> system;
  // role, text: what a model made by `jiang create` begins with.
  std::vector<std::pair<std::string, std::string>> first_messages;
  bool raw = false;
  bool verbose = false;
  bool history = true;
};

class ChatSession {
 public:
  ChatSession(LoadedModel& loaded, const ChatModel& chat, ChatSettings settings);
  ~ChatSession();

  // Reads and answers until /bye or the end of the input. An error here ends the program (stdout
  // went away); all others are told and the chat goes on.
  Status run();

 private:
  enum class Next { go_on, leave };
  struct ChatCommand;
  static const ChatCommand kCommands[];

  Result<Next> handle_line(const std::string& text);
  Status answer(const std::string& text);
  Result<std::vector<TokenId>> next_prompt(const std::string& text) const;
  bool is_raw() const { return settings_.raw || !chat_.has_template(); }
  Json messages_with_system() const;

  // Each gets what follows its name.
  Result<Next> run_command(const std::string& line);
  Status set(const std::string& rest);
  Status show(const std::string& rest) const;
  Status set_system(const std::string& rest);
  Status save(const std::string& rest) const;
  Status load_file(const std::string& rest);
  Status clear();
  void begin_messages();

  LoadedModel& loaded_;
  const ChatModel& chat_;
  ChatSettings settings_;
  History history_;
  // An array of {role, content}; the system prompt is not in it.
  std::unique_ptr<Json> messages_;
  std::string transcript_;  // of a raw chat: all text so far
};

}  // namespace jiang
