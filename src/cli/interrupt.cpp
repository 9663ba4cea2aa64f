#include "cli/interrupt.h"

#include <atomic>
#include <csignal>
#include <string>

#include <unistd.h>

#include "cli/messages.h"

namespace jiang {
namespace {

// A signal handler can reach nothing but globals; these are lock-free.
std::atomic<int> scopes{0};
std::atomic<int> interrupts{0};
std::atomic<bool> leaving{false};
char farewell[256];  // prepared before any signal can come
size_t farewell_bytes = 0;

void on_signal(int signal) {
  interrupts.fetch_add(1);
  if (signal != SIGINT) leaving.store(true);
  if (scopes.load() > 0) return;
  const ssize_t ignored = write(STDERR_FILENO, farewell, farewell_bytes);
  static_cast<void>(ignored);
  _exit(1);
}

}  // namespace

void install_interrupt_handler() {
  const std::string text =
      "\r\033[K" + message(Phrase::error_prefix) + message(Phrase::interrupted) + "\n";
  // The escape wipes a progress line; without a terminal there is none.
  const size_t skip = isatty(STDERR_FILENO) ? 0 : 4;
  farewell_bytes = text.copy(farewell, sizeof(farewell), skip);
  struct sigaction action = {};
  action.sa_handler = on_signal;  // no SA_RESTART: a blocked read() returns, and the loop looks
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction old = {};
    sigaction(signal, nullptr, &old);
    if (old.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);  // nohup keeps its wish
  }
}

bool interrupted() { return interrupts.load() > 0; }
void clear_interrupt() { interrupts.store(0); }
bool must_leave() { return leaving.load(); }

InterruptScope::InterruptScope() {
  if (scopes.fetch_add(1) == 0) clear_interrupt();
}
InterruptScope::~InterruptScope() { scopes.fetch_sub(1); }

}  // namespace jiang
