#include "text/output_parser.h"

#include <algorithm>
#include <utility>

namespace jiang {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

void push(std::vector<OutputEvent>& events, OutputEvent::Kind kind, std::string text) {
  if (text.empty()) return;
  if (!events.empty() && events.back().kind == kind) {
    events.back().text += text;
  } else {
    events.push_back({kind, std::move(text)});
  }
}

}  // namespace

size_t partial_marker(std::string_view text, std::string_view marker) {
  if (marker.empty()) return 0;
  for (size_t length = std::min(text.size(), marker.size() - 1); length > 0; --length) {
    if (text.substr(text.size() - length) == marker.substr(0, length)) return length;
  }
  return 0;
}

OutputParser::OutputParser(Options options)
    : options_(std::move(options)),
      place_(options_.begins_in_reasoning      ? Place::reasoning
             : options_.reasoning.open.empty() ? Place::content
                                               : Place::start) {}

std::vector<OutputEvent> OutputParser::feed(std::string_view text) {
  std::vector<OutputEvent> events;
  held_ += text;
  advance(events, false);
  return events;
}

std::vector<OutputEvent> OutputParser::finish() {
  std::vector<OutputEvent> events;
  advance(events, true);
  return events;
}

void OutputParser::advance(std::vector<OutputEvent>& events, bool is_end) {
  if (place_ == Place::start && !advance_start(is_end)) return;
  if (place_ == Place::reasoning && !advance_reasoning(events, is_end)) return;
  if (place_ == Place::after_reasoning) {
    held_.erase(0, std::min(held_.find_first_not_of(kSpace), held_.size()));
    if (held_.empty()) return;
    place_ = Place::content;
  }
  push(events, OutputEvent::Kind::content, std::exchange(held_, {}));
}

// Decides whether the answer begins with reasoning. False: more text is needed.
bool OutputParser::advance_start(bool is_end) {
  const std::string& open = options_.reasoning.open;
  const size_t begin = std::min(held_.find_first_not_of(kSpace), held_.size());
  const std::string_view rest = std::string_view(held_).substr(begin);
  if (rest.starts_with(open)) {
    held_.erase(0, begin + open.size());
    place_ = Place::reasoning;
    return true;
  }
  if (!is_end && std::string_view(open).starts_with(rest)) return false;
  place_ = Place::content;
  return true;
}

// White space at both ends of the reasoning belongs to its markers.
bool OutputParser::advance_reasoning(std::vector<OutputEvent>& events, bool is_end) {
  const std::string& close = options_.reasoning.close;
  if (!reasoning_begun_) {
    held_.erase(0, std::min(held_.find_first_not_of(kSpace), held_.size()));
    reasoning_begun_ = !held_.empty();
  }
  const size_t end = held_.find(close);
  const bool is_closed = end != std::string::npos;
  size_t shown = is_closed ? end : held_.size() - (is_end ? 0 : partial_marker(held_, close));
  while (shown > 0 && kSpace.find(held_[shown - 1]) != std::string_view::npos) --shown;
  push(events, OutputEvent::Kind::reasoning, held_.substr(0, shown));
  if (!is_closed) {
    if (is_end) {
      held_.clear();
    } else {
      held_.erase(0, shown);
    }
    return false;
  }
  held_.erase(0, end + close.size());
  place_ = Place::after_reasoning;
  return true;
}

}  // namespace jiang
