#include "text/pre_tokenizer.h"

#include <cstdint>

#include "text/byte_alphabet.h"

namespace jiang {
namespace {

struct Span {
  size_t begin;
  size_t end;
};

// One step's cuts of one piece: matches and what lies between them, turned into pieces.
class Splitter {
 public:
  Splitter(const PreTokenizerStep& step, std::vector<Span>& out)
      : behavior_(step.behavior),
        invert_(step.invert),
        in_byte_alphabet_(step.in_byte_alphabet),
        out_(out) {}

  void run(MatchSession& session, std::string_view text, Span piece) {
    has_held_ = false;
    was_match_ = false;
    std::string_view seen = text.substr(piece.begin, piece.end - piece.begin);
    std::string alphabet;
    if (in_byte_alphabet_) seen = alphabet = to_byte_alphabet(seen);
    size_t at = piece.begin;
    size_t seen_at = 0;  // place in the byte alphabet, and the byte of the piece that it stands for
    size_t byte_at = 0;
    const auto to_piece = [&](size_t i) {
      if (!in_byte_alphabet_) return piece.begin + i;
      for (; seen_at < i; ++seen_at)
        byte_at += (static_cast<uint8_t>(seen[seen_at]) & 0xC0) != 0x80 ? 1 : 0;
      return piece.begin + byte_at;
    };
    session.for_each(seen, [&](size_t begin, size_t end) {
      const Span found{to_piece(begin), to_piece(end)};
      add({at, found.begin}, invert_);
      add(found, !invert_);
      at = found.end;
    });
    add({at, piece.end}, invert_);
    flush();
  }

 private:
  void add(Span span, bool is_match) {
    if (span.begin == span.end) return;
    switch (behavior_) {
      case SplitBehavior::removed:
        if (!is_match) out_.push_back(span);
        return;
      case SplitBehavior::isolated:
        out_.push_back(span);
        return;
      case SplitBehavior::contiguous:
        // Neighbouring matches become one piece.
        if (has_held_ && was_match_ == is_match) {
          held_.end = span.end;
        } else {
          flush();
          hold(span);
        }
        break;
      case SplitBehavior::merged_with_previous:
        if (has_held_ && is_match && !was_match_) {
          held_.end = span.end;
        } else {
          flush();
          hold(span);
        }
        break;
      case SplitBehavior::merged_with_next:
        if (has_held_ && was_match_ && !is_match) {
          held_.end = span.end;
        } else {
          flush();
          hold(span);
        }
        break;
    }
    was_match_ = is_match;
  }

  void hold(Span span) {
    held_ = span;
    has_held_ = true;
  }
  void flush() {
    if (has_held_) out_.push_back(held_);
    has_held_ = false;
  }

  SplitBehavior behavior_;
  bool invert_;
  bool in_byte_alphabet_;
  std::vector<Span>& out_;
  Span held_{0, 0};
  bool has_held_ = false;
  bool was_match_ = false;
};

}  // namespace

PreTokenizer::PreTokenizer(std::vector<PreTokenizerStep> steps) : steps_(std::move(steps)) {
  if (steps_.size() == 1 && steps_[0].kind == PreTokenizerStep::Kind::split && !steps_[0].invert &&
      !steps_[0].in_byte_alphabet && steps_[0].behavior == SplitBehavior::isolated) {
    only_ = steps_[0].matcher->tiling();
  }
}

void PreTokenizer::split(std::string_view text, bool at_start,
                         FunctionRef<void(std::string_view)> emit) const {
  if (text.empty()) return;
  if (only_) {
    for (size_t at = 0; at < text.size();) {
      const size_t end = only_(text, at);
      emit(text.substr(at, end - at));
      at = end;
    }
    return;
  }

  std::string changed;  // owns the text once a step has changed it
  std::vector<Span> pieces{{0, text.size()}};
  std::vector<Span> next;
  for (const PreTokenizerStep& step : steps_) {
    next.clear();
    if (step.kind == PreTokenizerStep::Kind::split) {
      const auto session = step.matcher->start();
      Splitter splitter(step, next);
      for (const Span piece : pieces) splitter.run(*session, text, piece);
    } else {
      std::string with_marks;
      for (const Span piece : pieces) {
        const size_t begin = with_marks.size();
        std::string marked;
        for (const char c : text.substr(piece.begin, piece.end - piece.begin)) {
          if (c == ' ') {
            marked += step.mark;
          } else {
            marked += c;
          }
        }
        const bool wants = step.prefix == Prefix::always ||
                           (step.prefix == Prefix::first && at_start && begin == 0);
        if (wants && marked.compare(0, step.mark.size(), step.mark) != 0) with_marks += step.mark;
        with_marks += marked;
        next.push_back({begin, with_marks.size()});
      }
      changed = std::move(with_marks);
      text = changed;
    }
    pieces.swap(next);
  }
  for (const Span piece : pieces) {
    if (piece.end > piece.begin) emit(text.substr(piece.begin, piece.end - piece.begin));
  }
}

}  // namespace jiang
