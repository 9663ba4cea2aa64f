// RangeFetch: the bytes of a file whose size is known, by several connections at once.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "hub/chunk_map.h"
#include "hub/download_journal.h"
#include "hub/transfer.h"

namespace jiang {

// One use: run(), once.
class RangeFetch {
 public:
  // `is_single`: one connection from the front, of a server that does no ranges.
  RangeFetch(Transfer& transfer, bool is_single);

  // The SHA-256 of the whole. Goes on from what the journal says is there. Those who wait for bytes
  // of map() are told when it ends with an error.
  Result<std::string> run();

  // After an error: what came is of no use, but all of it may be tried anew.
  bool wants_restart() const { return restart_; }
  bool wants_single() const { return wants_single_; }
  const std::shared_ptr<ChunkMap>& map() const { return map_; }

 private:
  Result<JournalWriter> prepare();
  Result<std::string> watch();
  Status flush();
  void work(int n_workers);
  Attempt fetch(const ChunkMap::Segment& segment, bool& got_bytes);
  std::optional<Attempt> judge(const ChunkMap::Segment& segment, int status,
                               const HttpHeaders& headers, uint64_t& end);
  void note_chunk(uint64_t chunk);
  void stop_with(Error error);
  void restart_with(Error cause);

  Transfer& transfer_;
  const DownloadFile& file_;
  const DownloadOptions& options_;
  const bool is_single_;
  const std::shared_ptr<ChunkMap> map_;
  std::atomic<bool> stop_ = false, restart_ = false, wants_single_ = false;
  std::atomic<int> n_working_ = 0;
  std::mutex mutex_;  // guards error_ and what journal_ points to
  std::optional<Error> error_;
  JournalWriter* journal_ = nullptr;
};

}  // namespace jiang
