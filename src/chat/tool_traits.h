// How a model is told of tools and calls them: through its template, or in words.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "chat/chat.h"
#include "text/dialect.h"

namespace jiang {

struct ToolTraits {
  const Dialect* dialect = &plain_dialect();
  bool by_template = false;  // the template knows tools and a dialect that we know
};

// Tries the template with a known tool and a known call.
ToolTraits tool_traits(const ChatModel& chat);

// For models whose template knows no tools. The system message says what there is and how to call
// it, calls and their results become text:
//
//   <tool_call>                       <tool_response>
//   {"name": "f", "arguments": {}}    ...
//   </tool_call>                      </tool_response>
Result<Json> tools_in_words(const Json& messages, const Json& tools);
// Whether messages hold calls or results.
bool have_calls(const Json& messages);

}  // namespace jiang
