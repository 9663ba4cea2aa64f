// Large pages (2 MiB) for what is read in whole with every token: with pages of 4 KiB, looking up
// where the next one lies took a tenth of a decode step (docs/decisions/0060).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <thread>

namespace jiang {

// Asks for large pages under memory of our own, where it has room for some, from all NUMA nodes
// (base/numa.h). A refusal costs nothing.
void advise_large_pages(void* memory, size_t bytes);

// A thread that copies a mapped file into large pages of this process's own, piece by piece, and
// puts each piece in the file's place at the same addresses: whoever reads there meanwhile notices
// nothing. Linux keeps files in small pages. It begins after two seconds, in which a first answer
// may be under way. It does nothing where the kernel grants no large pages, or where twice the
// memory is not free: then the mapping stays, and is shared with other processes.
class LargePageCopy {
 public:
  LargePageCopy() = default;
  ~LargePageCopy();
  LargePageCopy(const LargePageCopy&) = delete;
  LargePageCopy& operator=(const LargePageCopy&) = delete;

  // `mapped` is never written, and stays mapped until this object is gone. Once.
  void start(std::span<const std::byte> mapped);
  // Begins at once if it has not, and waits for the end; how many bytes lie in pages of our own.
  size_t finish();

 private:
  void run(std::span<const std::byte> mapped);

  std::mutex mutex_;
  std::condition_variable woken_;
  bool is_awaited_ = false;  // by finish(); under mutex_
  std::atomic<bool> is_stopping_ = false;
  std::atomic<size_t> copied_ = 0;
  std::thread thread_;
};

}  // namespace jiang
