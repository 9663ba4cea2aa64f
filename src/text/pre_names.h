// The names that GGUF files give to pre-tokenizers (tokenizer.ggml.pre), and the patterns behind
// them (decision 21). An unknown name is an error, never a guess.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/pre_tokenizer.h"

namespace jiang {

struct PreName {
  std::string_view name;
  std::vector<std::string_view> patterns;  // each cuts what the ones before it left
  bool ignore_merges = false;
  bool add_bos = false;     // unless the file says otherwise
  bool word_marks = false;  // characters and U+2581 instead of the byte alphabet (Gemma 4)
};

Result<PreName> find_pre_name(std::string_view name, std::string_view where);
// The steps that isolate the matches of each pattern in turn.
Result<std::vector<PreTokenizerStep>> make_pattern_steps(std::span<const std::string_view> patterns,
                                                         std::string_view where);
// The way back, for writing a GGUF: the name that llama.cpp gives to these patterns.
std::optional<std::string_view> name_of_patterns(const std::vector<std::string>& patterns,
                                                 bool ignore_merges);
// By tokenizer_class or model_type, for folders whose files hold no pattern (vocab.json +
// merges.txt): the name of their pattern.
std::optional<std::string_view> pre_name_of_class(std::string_view class_or_type);

}  // namespace jiang
