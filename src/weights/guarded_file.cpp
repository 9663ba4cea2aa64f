#include "weights/guarded_file.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <utility>

namespace jiang {
namespace {

constexpr int kSlots = 4096;

// A signal handler can reach nothing but globals; lock-free atomics are all it may touch.
struct Slot {
  std::atomic<bool> taken{false};
  std::atomic<uintptr_t> begin{0};  // 0: not to be looked at
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> hit{false};
};
Slot slots[kSlots];
struct sigaction previous_action;
static_assert(std::atomic<uintptr_t>::is_always_lock_free);

void pass_on(int signal, siginfo_t* info, void* context) {
  if (previous_action.sa_flags & SA_SIGINFO)
    return previous_action.sa_sigaction(signal, info, context);
  if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    return previous_action.sa_handler(signal);
  }
  // Back to what the system does; the read that failed is tried again and meets it.
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  ::sigaction(signal, &action, nullptr);
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Slot& slot : slots) {
    const uintptr_t begin = slot.begin.load(std::memory_order_acquire);
    const uintptr_t end = slot.end.load(std::memory_order_acquire);
    if (begin == 0 || address < begin || address >= end) continue;
    slot.hit.store(true, std::memory_order_release);
    // What the file lacks here it lacks until its end: one mapping of zeros for all of it.
    const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    const uintptr_t first = address / page * page;
    void* zeros = ::mmap(reinterpret_cast<void*>(first), end - first, PROT_READ,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    errno = saved_errno;
    if (zeros != MAP_FAILED) return;
    break;
  }
  errno = saved_errno;
  pass_on(signal, info, context);
}

void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, &previous_action);
  });
}

}  // namespace

Result<GuardedFile> GuardedFile::open(const std::string& path) {
  install_handler();
  GuardedFile guarded;
  TRY(guarded.file_, MappedFile::open(path));
  const auto bytes = guarded.file_.bytes();
  for (int i = 0; i < kSlots; ++i) {
    bool expected = false;
    if (!slots[i].taken.compare_exchange_strong(expected, true)) continue;
    slots[i].hit = false;
    slots[i].end = reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size();
    slots[i].begin.store(reinterpret_cast<uintptr_t>(bytes.data()), std::memory_order_release);
    guarded.slot_ = i;
    return guarded;
  }
  return fail(ErrorKind::too_large, "{}: more than {} model files are open", path, kSlots);
}

GuardedFile& GuardedFile::operator=(GuardedFile&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(slot_, other.slot_);
  return *this;
}

GuardedFile::~GuardedFile() {
  if (slot_ < 0) return;
  slots[slot_].begin.store(0, std::memory_order_release);
  slots[slot_].taken.store(false, std::memory_order_release);
}

bool GuardedFile::still_whole() const {
  return file_.still_whole() && (slot_ < 0 || !slots[slot_].hit.load(std::memory_order_acquire));
}

}  // namespace jiang
