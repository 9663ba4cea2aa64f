#include "install/shard_gate.h"

namespace jiang {

void ShardGate::started(size_t shard, std::shared_ptr<ChunkMap> map) {
  {
    const std::lock_guard lock(mutex_);
    Shard& entry = shards_[shard];
    // Readers of the old map are let go; they see was_restarted().
    if (entry.map) entry.map->fail_waiters(fail(ErrorKind::io, "the download began anew"));
    entry.map = std::move(map);
    ++entry.n_starts;
  }
  changed_.notify_all();
}

void ShardGate::finished(size_t shard) {
  {
    const std::lock_guard lock(mutex_);
    shards_[shard].is_whole = true;
  }
  changed_.notify_all();
}

void ShardGate::failed(Error error) {
  {
    const std::lock_guard lock(mutex_);
    for (auto& [index, shard] : shards_) {
      static_cast<void>(index);
      if (shard.map) shard.map->fail_waiters(error);
    }
    error_ = std::move(error);
  }
  changed_.notify_all();
}

Status ShardGate::wait_for(size_t shard, uint64_t offset, uint64_t bytes) {
  std::shared_ptr<ChunkMap> map;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(
        lock, [&] { return error_ || shards_[shard].is_whole || shards_[shard].map != nullptr; });
    if (shards_[shard].is_whole) return ok();
    if (error_) return *error_;
    map = shards_[shard].map;
  }
  return map->wait_for(offset, bytes);
}

bool ShardGate::was_restarted() const {
  const std::lock_guard lock(mutex_);
  for (const auto& [index, shard] : shards_) {
    static_cast<void>(index);
    if (shard.n_starts > 1 || (shard.map && shard.map->generation() > 0)) return true;
  }
  return false;
}

}  // namespace jiang
