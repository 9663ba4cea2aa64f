// Ctrl-C. By default it ends the program at once with one sentence; inside an InterruptScope it
// only raises a flag that the work polls (an answer being written, a file that must not stay half
// made). SIGTERM and SIGHUP do the same, and ask the program to end after that.
#pragma once

namespace jiang {

void install_interrupt_handler();

// Asked to stop since the innermost scope began.
bool interrupted();
void clear_interrupt();
// SIGTERM or SIGHUP came: not only this piece of work, the program is to end.
bool must_leave();

class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;
};

}  // namespace jiang
