// Tool: something that an agent can do: a name, the schema of its arguments, and the function.
// One file in tools/ and one line in tools/table.cpp.
//
// run() may be called from several threads, and may take as long as its own limits allow.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/json_value.h"
#include "base/result.h"
#include "sandbox/sandbox.h"

namespace jiang {

// What a person is asked before the first call.
enum class Permission : uint8_t { none, execute, network };
// Which switch of the agent turns it on.
enum class Ability : uint8_t { code, web };

struct SearchConfig;

struct ToolContext {
  Sandbox* sandbox = nullptr;            // null: programs cannot be run here
  const SearchConfig* search = nullptr;  // null: no provider is set up
  std::string folder = {};               // of this conversation, kept between calls; "": none
  std::string files_url = {};            // where people find the folder's files; ends in "/"
  const std::atomic<bool>* cancelled = nullptr;
};

struct ToolOutput {
  bool ok = true;
  std::string text;           // for the model
  Json part = {};             // for people: a Part of docs/api.md, or null
  bool is_untrusted = false;  // the text was written by strangers
};

struct Tool {
  const char* name;
  const char* description;
  const char* parameters;  // JSON Schema
  Permission permission;
  Ability ability;
  const char* url_argument = nullptr;  // the argument that is a web address to be opened
  // Whether this machine has what the tool needs beside its ability's; null: it needs nothing.
  bool (*is_present)() = nullptr;
  // Part of docs/api.md that shows the call itself better than its arguments do, or null.
  Json (*preview)(const Json& arguments) = nullptr;
  // An error is told to the model as text: it may try again.
  Result<ToolOutput> (*run)(const Json& arguments, ToolContext& context);
};

std::span<const Tool> tools();
const Tool* find_tool(std::string_view name);

}  // namespace jiang
