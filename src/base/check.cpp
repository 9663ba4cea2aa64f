#include "base/check.h"

namespace jiang {

void throw_bug(const char* condition, const char* file, int line, const std::string& message) {
  throw BugError(std::string(file) + ":" + std::to_string(line) + ": " + condition +
                 (message.empty() ? "" : ": " + message));
}

}  // namespace jiang
