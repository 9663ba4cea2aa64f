// StopStrings: finds stop strings in text that comes in pieces, and holds back what may become one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace jiang {

class StopStrings {
 public:
  // Refuses empty, ill-formed, too long and too many strings.
  static Result<StopStrings> create(std::vector<std::string> strings);

  struct Fed {
    std::string text;              // may be shown now
    bool stopped = false;          // a stop string came; `text` ends before it
    std::string stop_string = {};  // which
  };
  Fed feed(std::string_view text);
  // What was held back and became no stop string.
  std::string finish();

 private:
  std::vector<std::string> strings_;
  std::string held_;
};

}  // namespace jiang
