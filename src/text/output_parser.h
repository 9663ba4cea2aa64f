// OutputParser: the text of an answer, in pieces of any size -> content, reasoning, tool calls.
//
// Events do not depend on how the text was cut into pieces, but for where content, reasoning and
// arguments are cut. What may become a marker is held back until it is decided.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace jiang {

struct OutputEvent {
  enum class Kind : uint8_t { content, reasoning };
  Kind kind = Kind::content;
  std::string text = {};
};

struct ReasoningMarkers {
  std::string open;   // "": the model does not think aloud
  std::string close;  // "</think>"
};

class OutputParser {
 public:
  struct Options {
    ReasoningMarkers reasoning = {};
    bool begins_in_reasoning = false;  // the prompt ends with the opening marker
  };
  explicit OutputParser(Options options);

  std::vector<OutputEvent> feed(std::string_view text);
  // The end of the answer: what was held back is decided.
  std::vector<OutputEvent> finish();

 private:
  enum class Place : uint8_t { start, reasoning, after_reasoning, content };
  void advance(std::vector<OutputEvent>& events, bool is_end);
  bool advance_start(bool is_end);
  bool advance_reasoning(std::vector<OutputEvent>& events, bool is_end);

  Options options_;
  Place place_;
  bool reasoning_begun_ = false;
  std::string held_;
};

// Length of the longest proper prefix of `marker` that `text` ends with.
size_t partial_marker(std::string_view text, std::string_view marker);

}  // namespace jiang
