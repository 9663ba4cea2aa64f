// Text for people, in English and Chinese (chosen by LC_ALL, LC_MESSAGES, LANG). Only what people
// meet often is here; the libraries' sentences are English. Placeholders are {} in order.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/command.h"

namespace jiang {

enum class Language { english, chinese };
Language ui_language();

enum class Phrase {
  tagline,
  usage,
  commands,
  more_help,
  error_prefix,
  unknown_command,
  unknown_command_near,
  unknown_option,
  unknown_option_near,
  out_of_memory,
  bug,
  interrupted,
  stdout_closed,
  stdout_failed,
  no_model,
  waiting_for_stdin,
  context_full,
  options,
  examples,
  chat_hint,
  chat_placeholder,
  chat_leave_hint,
  chat_help,
  chat_unknown,
  chat_unknown_near,
  chat_cleared,
  chat_saved,
  chat_loaded,
  chat_others_left,
  chat_no_template,
  count,
};

const char* message_format(Phrase which);

template <class... Args>
std::string message(Phrase which, const Args&... args) {
  return fmt::format(fmt::runtime(message_format(which)), args...);
}

// The command's one-line summary in the language of the user.
std::string_view summary_of(const Command& command);

}  // namespace jiang
