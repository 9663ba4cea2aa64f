// ChunkMap: which pieces of a file that is being fetched are on disk. Thread-safe; someone who
// wants to read the file before it is whole waits here.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "base/result.h"

namespace jiang {

class ChunkMap {
 public:
  ChunkMap(uint64_t file_bytes, uint64_t chunk_bytes);

  // A run of bytes for one connection to fetch: whole chunks, but for what is there of the first.
  struct Segment {
    uint64_t begin = 0, end = 0;
    uint64_t generation = 0;
  };
  // The first missing run, of at most its fair share among `n_takers`; nothing when all is there
  // or taken. What is not written must be given back.
  std::optional<Segment> take(int n_takers, uint64_t max_bytes);
  // Bytes [offset, offset + bytes) are on disk; calls `chunk_done(i)` for each chunk completed.
  // False when the map was cleared since the segment was taken: stop.
  bool wrote(const Segment& segment, uint64_t offset, uint64_t bytes,
             const std::function<void(uint64_t)>& chunk_done);
  void give_back(const Segment& segment);
  void mark_done(uint64_t chunk);  // known from a journal

  // All of it is missing again.
  void clear();

  uint64_t file_bytes() const { return file_bytes_; }
  uint64_t chunk_bytes() const { return chunk_bytes_; }
  uint64_t bytes_done() const;
  // How much is there without a gap, from the front.
  uint64_t prefix() const;
  bool is_whole() const;
  uint64_t generation() const;  // counts clear()

  // Until the bytes are on disk, or `failed(error)` was called. Their hash is not known yet.
  Status wait_for(uint64_t offset, uint64_t bytes) const;
  void fail_waiters(Error error);
  // Until something changes, at most `seconds`.
  void wait_for_change(double seconds) const;

 private:
  enum class State : uint8_t { missing, taken, done };
  uint64_t size_of(uint64_t chunk) const;

  const uint64_t file_bytes_;
  const uint64_t chunk_bytes_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<State> states_;
  std::vector<uint64_t> filled_;  // bytes at the front of each chunk
  uint64_t n_done_ = 0;
  uint64_t bytes_done_ = 0;
  mutable uint64_t first_undone_ = 0;
  uint64_t generation_ = 0;
  std::optional<Error> error_;
};

}  // namespace jiang
