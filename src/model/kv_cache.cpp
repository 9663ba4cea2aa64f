#include "model/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/check.h"
#include "base/checked.h"

namespace jiang {
namespace {

size_t blocks_for(int64_t n_tokens) {
  return static_cast<size_t>((n_tokens + kKvBlockTokens - 1) / kKvBlockTokens);
}

}  // namespace

uint64_t KvCacheShape::bytes_per_token() const {
  return uint64_t{2} * static_cast<uint64_t>(n_layers) * static_cast<uint64_t>(n_kv_heads) *
         (kv_part_bytes(type, head_dim) / kKvBlockTokens);
}

Result<std::unique_ptr<KvCache>> KvCache::create(const KvCacheShape& shape,
                                                 int64_t capacity_tokens) {
  JIANG_CHECK(shape.n_layers > 0 && shape.n_kv_heads > 0 && shape.head_dim > 0,
              "a cache has a shape");
  if (capacity_tokens <= 0) {
    return fail(ErrorKind::invalid_argument,
                "a context of {} tokens holds nothing, ask for at least 1", capacity_tokens);
  }
  // Positions and block numbers are int32.
  constexpr int64_t kMostTokens = INT32_MAX - kKvBlockTokens;
  const auto n_blocks = static_cast<int64_t>(blocks_for(std::min(capacity_tokens, kMostTokens)));
  const auto bytes =
      checked_mul(shape.bytes_per_token(), static_cast<uint64_t>(n_blocks) * kKvBlockTokens);
  if (!bytes || capacity_tokens > kMostTokens) {
    return fail(ErrorKind::too_large,
                "a context of {} tokens is beyond what can be addressed, ask for less",
                capacity_tokens);
  }
  try {
    return std::unique_ptr<KvCache>(new KvCache(shape, n_blocks));
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::too_large,
                "the K/V cache of {} tokens needs {} MiB, more than can be reserved: ask for a "
                "smaller context",
                capacity_tokens, *bytes >> 20);
  }
}

KvCache::KvCache(const KvCacheShape& shape, int64_t n_blocks)
    : shape_(shape),
      n_blocks_(n_blocks),
      memory_(shape.bytes_per_token() * static_cast<uint64_t>(n_blocks) * kKvBlockTokens),
      references_(static_cast<size_t>(n_blocks), 0) {
  free_blocks_.reserve(static_cast<size_t>(n_blocks));
  for (int64_t block = n_blocks; block-- > 0;) free_blocks_.push_back(static_cast<int32_t>(block));
}

size_t KvCache::block_bytes() const {
  return shape_.bytes_per_token() / static_cast<size_t>(shape_.n_layers) * kKvBlockTokens;
}

int32_t KvCache::take_block() {
  const int32_t block = free_blocks_.back();
  free_blocks_.pop_back();
  references_[static_cast<size_t>(block)] = 1;
  return block;
}

void KvCache::drop_block(int32_t block) {
  if (--references_[static_cast<size_t>(block)] == 0) free_blocks_.push_back(block);
}

void KvCache::copy_block(int32_t to, int32_t from) {
  for (int i = 0; i < shape_.n_layers; ++i) {
    std::byte* data = layer(i).data;
    std::memcpy(data + static_cast<size_t>(to) * block_bytes(),
                data + static_cast<size_t>(from) * block_bytes(), block_bytes());
  }
}

KvCache::State& KvCache::state(StateId id) {
  JIANG_CHECK(id >= 0 && static_cast<size_t>(id) < states_.size() &&
                  states_[static_cast<size_t>(id)].is_alive,
              "no such sequence state");
  return states_[static_cast<size_t>(id)];
}

const KvCache::State& KvCache::state(StateId id) const {
  return const_cast<KvCache*>(this)->state(id);
}

StateId KvCache::create() {
  if (free_states_.empty()) {
    free_states_.push_back(static_cast<StateId>(states_.size()));
    states_.emplace_back();
  }
  const StateId id = free_states_.back();
  free_states_.pop_back();
  states_[static_cast<size_t>(id)].is_alive = true;
  return id;
}

void KvCache::free(StateId id) {
  State& gone = state(id);
  for (const int32_t block : gone.blocks) drop_block(block);
  gone = State{};
  free_states_.push_back(id);
}

bool KvCache::reserve(StateId id, int32_t n_tokens) {
  State& s = state(id);
  // The block that the next token goes to may hold tokens of others as well: it needs a copy.
  const auto next = static_cast<size_t>(s.length / kKvBlockTokens);
  size_t first_shared = s.blocks.size();
  if (n_tokens > s.length) {
    for (size_t b = next; b < s.blocks.size(); ++b) {
      if (references_[static_cast<size_t>(s.blocks[b])] > 1) {
        first_shared = b;
        break;
      }
    }
  }
  size_t n_copies = 0;
  for (size_t b = first_shared; b < s.blocks.size(); ++b) {
    n_copies += references_[static_cast<size_t>(s.blocks[b])] > 1;
  }
  const size_t wanted = blocks_for(n_tokens);
  const size_t n_new = wanted > s.blocks.size() ? wanted - s.blocks.size() : 0;
  if (n_copies + n_new > free_blocks_.size()) return false;
  for (size_t b = first_shared; b < s.blocks.size(); ++b) {
    if (references_[static_cast<size_t>(s.blocks[b])] == 1) continue;
    const int32_t copy = take_block();
    copy_block(copy, s.blocks[b]);
    drop_block(s.blocks[b]);
    s.blocks[b] = copy;
  }
  for (size_t i = 0; i < n_new; ++i) s.blocks.push_back(take_block());
  return true;
}

int64_t KvCache::whole_blocks(int64_t n_tokens) {
  return static_cast<int64_t>(blocks_for(n_tokens)) * kKvBlockTokens;
}

int64_t KvCache::tokens_to_reserve(StateId id, int32_t n_tokens) const {
  const auto there = static_cast<int64_t>(state(id).blocks.size()) * kKvBlockTokens;
  return std::max<int64_t>(0, whole_blocks(n_tokens) - there);
}

StateId KvCache::fork(StateId id, int32_t n_tokens) {
  JIANG_CHECK(n_tokens >= 0 && n_tokens <= state(id).length,
              "a fork takes positions that hold values");
  const auto whole = static_cast<size_t>(n_tokens / kKvBlockTokens);
  const bool has_part = n_tokens % kKvBlockTokens != 0;
  if (has_part && free_blocks_.empty()) return kNoState;
  const StateId child = create();  // may move states_: look the parent up again
  State& to = state(child);
  const State& from = state(id);
  to.blocks.assign(from.blocks.begin(), from.blocks.begin() + static_cast<ptrdiff_t>(whole));
  for (const int32_t block : to.blocks) ++references_[static_cast<size_t>(block)];
  if (has_part) {
    to.blocks.push_back(take_block());
    copy_block(to.blocks.back(), from.blocks[whole]);
  }
  to.length = n_tokens;
  return child;
}

void KvCache::trim(StateId id, int32_t n_tokens) {
  State& s = state(id);
  JIANG_CHECK(n_tokens >= 0, "a length is not negative");
  s.length = std::min(s.length, n_tokens);
  while (s.blocks.size() > blocks_for(s.length)) {
    drop_block(s.blocks.back());
    s.blocks.pop_back();
  }
}

int32_t KvCache::length(StateId id) const { return state(id).length; }

void KvCache::set_length(StateId id, int32_t n_tokens) {
  State& s = state(id);
  JIANG_CHECK(n_tokens >= 0 && blocks_for(n_tokens) <= s.blocks.size(),
              "positions were reserved before they were written");
  s.length = n_tokens;
}

int64_t KvCache::free_tokens() const {
  return static_cast<int64_t>(free_blocks_.size()) * kKvBlockTokens;
}
int64_t KvCache::capacity_tokens() const { return n_blocks_ * kKvBlockTokens; }
uint64_t KvCache::bytes() const { return memory_.size(); }

KvLayer KvCache::layer(int index) const {
  JIANG_CHECK(index >= 0 && index < shape_.n_layers, "no such layer");
  return {.data = memory_.data() +
                  static_cast<size_t>(index) * static_cast<size_t>(n_blocks_) * block_bytes(),
          .type = shape_.type,
          .n_kv_heads = shape_.n_kv_heads,
          .head_dim = shape_.head_dim};
}

std::span<const int32_t> KvCache::blocks(StateId id) const { return state(id).blocks; }

}  // namespace jiang
