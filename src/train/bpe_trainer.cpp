#include "train/bpe_trainer.h"

#include <algorithm>
#include <queue>

#include "base/json_value.h"
#include "base/unicode.h"
#include "text/byte_alphabet.h"
#include "text/known_patterns.h"

namespace jiang {
namespace {

constexpr int32_t kBytes = 256;

uint64_t pair_key(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}
int32_t left_of(uint64_t key) { return static_cast<int32_t>(key >> 32); }
int32_t right_of(uint64_t key) { return static_cast<int32_t>(key & 0xffffffffu); }

void count_text(PieceCounts& counts, std::string_view raw, TilingMatcher match) {
  const std::string text = normalize(replace_invalid_utf8(raw), Normalization::nfc);
  for (size_t at = 0; at < text.size();) {
    const size_t end = match(text, at);
    ++counts[text.substr(at, end - at)];
    at = end;
  }
}

// The parts of a text between special tokens.
template <class F>
void each_part(std::string_view text, const std::vector<std::string>& specials, F use) {
  while (!text.empty()) {
    size_t first = std::string_view::npos, length = 0;
    for (const std::string& special : specials) {
      const size_t at = special.empty() ? std::string_view::npos : text.find(special);
      if (at < first) first = at, length = special.size();
    }
    if (first == std::string_view::npos) return use(text);
    use(text.substr(0, first));
    text.remove_prefix(first + length);
  }
}

class BpeTrainer {
 public:
  BpeTrainer(const PieceCounts& pieces, const BpeTrainerOptions& options) : options_(options) {
    for (int i = 0; i < kBytes; ++i) result_.tokens.push_back(std::string(1, static_cast<char>(i)));
    // In one order on every machine.
    std::vector<const PieceCounts::value_type*> sorted;
    for (const auto& piece : pieces) sorted.push_back(&piece);
    std::sort(sorted.begin(), sorted.end(),
              [](const auto* a, const auto* b) { return a->first < b->first; });
    for (const auto* piece : sorted) {
      Word word{{}, piece->second};
      for (const char c : piece->first) word.symbols.push_back(static_cast<uint8_t>(c));
      const auto index = static_cast<uint32_t>(words_.size());
      for (size_t i = 0; i + 1 < word.symbols.size(); ++i)
        change(word.symbols[i], word.symbols[i + 1], static_cast<int64_t>(word.count), index);
      words_.push_back(std::move(word));
    }
    for (const auto& [key, pair] : pairs_) queue_.push({pair.count, key});
  }

  TrainedBpe train() {
    while (static_cast<int32_t>(result_.tokens.size()) < options_.vocab_size && !queue_.empty()) {
      const Entry best = queue_.top();
      queue_.pop();
      const auto found = pairs_.find(best.key);
      const int64_t count = found == pairs_.end() ? 0 : found->second.count;
      if (count != best.count) {  // out of date: it goes back where it belongs now
        if (count > 0) queue_.push({count, best.key});
        continue;
      }
      if (static_cast<uint64_t>(count) < std::max<uint64_t>(options_.min_count, 1)) break;
      std::string bytes = result_.tokens[static_cast<size_t>(left_of(best.key))] +
                          result_.tokens[static_cast<size_t>(right_of(best.key))];
      if (options_.max_token_bytes > 0 &&
          bytes.size() > static_cast<size_t>(options_.max_token_bytes)) {
        continue;  // the pair stays two tokens for good
      }
      merge(best.key, std::move(bytes));
      if (options_.progress)
        options_.progress(static_cast<int32_t>(result_.tokens.size()), options_.vocab_size);
    }
    return std::move(result_);
  }

 private:
  struct Word {
    std::vector<int32_t> symbols;
    uint64_t count;
  };
  struct Pair {
    int64_t count = 0;
    std::vector<uint32_t> words;  // where it was seen; perhaps no longer there, perhaps twice
  };
  struct Entry {
    int64_t count;
    uint64_t key;
    bool operator<(const Entry& other) const {
      return count != other.count ? count < other.count : key > other.key;
    }
  };

  void change(int32_t left, int32_t right, int64_t by, uint32_t word) {
    Pair& pair = pairs_[pair_key(left, right)];
    pair.count += by;
    if (by > 0 && (pair.words.empty() || pair.words.back() != word)) pair.words.push_back(word);
  }

  void merge(uint64_t key, std::string bytes) {
    const int32_t left = left_of(key), right = right_of(key);
    const auto merged = static_cast<int32_t>(result_.tokens.size());
    result_.tokens.push_back(std::move(bytes));
    result_.merges.push_back({left, right});
    const std::vector<uint32_t> where = std::move(pairs_[key].words);
    std::vector<uint64_t> touched;
    for (const uint32_t index : where) {
      Word& word = words_[index];
      const auto count = static_cast<int64_t>(word.count);
      std::vector<int32_t>& s = word.symbols;
      size_t out = 0;
      for (size_t i = 0; i < s.size();) {
        if (i + 1 >= s.size() || s[i] != left || s[i + 1] != right) {
          s[out++] = s[i++];
          continue;
        }
        if (out > 0) {
          change(s[out - 1], left, -count, index);
          change(s[out - 1], merged, count, index);
          touched.push_back(pair_key(s[out - 1], merged));
        }
        if (i + 2 < s.size()) {
          change(right, s[i + 2], -count, index);
          // The neighbour may be merged next; then its pair is counted away again.
          change(merged, s[i + 2], count, index);
          touched.push_back(pair_key(merged, s[i + 2]));
        }
        s[out++] = merged;
        i += 2;
      }
      s.resize(out);
    }
    pairs_.erase(key);
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    for (const uint64_t pair : touched) {
      const auto found = pairs_.find(pair);
      if (found != pairs_.end() && found->second.count > 0)
        queue_.push({found->second.count, pair});
    }
  }

  const BpeTrainerOptions& options_;
  TrainedBpe result_;
  std::vector<Word> words_;
  std::unordered_map<uint64_t, Pair> pairs_;
  std::priority_queue<Entry> queue_;
};

}  // namespace

PieceCounts count_pieces(const std::vector<std::string_view>& texts,
                         const std::vector<std::string>& specials, ThreadPool& pool) {
  const TilingMatcher match = find_known_pattern(patterns::kQwen2);
  std::vector<PieceCounts> counts(static_cast<size_t>(pool.size()));
  pool.run([&](int thread) {
    const auto step = static_cast<size_t>(pool.size());
    for (auto i = static_cast<size_t>(thread); i < texts.size(); i += step) {
      each_part(texts[i], specials, [&](std::string_view part) {
        count_text(counts[static_cast<size_t>(thread)], part, match);
      });
    }
  });
  for (size_t i = 1; i < counts.size(); ++i) {
    for (const auto& [piece, count] : counts[i]) counts[0][piece] += count;
  }
  return std::move(counts[0]);
}

Result<TrainedBpe> train_bpe(const PieceCounts& pieces, const BpeTrainerOptions& options) {
  if (options.vocab_size < kBytes) {
    return fail(ErrorKind::invalid_argument,
                "a vocabulary of {} tokens has no room for the {} bytes and the special tokens",
                options.vocab_size, kBytes);
  }
  if (pieces.empty()) return fail(ErrorKind::invalid_argument, "there is no text to learn from");
  return BpeTrainer(pieces, options).train();
}

std::string tokenizer_json_of(const TrainedBpe& bpe, const std::vector<std::string>& specials) {
  Json vocab = Json::object();
  for (size_t i = 0; i < bpe.tokens.size(); ++i) vocab[to_byte_alphabet(bpe.tokens[i])] = i;
  Json merges = Json::array();
  for (const auto& [left, right] : bpe.merges) {
    merges.push_back(to_byte_alphabet(bpe.tokens[static_cast<size_t>(left)]) + " " +
                     to_byte_alphabet(bpe.tokens[static_cast<size_t>(right)]));
  }
  Json added = Json::array();
  for (size_t i = 0; i < specials.size(); ++i) {
    added.push_back({{"id", bpe.tokens.size() + i},
                     {"content", specials[i]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", false},
                           {"use_regex", false}};
  const Json json = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added},
      {"normalizer", {{"type", "NFC"}}},
      {"pre_tokenizer",
       {{"type", "Sequence"},
        {"pretokenizers", Json::array({{{"type", "Split"},
                                        {"pattern", {{"Regex", std::string(patterns::kQwen2)}}},
                                        {"behavior", "Isolated"},
                                        {"invert", false}},
                                       byte_level})}}},
      {"post_processor", byte_level},
      {"decoder", byte_level},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", ""},
        {"end_of_word_suffix", ""},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"vocab", vocab},
        {"merges", merges}}},
  };
  return to_string(json, 1) + "\n";
}

}  // namespace jiang
