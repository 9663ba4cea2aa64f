// One file from a server into a folder of blobs, whatever the network does on the way.
//
// KEY.part lies beside the target with its journal; several ranges come at once; a name that is a
// promise (sha256-HEX) appears only after the bytes were hashed and flushed. Processes that want
// the same file wait for each other by flock on the .part file.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "hub/chunk_map.h"

namespace jiang {

class HttpClient;  // base/http_client.h

// Bytes per second for all connections together.
class RateLimiter {
 public:
  explicit RateLimiter(uint64_t bytes_per_second) : rate_(bytes_per_second) {}
  // Sleeps as long as these bytes should have taken, or until `stop`. Thread-safe.
  void spend(uint64_t bytes, const std::function<bool()>& stop = {});

 private:
  const uint64_t rate_;
  std::mutex mutex_;
  double free_at_ = 0;  // seconds
};

struct DownloadFile {
  std::string label;  // for messages: "model.safetensors"
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::optional<uint64_t> bytes = {};
  std::string sha256 = {};  // "": not known before
  std::string git_id = {};
};

// How sure we are of the content: told by the hub as SHA-256, as git's id, or only its size.
enum class Verified { sha256, git_id, size };
std::string_view verified_name(Verified verified);

struct Blob {
  std::string sha256;
  uint64_t bytes = 0;
  Verified verified = Verified::sha256;
  bool was_there = false;
};

enum class DownloadPhase { waiting, fetching, verifying };
struct DownloadProgress {
  DownloadPhase phase = DownloadPhase::fetching;
  uint64_t done = 0;  // never less than before
  uint64_t total = 0;
};

struct DownloadOptions {
  int connections = 4;
  // A death loses what its connections had of unfinished chunks: connections * chunk_bytes.
  uint64_t chunk_bytes = uint64_t{1} << 20;
  uint64_t max_range_bytes = uint64_t{64} << 20;
  uint64_t sync_bytes = uint64_t{64} << 20;
  double connect_seconds = 15;
  double stall_seconds = 60;
  uint64_t min_bytes_per_second = 64;  // over stall_seconds; slower is a stall
  int max_attempts = 8;                // of one connection in a row, without a byte
  double backoff_seconds = 0.5;        // doubles up to 30 s, with jitter
  bool allow_plain_http = false;       // where the user's own setting says http://
  std::shared_ptr<RateLimiter> limiter = {};
  std::function<bool()> cancelled = {};  // asked by every connection's thread
  std::function<void(const DownloadProgress&)> on_progress = {};  // several times a second
  // The .part file and its map, for someone who reads ahead of the end.
  std::function<void(const std::string& path, std::shared_ptr<ChunkMap> map)> on_start = {};
};

std::string blob_path(const std::string& folder, std::string_view sha256);

// `folder` exists. On an error the .part file and its journal stay for the next time, except after
// a wrong hash.
Result<Blob> download_blob(HttpClient& client, const std::string& folder, const DownloadFile& file,
                           const DownloadOptions& options);

}  // namespace jiang
