#include "text/grammar_constraint.h"

#include <algorithm>

namespace jiang {
namespace {

constexpr size_t kMaxMasks = 512;
constexpr size_t kMaxPlaces = 40'000;

void set_bit(std::vector<uint64_t>& bits, TokenId id) {
  const auto index = static_cast<size_t>(id) / 64;
  if (index < bits.size()) bits[index] |= uint64_t{1} << (id % 64);
}

}  // namespace

CompiledGrammar::CompiledGrammar(Grammar made, std::shared_ptr<const TokenTrie> vocabulary)
    : grammar(std::move(made)),
      trie(std::move(vocabulary)),
      costs(grammar, [this](const std::string& text) { return trie->fewest_tokens(text); }) {}

GrammarConstraint::GrammarConstraint(std::shared_ptr<const CompiledGrammar> compiled,
                                     GrammarConstraintOptions options)
    : compiled_(std::move(compiled)), options_(std::move(options)) {
  restart();
}

// A new walk over the text so far: the old one has grown too large.
void GrammarConstraint::restart() {
  walk_ = std::make_unique<GrammarWalk>(compiled_->grammar, compiled_->costs);
  masks_.clear();
  const std::string text = std::move(text_);
  std::vector<Step> steps = std::move(steps_);
  text_.clear();
  place_ = walk_->start();
  for (Step& step : steps) {
    follow(std::string_view(text).substr(text_.size(), step.text_size - text_.size()));
    step.place = place_;
  }
  follow(std::string_view(text).substr(text_.size()));
  steps_ = std::move(steps);
}

void GrammarConstraint::follow(std::string_view bytes) {
  for (const char c : bytes) {
    text_ += c;
    if (place_ != kNowhere) place_ = walk_->advance(place_, static_cast<uint8_t>(c), text_);
  }
}

std::string GrammarConstraint::bytes_of(TokenId id) const {
  for (const auto& [marker, text] : options_.markers) {
    if (marker == id) return text;
  }
  const Tokenizer& tokenizer = compiled_->trie->tokenizer();
  return tokenizer.is_special(id) ? std::string() : tokenizer.token_bytes(id);
}

void GrammarConstraint::accept(TokenId id) {
  steps_.push_back({place_, text_.size()});
  follow(bytes_of(id));
  if (walk_->n_places() > kMaxPlaces) restart();
}

void GrammarConstraint::rollback(int n) {
  if (n <= 0) return;
  const Step step = steps_[steps_.size() - static_cast<size_t>(n)];
  steps_.resize(steps_.size() - static_cast<size_t>(n));
  place_ = step.place;
  text_.resize(step.text_size);
}

bool GrammarConstraint::is_finished() const {
  return place_ != kNowhere && walk_->is_complete(place_);
}

// Tokens that must still be possible at this place: its cost, and one for the end of the answer
// where that is a choice.
int32_t GrammarConstraint::needed(PlaceId place) const {
  return walk_->is_complete(place) ? 0 : walk_->cost(place) + 1;
}

void GrammarConstraint::mask(std::span<uint64_t> allowed) const {
  const auto apply = [&](const Mask& mask) {
    for (size_t i = 0; i < allowed.size(); ++i)
      allowed[i] &= i < mask.bits.size() ? mask.bits[i] : 0;
  };
  if (place_ == kNowhere) return apply({});
  const Mask& full = full_mask(place_);
  if (options_.max_tokens < 0) return apply(full);
  const int32_t left = options_.max_tokens - static_cast<int32_t>(steps_.size()) - 1;
  if (full.highest_need <= left) return apply(full);
  const Mask closing = compute_mask(place_, left);
  // With too little room from the start, the answer is cut at its length.
  apply(closing.is_empty ? full : closing);
}

const GrammarConstraint::Mask& GrammarConstraint::full_mask(PlaceId place) const {
  const auto found = masks_.find(place);
  if (found != masks_.end()) return found->second;
  if (masks_.size() >= kMaxMasks) masks_.clear();
  return masks_[place] = compute_mask(place, GrammarCosts::kImpossible);
}

GrammarConstraint::Mask GrammarConstraint::compute_mask(PlaceId place, int32_t most) const {
  const TokenTrie& trie = *compiled_->trie;
  Mask mask;
  mask.bits.assign((static_cast<size_t>(trie.vocab_size()) + 63) / 64, 0);
  const GrammarWalk::Summary& summary = walk_->summary(place);

  // In a string all plain tokens are allowed at once: after one, no more is needed than now.
  const bool all_plain = summary.string_room != 0 && needed(place) <= most;
  if (all_plain) {
    const auto plain = trie.plain_bits(summary.string_room);
    std::copy(plain.begin(), plain.end(), mask.bits.begin());
    mask.highest_need = needed(place);
    mask.is_empty = false;
  }
  walk(trie.other(), place, most, mask);
  if (!all_plain || !summary.only_strings) walk(trie.plain(), place, most, mask);

  if (summary.takes_markers) {
    for (const auto& [id, text] : options_.markers) {
      PlaceId after = place;
      for (size_t i = 0; i < text.size() && after != kNowhere; ++i)
        after = walk_->step(after, static_cast<uint8_t>(text[i]));
      if (after == kNowhere || needed(after) > most) continue;
      set_bit(mask.bits, id);
      mask.highest_need = std::max(mask.highest_need, needed(after));
      mask.is_empty = false;
    }
  }
  if (summary.is_free && needed(place) <= most) {
    for (const TokenId id : options_.special_ids) set_bit(mask.bits, id);
  }
  if (walk_->may_end(place)) {
    for (const TokenId id : options_.end_ids) set_bit(mask.bits, id);
    mask.is_empty = false;
  }
  return mask;
}

void GrammarConstraint::walk(const TokenTrie::Tree& tree, PlaceId place, int32_t most,
                             Mask& mask) const {
  path_.assign(compiled_->trie->longest() + 1, kNowhere);
  path_[0] = place;
  for (uint32_t i = 0; i < tree.nodes.size();) {
    const TokenTrie::Node& node = tree.nodes[i];
    const PlaceId after = walk_->step(path_[node.depth - 1u], node.byte);
    if (after == kNowhere) {
      i = node.end;
      continue;
    }
    path_[node.depth] = after;
    ++i;
    if (node.n_tokens == 0) continue;
    const int32_t need = needed(after);
    if (need > most) continue;
    mask.highest_need = std::max(mask.highest_need, need);
    mask.is_empty = false;
    for (uint32_t t = 0; t < node.n_tokens; ++t)
      set_bit(mask.bits, tree.tokens[node.first_token + t]);
  }
}

}  // namespace jiang
