// JIANG_CHECK(condition, message): for what only a bug can cause. Throws BugError, which exactly
// three places catch: the engine's step loop, the HTTP handler, main.
#pragma once

#include <stdexcept>
#include <string>

namespace jiang {

class BugError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

[[noreturn]] void throw_bug(const char* condition, const char* file, int line,
                            const std::string& message);

}  // namespace jiang

#define JIANG_CHECK(condition, message)                                              \
  do {                                                                               \
    if (!(condition)) ::jiang::throw_bug(#condition, __FILE__, __LINE__, (message)); \
  } while (false)
