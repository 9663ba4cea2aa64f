// The settings of `jiang serve`: flags, JIANG_* variables, and the [serve] table of
// JIANG_HOME/config.toml. A flag beats the environment, the environment beats the file; all three
// are read by the same declarations, so that a name, a range and a sentence are the same in each.
//
//   --base-path /a   JIANG_BASE_PATH=/a   base_path = "/a"
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace jiang {

struct ServeSettings {
  std::vector<std::pair<std::string, std::string>> models;  // name, path
  std::vector<std::string> lora;                            // PATH[:SCALE], of the first model
  std::string draft;                                        // of the first model; empty: none
  std::string host = "127.0.0.1";
  int32_t port = 8080;
  bool allow_remote = false;
  std::string base_path;
  std::vector<std::string> allow_hosts;
  std::vector<std::string> allow_origins;
  std::vector<std::string> trusted_proxies;
  std::string certificate;
  std::string private_key;
  std::optional<std::string> new_key;
  int32_t context = 0;
  int32_t threads = 0;
  int32_t parallel = 8;
  int32_t queue = 64;
  int32_t requests_per_minute = 0;
  int32_t memory_mb = 0;
  int32_t keep_alive_seconds = 300;
  int32_t max_body_mb = 32;
  int32_t max_connections = 1024;
  int32_t max_connections_per_address = 256;
  int32_t io_threads = 2;
  int32_t grace_seconds = 25;
  bool quiet = false;
};

// nullopt: --help was asked for and has been printed. `variable` looks up the environment.
Result<std::optional<ServeSettings>> read_serve_settings(
    const std::vector<std::string>& arguments, const std::string& home,
    const std::function<const char*(const char*)>& variable);

}  // namespace jiang
