// Byte-level BPE from text (Sennrich et al., arXiv 1508.07909): the most frequent pair of
// neighbours becomes one symbol, until the vocabulary is full.
//
// The same counts give the same merges on every machine: ties go to the smaller pair of ids.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"

namespace jiang {

// How often each piece of the pre-tokenizer occurs.
using PieceCounts = std::unordered_map<std::string, uint64_t>;

// Pieces of `texts` as Qwen2's tokenizer cuts them (after NFC), without those in `specials`.
PieceCounts count_pieces(const std::vector<std::string_view>& texts,
                         const std::vector<std::string>& specials, ThreadPool& pool);

struct BpeTrainerOptions {
  int32_t vocab_size = 8192;     // with the 256 bytes, without special tokens
  int32_t max_token_bytes = 24;  // no longer tokens (Chinese sentences are one piece); 0: any
  uint64_t min_count = 2;        // rarer pairs are not merged
  std::function<void(int32_t done, int32_t total)> progress = {};
};

// Tokens 0..255 are the bytes; merge i makes token 256 + i.
struct TrainedBpe {
  std::vector<std::string> tokens;                  // their bytes
  std::vector<std::pair<int32_t, int32_t>> merges;  // ids
};
// Fewer tokens than asked for when no pair is frequent enough: the caller says so.
Result<TrainedBpe> train_bpe(const PieceCounts& pieces, const BpeTrainerOptions& options);

// tokenizer.json as Hugging Face's tokenizers reads it: Qwen2's normalizer, pattern and decoder.
// Special tokens follow the vocabulary.
std::string tokenizer_json_of(const TrainedBpe& bpe, const std::vector<std::string>& specials);

}  // namespace jiang
