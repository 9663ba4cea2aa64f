// Text: a string that remembers which of its bytes the template's author wrote and which came with
// the messages, through every cut and join (decision 20). Most strings are of one origin and cost
// nothing more than a std::string.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace jiang::jinja {

enum class Origin : uint8_t { data, from_template };

class Text {
 public:
  Text() = default;
  Text(std::string bytes, Origin origin) : bytes_(std::move(bytes)), origin_(origin) {}

  const std::string& bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

  void append(std::string_view bytes, Origin origin);
  void append(const Text& other);
  void append_slice(const Text& other, size_t begin, size_t end);
  Text slice(size_t begin, size_t end) const;

  // Origin of the byte at `position`.
  Origin origin_at(size_t position) const;

  // Calls visit(std::string_view, Origin) for each run of equal origin, in order.
  template <class Visit>
  void for_each_run(Visit visit) const {
    if (bytes_.empty()) return;
    if (runs_.empty()) return visit(std::string_view(bytes_), origin_);
    size_t begin = 0;
    for (const Run& run : runs_) {
      visit(std::string_view(bytes_).substr(begin, run.end - begin), run.origin);
      begin = run.end;
    }
  }

 private:
  struct Run {
    size_t end;
    Origin origin;
  };

  std::string bytes_;
  Origin origin_ = Origin::data;  // of all bytes, while runs_ is empty
  std::vector<Run> runs_;         // when origins differ: ends ascend, the last is bytes_.size()
};

}  // namespace jiang::jinja
