// TerminalSanitizer: what a model writes, made safe for a terminal. Escape sequences (CSI, OSC,
// DCS, 7 and 8 bit), control characters but '\n' and '\t', and bidirectional controls are removed:
// they could move the cursor, rename the window, write the clipboard or disguise text.
//
// Streaming: a sequence may be split over any number of feeds. The rest of the text is unchanged.
#pragma once

#include <string>
#include <string_view>

namespace jiang {

class TerminalSanitizer {
 public:
  // `text` consists of whole UTF-8 characters (ill-formed bytes are shown as U+FFFD).
  std::string feed(std::string_view text);

 private:
  enum class State { text, escape, control_sequence, string };
  State state_ = State::text;
};

// A name or a message that may quote a hostile file, as one harmless line.
std::string visible_line(std::string_view text);

}  // namespace jiang
