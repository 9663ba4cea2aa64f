#include "hub/chunk_map.h"

#include <algorithm>
#include <chrono>

namespace jiang {

ChunkMap::ChunkMap(uint64_t file_bytes, uint64_t chunk_bytes)
    : file_bytes_(file_bytes), chunk_bytes_(chunk_bytes) {
  const uint64_t n_chunks = (file_bytes + chunk_bytes - 1) / chunk_bytes;
  states_.assign(n_chunks, State::missing);
  filled_.assign(n_chunks, 0);
}

uint64_t ChunkMap::size_of(uint64_t chunk) const {
  return std::min(chunk_bytes_, file_bytes_ - chunk * chunk_bytes_);
}

std::optional<ChunkMap::Segment> ChunkMap::take(int n_takers, uint64_t max_bytes) {
  const std::lock_guard lock(mutex_);
  uint64_t first = first_undone_, n_missing = 0;
  while (first < states_.size() && states_[first] != State::missing) ++first;
  for (uint64_t i = first; i < states_.size(); ++i) n_missing += states_[i] == State::missing;
  if (n_missing == 0) return std::nullopt;
  // Less and less towards the end, so that nobody is left alone with a long rest.
  const uint64_t share = n_missing / (2 * static_cast<uint64_t>(n_takers)) + 1;
  const uint64_t most = std::min(share, std::max<uint64_t>(max_bytes / chunk_bytes_, 1));
  uint64_t last = first;
  while (last < states_.size() && last - first < most && states_[last] == State::missing &&
         (last == first || filled_[last] == 0)) {
    states_[last++] = State::taken;
  }
  return Segment{.begin = first * chunk_bytes_ + filled_[first],
                 .end = std::min(last * chunk_bytes_, file_bytes_),
                 .generation = generation_};
}

bool ChunkMap::wrote(const Segment& segment, uint64_t offset, uint64_t bytes,
                     const std::function<void(uint64_t)>& chunk_done) {
  std::vector<uint64_t> completed;
  {
    const std::lock_guard lock(mutex_);
    if (segment.generation != generation_) return false;
    while (bytes > 0) {
      const uint64_t chunk = offset / chunk_bytes_;
      const uint64_t count = std::min(bytes, chunk * chunk_bytes_ + size_of(chunk) - offset);
      filled_[chunk] += count;
      bytes_done_ += count;
      if (filled_[chunk] == size_of(chunk)) {
        states_[chunk] = State::done;
        ++n_done_;
        completed.push_back(chunk);
      }
      offset += count;
      bytes -= count;
    }
    while (first_undone_ < states_.size() && states_[first_undone_] == State::done) ++first_undone_;
  }
  changed_.notify_all();
  for (const uint64_t chunk : completed) chunk_done(chunk);
  return true;
}

void ChunkMap::give_back(const Segment& segment) {
  {
    const std::lock_guard lock(mutex_);
    if (segment.generation != generation_) return;
    for (uint64_t i = segment.begin / chunk_bytes_; i * chunk_bytes_ < segment.end; ++i) {
      if (states_[i] == State::taken) states_[i] = State::missing;
    }
  }
  changed_.notify_all();
}

void ChunkMap::mark_done(uint64_t chunk) {
  const std::lock_guard lock(mutex_);
  if (chunk >= states_.size() || states_[chunk] == State::done) return;
  states_[chunk] = State::done;
  bytes_done_ += size_of(chunk) - filled_[chunk];
  filled_[chunk] = size_of(chunk);
  ++n_done_;
  while (first_undone_ < states_.size() && states_[first_undone_] == State::done) ++first_undone_;
}

void ChunkMap::clear() {
  {
    const std::lock_guard lock(mutex_);
    std::fill(states_.begin(), states_.end(), State::missing);
    std::fill(filled_.begin(), filled_.end(), 0);
    n_done_ = bytes_done_ = first_undone_ = 0;
    ++generation_;
  }
  changed_.notify_all();
}

uint64_t ChunkMap::bytes_done() const {
  const std::lock_guard lock(mutex_);
  return bytes_done_;
}

uint64_t ChunkMap::prefix() const {
  const std::lock_guard lock(mutex_);
  return std::min(first_undone_ * chunk_bytes_, file_bytes_);
}

bool ChunkMap::is_whole() const {
  const std::lock_guard lock(mutex_);
  return n_done_ == states_.size();
}

uint64_t ChunkMap::generation() const {
  const std::lock_guard lock(mutex_);
  return generation_;
}

Status ChunkMap::wait_for(uint64_t offset, uint64_t bytes) const {
  if (bytes == 0) return ok();
  std::unique_lock lock(mutex_);
  const uint64_t first = offset / chunk_bytes_, last = (offset + bytes - 1) / chunk_bytes_;
  if (last >= states_.size()) return fail(ErrorKind::bad_file, "a part beyond the end of the file");
  changed_.wait(lock, [&] {
    if (error_) return true;
    for (uint64_t i = first; i <= last; ++i) {
      if (states_[i] != State::done) return false;
    }
    return true;
  });
  if (error_) return *error_;
  return ok();
}

void ChunkMap::fail_waiters(Error error) {
  {
    const std::lock_guard lock(mutex_);
    error_ = std::move(error);
  }
  changed_.notify_all();
}

void ChunkMap::wait_for_change(double seconds) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::duration<double>(seconds));
}

}  // namespace jiang
