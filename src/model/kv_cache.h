// KvCache: the paged kind of StatePool. Keys and values of every layer lie in blocks of
// kKvBlockTokens tokens; a sequence owns a table of block numbers, and sequences that begin alike
// share blocks by reference count. A block number means the same tokens in every layer.
//
// Memory is reserved for the whole capacity and touched only as tokens come.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "model/sequence_state.h"
#include "ops/arena.h"
#include "ops/attention.h"

namespace jiang {

struct KvCacheShape {
  int32_t n_layers = 0;
  int32_t n_kv_heads = 0;
  int32_t head_dim = 0;
  KvType type = KvType::f16;

  uint64_t bytes_per_token() const;  // all layers
};

class KvCache final : public StatePool {
 public:
  static Result<std::unique_ptr<KvCache>> create(const KvCacheShape& shape,
                                                 int64_t capacity_tokens);
  // The tokens of the blocks that hold n_tokens.
  static int64_t whole_blocks(int64_t n_tokens);

  StateId create() override;
  void free(StateId state) override;
  bool reserve(StateId state, int32_t n_tokens) override;
  int64_t tokens_to_reserve(StateId state, int32_t n_tokens) const override;
  StateId fork(StateId state, int32_t n_tokens) override;
  void trim(StateId state, int32_t n_tokens) override;
  int32_t length(StateId state) const override;
  void set_length(StateId state, int32_t n_tokens) override;
  int64_t free_tokens() const override;
  int64_t capacity_tokens() const override;
  uint64_t bytes() const override;

  KvLayer layer(int index) const;
  // Valid until the state is reserved, trimmed or freed.
  std::span<const int32_t> blocks(StateId state) const;
  const KvCacheShape& shape() const { return shape_; }

 private:
  struct State {
    std::vector<int32_t> blocks;
    int32_t length = 0;
    bool is_alive = false;
  };

  KvCache(const KvCacheShape& shape, int64_t n_blocks);
  size_t block_bytes() const;  // of one layer
  int32_t take_block();
  void drop_block(int32_t block);
  void copy_block(int32_t to, int32_t from);
  State& state(StateId id);
  const State& state(StateId id) const;

  KvCacheShape shape_;
  int64_t n_blocks_;
  ReservedMemory memory_;             // (n_layers, n_blocks, block_bytes)
  std::vector<int32_t> references_;   // (n_blocks)
  std::vector<int32_t> free_blocks_;  // a stack; low numbers on top at first
  std::vector<State> states_;
  std::vector<StateId> free_states_;
};

}  // namespace jiang
