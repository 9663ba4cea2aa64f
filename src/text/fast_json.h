// The big JSON files of tokenizers, read with simdjson: vocabularies of 10^5 entries straight into
// vectors, the rest of the document as a small JSON text. The only includer of <simdjson.h>.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/tokenizer_spec.h"

namespace jiang {

struct TokenizerJson {
  std::string rest;  // the document without model.vocab and model.merges
  std::vector<std::pair<int64_t, std::string>> vocabulary;  // id and piece
  std::vector<double> scores;  // by position; only where the vocabulary is a list (Unigram)
  std::vector<TokenizerSpec::MergeText> merges;
};

Result<TokenizerJson> parse_tokenizer_json(std::string_view text, std::string_view where);
// {"piece": id, ...}
Result<std::vector<std::pair<int64_t, std::string>>> parse_vocabulary_json(std::string_view text,
                                                                           std::string_view where);

}  // namespace jiang
