// An event of a stream in which one text alone changes from token to token.
//
// Building a Json for each token and writing it out takes longer than a small model takes for the
// token; what stands around the text is written once.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/json.h"

namespace jiang {

class TextFrame {
 public:
  // What `event` of the text kMark is cut at: the whole event, in its wire form. Nothing that
  // stands after the text may hold the mark.
  static constexpr const char* kMark = "\x01";

  TextFrame() = default;
  explicit TextFrame(std::string_view event) {
    static constexpr std::string_view kWritten = R"("\u0001")";
    const size_t at = event.rfind(kWritten);
    JIANG_CHECK(at != std::string_view::npos, "an event without its text");
    before_ = event.substr(0, at);
    after_ = event.substr(at + kWritten.size());
  }
  bool empty() const { return before_.empty(); }

  // The event with `text`, as to_string() would have written it.
  std::string with(std::string_view text) const {
    std::string out;
    out.reserve(before_.size() + text.size() + 2 + after_.size());
    out += before_;
    if (is_plain(text)) {
      out += '"';
      out += text;
      out += '"';
    } else {
      out += to_string(Json(text));
    }
    return out += after_;
  }

 private:
  // JSON writes it as it is. What is beyond ASCII may be invalid UTF-8, and is looked at in full.
  static bool is_plain(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
      const auto byte = static_cast<unsigned char>(c);  // char is unsigned on some machines
      return byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\';
    });
  }

  std::string before_, after_;
};

}  // namespace jiang
