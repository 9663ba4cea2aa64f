// Shares: links by which an agent or a conversation is shown to others. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace jiang {

class Database;

struct Share {
  enum class Kind : uint8_t { agent, conversation };
  // link: whoever has it. server: every user of this server, too.
  enum class Level : uint8_t { link, server };
  std::string token = {};
  std::string user_id = {};  // who shares
  Kind kind = Kind::agent;
  std::string id = {};  // of the agent or the conversation
  Level level = Level::link;
  int64_t created = 0;
};
std::string_view name_of(Share::Kind kind);
std::string_view name_of(Share::Level level);

class Shares {
 public:
  explicit Shares(Database& database) : database_(database) {}

  // The same thing shared again by the same user keeps its token and takes the new level.
  Result<Share> create(std::string_view user_id, Share::Kind kind, std::string_view id,
                       Share::Level level);
  Result<std::vector<Share>> list(std::string_view user_id);
  Result<std::optional<Share>> find(std::string_view token);
  // Shared with every user of this server.
  Result<std::vector<Share>> on_server();
  // Its visitors' sessions end, and their chats go.
  Status remove(std::string_view user_id, std::string_view token);

 private:
  Database& database_;
};

}  // namespace jiang
