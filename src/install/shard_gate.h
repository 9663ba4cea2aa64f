// ShardGate: someone reads the tensors of safetensors files that are still being fetched, and waits
// here for the bytes of each.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "hub/chunk_map.h"

namespace jiang {

class ShardGate {
 public:
  // The fetching side, by the index of the file.
  void started(size_t shard, std::shared_ptr<ChunkMap> map);
  void finished(size_t shard);
  void failed(Error error);

  // The reading side. The bytes may prove wrong later: ask was_restarted() at the end.
  Status wait_for(size_t shard, uint64_t offset, uint64_t bytes);
  // Some file began anew after its first start: what was read of it may be stale.
  bool was_restarted() const;

 private:
  struct Shard {
    std::shared_ptr<ChunkMap> map;
    bool is_whole = false;
    int n_starts = 0;
  };
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<size_t, Shard> shards_;
  std::optional<Error> error_;
};

}  // namespace jiang
