// OutputParser: the text of an answer, in pieces of any size -> content, reasoning, tool calls.
//
// Events do not depend on how the text was cut into pieces, but for where content, reasoning and
// arguments are cut. What may become a marker is held back until it is decided.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace jiang {

struct Dialect;  // text/dialect.h

struct OutputEvent {
  // A call begins with its function's name; its arguments, a JSON object, come in pieces.
  enum class Kind : uint8_t { content, reasoning, call_name, call_arguments };
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
    const Dialect* dialect = nullptr;  // of tool calls; null: they are content
  };
  explicit OutputParser(Options options);

  std::vector<OutputEvent> feed(std::string_view text);
  // The end of the answer: what was held back is decided.
  std::vector<OutputEvent> finish();

 private:
  enum class Place : uint8_t {
    start,
    reasoning,
    after_reasoning,
    content,
    call_open,  // the trigger has come
    call_name,
    arguments,
    call_close,
    after_call,
    after_calls,
    raw,  // calls that are not well-formed: content
  };
  using Events = std::vector<OutputEvent>;

  // Each returns false when more text is needed.
  bool advance(Events& events, bool is_end);
  bool advance_start(bool is_end);
  bool advance_reasoning(Events& events, bool is_end);
  bool skip_space();
  bool advance_content(Events& events, bool is_end);
  bool take_marker(std::string_view marker, Place next);
  bool advance_name(Events& events);
  bool give_up();
  bool advance_arguments(Events& events);
  bool advance_after_call();

  Options options_;
  Place place_;
  bool reasoning_begun_ = false;
  bool content_begun_ = false;
  bool is_first_call_ = true;
  // Of the arguments being read.
  int32_t depth_ = 0;
  bool in_string_ = false, is_escaped_ = false;
  std::string opened_;  // of a call whose name has not been told yet
  std::string held_;
};

// Length of the longest proper prefix of `marker` that `text` ends with.
size_t partial_marker(std::string_view text, std::string_view marker);

}  // namespace jiang
