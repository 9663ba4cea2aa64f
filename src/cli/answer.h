// One answer on the terminal: streams the text of a generation to stdout, lets Ctrl-C stop it, and
// tells its speed when asked.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "chat/chat.h"

namespace jiang {

struct Answer {
  std::string text;
  FinishEvent finish;
  bool interrupted = false;
};

// The text goes out as it comes, without what could control a terminal when stdout is one. A
// closed or full stdout ends the generation with an error.
Result<Answer> stream_answer(Engine& engine, const ChatModel& chat, std::vector<TokenId> prompt,
                             const GenerateOptions& options);

// "prompt 12 tokens (8 cached), 345.1 tokens/s; answer 80 tokens, 45.2 tokens/s; first token
// after 0.03 s"
std::string describe_speed(const RequestStats& stats);

}  // namespace jiang
