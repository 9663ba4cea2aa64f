// What the user typed, kept in JIANG_HOME/history for the next time: one entry per line, "\n" and
// "\\" for newline and backslash.
#pragma once

#include <string>
#include <vector>

namespace jiang {

class History {
 public:
  // An unreadable or absent file is an empty history: chatting must not depend on it.
  explicit History(std::string path);

  const std::vector<std::string>& entries() const { return entries_; }  // oldest first
  // Blank entries and repeats of the last one are not kept.
  void add(const std::string& text);
  void set_persistent(bool persistent) { persistent_ = persistent; }

 private:
  std::string path_;
  bool persistent_ = true;
  std::vector<std::string> entries_;
};

}  // namespace jiang
