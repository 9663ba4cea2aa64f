// A chat of the terminal as a file: the same export that the page reads and writes.
#pragma once

#include <optional>
#include <string>

#include "base/json_value.h"
#include "base/result.h"

namespace jiang {

struct SavedChat {
  std::string model = {};
  std::optional<std::string> system = {};
  Json messages = Json::array();  // [{"role", "content"}], without the system message
  std::string text = {};          // of a chat without a template: all that was said
  int others = 0;                 // further conversations in the file, left alone
};

// storage's export of one conversation without branches. "text" lies beside it: the page, which
// knows no such chats, passes it over.
Json to_json(const SavedChat& chat);

// What to_json wrote, what the page exports, and the exports that the page imports. Of branches,
// the one that was shown. `where` begins the errors.
Result<SavedChat> read_saved_chat(const Json& file, const std::string& where);

}  // namespace jiang
