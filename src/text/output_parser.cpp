#include "text/output_parser.h"

#include <algorithm>
#include <utility>

#include "text/dialect.h"

namespace jiang {
namespace {

constexpr std::string_view kAsciiSpace = " \t\r\n";

using Kind = OutputEvent::Kind;

void push(std::vector<OutputEvent>& events, Kind kind, std::string text) {
  if (text.empty()) return;
  if (!events.empty() && kind != Kind::call_name && events.back().kind == kind) {
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
  while (advance(events, false)) {
  }
  return events;
}

std::vector<OutputEvent> OutputParser::finish() {
  std::vector<OutputEvent> events;
  while (advance(events, true)) {
  }
  return events;
}

bool OutputParser::advance(Events& events, bool is_end) {
  switch (place_) {
    case Place::start:
      return advance_start(is_end);
    case Place::reasoning:
      return advance_reasoning(events, is_end);
    case Place::after_reasoning:
      return skip_space();
    case Place::content:
      return advance_content(events, is_end);
    case Place::call_open: {
      const Dialect& dialect = *options_.dialect;
      std::string open(dialect.call_open);
      if (is_first_call_) open.insert(0, dialect.section_open);
      return take_marker(open, Place::call_name);
    }
    case Place::call_name:
      return advance_name(events);
    case Place::arguments:
      return advance_arguments(events);
    case Place::call_close:
      return take_marker(options_.dialect->call_close, Place::after_call);
    case Place::after_call:
      return advance_after_call();
    case Place::after_calls:
      if (!skip_space()) return false;
      place_ = Place::raw;
      return true;
    case Place::raw:
      push(events, Kind::content, std::exchange(held_, {}));
      return false;
  }
  return false;
}

// Decides whether the answer begins with reasoning. False: more text is needed.
bool OutputParser::advance_start(bool is_end) {
  const std::string& open = options_.reasoning.open;
  const size_t begin = std::min(held_.find_first_not_of(kAsciiSpace), held_.size());
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
    held_.erase(0, std::min(held_.find_first_not_of(kAsciiSpace), held_.size()));
    reasoning_begun_ = !held_.empty();
  }
  const size_t end = held_.find(close);
  const bool is_closed = end != std::string::npos;
  size_t shown = is_closed ? end : held_.size() - (is_end ? 0 : partial_marker(held_, close));
  while (shown > 0 && kAsciiSpace.find(held_[shown - 1]) != std::string_view::npos) --shown;
  push(events, Kind::reasoning, held_.substr(0, shown));
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

bool OutputParser::skip_space() {
  held_.erase(0, std::min(held_.find_first_not_of(kAsciiSpace), held_.size()));
  if (held_.empty()) return false;
  if (place_ == Place::after_reasoning) place_ = Place::content;
  return true;
}

// Content up to the trigger. White space before a call belongs to the call.
bool OutputParser::advance_content(Events& events, bool is_end) {
  if (options_.dialect == nullptr) {
    push(events, Kind::content, std::exchange(held_, {}));
    return false;
  }
  const Dialect& dialect = *options_.dialect;
  size_t at = std::string::npos;  // of the trigger
  size_t sure = held_.size();     // bytes that are content
  if (!dialect.only_at_start) {
    at = held_.find(dialect.trigger);
    if (at == std::string::npos && !is_end) sure -= partial_marker(held_, dialect.trigger);
  } else if (!content_begun_) {
    const size_t begin = std::min(held_.find_first_not_of(kAsciiSpace), held_.size());
    const std::string_view rest = std::string_view(held_).substr(begin);
    if (rest.starts_with(dialect.trigger)) at = begin;
    if (at == std::string::npos && !is_end && dialect.trigger.starts_with(rest)) return false;
  }
  sure = std::min(sure, at);
  size_t shown = sure;
  if (at != std::string::npos || !is_end) {
    while (shown > 0 && kAsciiSpace.find(held_[shown - 1]) != std::string_view::npos) --shown;
  }
  content_begun_ = content_begun_ || shown > 0;
  push(events, Kind::content, held_.substr(0, shown));
  if (at == std::string::npos) {
    held_.erase(0, shown);
    return false;
  }
  held_.erase(0, at);
  place_ = Place::call_open;
  return true;
}

namespace {

enum class Match : uint8_t { yes, no, more };

// Whether `text` begins with `marker`, where white space may be more or less than in the marker
// and "{n}" stands for digits. `length` is how much of the text it takes.
Match match_marker(std::string_view text, std::string_view marker, size_t& length) {
  constexpr std::string_view kNumber = "{n}";
  const auto is_space = [](char c) { return kAsciiSpace.find(c) != std::string_view::npos; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  size_t t = 0, m = 0;
  while (m < marker.size()) {
    if (is_space(marker[m])) {
      ++m;
      continue;
    }
    while (t < text.size() && is_space(text[t])) ++t;
    if (t == text.size()) return Match::more;
    if (marker.substr(m).starts_with(kNumber)) {
      if (!is_digit(text[t])) return Match::no;
      while (t < text.size() && is_digit(text[t])) ++t;
      if (t == text.size()) return Match::more;
      m += kNumber.size();
      continue;
    }
    if (text[t] != marker[m]) return Match::no;
    ++t;
    ++m;
  }
  length = t;
  return Match::yes;
}

}  // namespace

bool OutputParser::take_marker(std::string_view marker, Place next) {
  size_t length = 0;
  const Match match = match_marker(held_, marker, length);
  if (match == Match::more) return false;
  if (match == Match::no) {
    place_ = Place::raw;
  } else {
    opened_ = held_.substr(0, length);
    held_.erase(0, length);
    place_ = next;
  }
  return true;
}

// What began like a call is text.
bool OutputParser::give_up() {
  held_.insert(0, opened_);
  place_ = Place::raw;
  return true;
}

bool OutputParser::advance_name(Events& events) {
  const std::string_view close = options_.dialect->name_close;
  const char first = close[close.find_first_not_of(kAsciiSpace)];
  const size_t end = held_.find_first_of(std::string(kAsciiSpace) + first);
  if (end == std::string::npos) return false;
  size_t length = 0;
  const Match match = match_marker(std::string_view(held_).substr(end), close, length);
  if (match == Match::more) return false;
  if (match == Match::no || end == 0) return give_up();
  const size_t begin = held_.find_first_not_of(kAsciiSpace, end + length);
  if (begin == std::string::npos) return false;
  if (held_[begin] != '{') return give_up();
  push(events, Kind::call_name, held_.substr(0, end));
  held_.erase(0, begin);
  depth_ = 0;
  place_ = Place::arguments;
  return true;
}

bool OutputParser::advance_arguments(Events& events) {
  size_t end = 0;
  bool is_done = false;
  for (; end < held_.size() && !is_done; ++end) {
    const char c = held_[end];
    if (in_string_) {
      if (!is_escaped_ && c == '"') in_string_ = false;
      is_escaped_ = !is_escaped_ && c == '\\';
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if (c == '}' || c == ']') {
      is_done = --depth_ == 0;
    }
  }
  push(events, Kind::call_arguments, held_.substr(0, end));
  held_.erase(0, end);
  if (is_done) place_ = Place::call_close;
  return is_done;
}

bool OutputParser::advance_after_call() {
  const Dialect& dialect = *options_.dialect;
  is_first_call_ = false;
  const std::string next = std::string(dialect.separator) + std::string(dialect.call_open);
  size_t length = 0;
  const Match another = dialect.parallel ? match_marker(held_, next, length) : Match::no;
  if (another == Match::yes) {
    opened_ = held_.substr(0, length);
    held_.erase(0, length);
    place_ = Place::call_name;
    return true;
  }
  if (another == Match::more) return false;
  if (dialect.section_close.empty()) {
    place_ = Place::after_calls;
    return true;
  }
  return take_marker(dialect.section_close, Place::after_calls);
}

}  // namespace jiang
