// AgentSpec: what makes an agent: its words, its model, its abilities. One shape for the TOML file
// (JIANG_HOME/agents/ID.toml), the form of the page, the API and export.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_value.h"  // Json by value
#include "base/result.h"

namespace jiang {

struct AgentSpec {
  std::string id;      // the file's stem: letters of any script, digits, '-', '_'; at most 64 bytes
  std::string name;    // 名称
  std::string avatar;  // one emoji, or a data: URL of a PNG or JPEG of at most 64 KiB
  std::string introduction;  // 简介
  std::string instructions;  // 配置信息: the system prompt; never shown to visitors of a share link
  std::vector<std::string> skills;     // 技能
  bool code = false;                   // 代码能力
  bool web = false;                    // 联网能力
  std::string opening;                 // 开场白: shown before any generation, costs no token
  std::vector<std::string> questions;  // 预置问题
  std::string model;                   // "": the default model
  std::string owner = {};              // a user's id, in the file only; "": everybody's here
  Json parameters;        // OpenAI's spelling: temperature, top_p, max_tokens, seed, stop ...
  bool built_in = false;  // not in the file: 代码匠 itself
};

// What a file of an agent may be named.
bool is_agent_id(std::string_view id);
// Errors name the line ("craftsman.toml:7: ...") or the key.
Result<AgentSpec> parse_agent_toml(std::string_view text, std::string_view id,
                                   std::string_view where);
std::string to_toml(const AgentSpec& spec);
Result<AgentSpec> parse_agent_json(const Json& json, std::string_view where);
// `with_instructions` false: what a visitor may see.
Json to_json(const AgentSpec& spec, bool with_instructions);

// 代码匠, its fields verbatim as the course has them.
const AgentSpec& craftsman();

}  // namespace jiang
