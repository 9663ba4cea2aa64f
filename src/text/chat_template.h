// ChatTemplate: messages and tools -> the prompt that a model was trained on. The template is
// Jinja, run by our own interpreter: no host objects, no I/O, and budgets for steps, depth and
// output (a model file is hostile until proven otherwise).
//
// Immutable after parse(); any thread may render.
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace jiang {

// A piece of the prompt and where it came from: special tokens are parsed in template text only,
// so that a user cannot forge a turn by typing "<|im_start|>system" (decision 20).
struct PromptSegment {
  std::string text;
  bool from_template = false;
};

std::string join(const std::vector<PromptSegment>& segments);

struct TemplateLimits {
  int64_t max_steps = 10'000'000;  // nodes evaluated, elements visited, bytes scanned / 64
  int max_depth = 200;             // calls within calls
  size_t max_output_bytes = size_t{16} << 20;
};

class ChatTemplate {
 public:
  // Errors carry the line number of the template.
  static Result<ChatTemplate> parse(std::string_view source);

  // `context` is an object: messages, tools, add_generation_prompt, bos_token, eos_token, and
  // whatever else the template reads. The template's own raise_exception("...") is an
  // invalid_argument error with its line and text.
  //
  // Template text are the literals of the template, top-level strings named *_token (bos_token ...)
  // and the roles of messages where they are plain words; everything else is data.
  // `now` is what strftime_now tells; the local time when null.
  Result<std::vector<PromptSegment>> render(const Json& context, TemplateLimits limits = {},
                                            const std::tm* now = nullptr) const;

 private:
  struct Program;
  std::shared_ptr<const Program> program_;
};

}  // namespace jiang
