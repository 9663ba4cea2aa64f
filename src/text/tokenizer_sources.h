// The readers behind load_text_assets(), one per kind of file. Each fills a TokenizerSpec.
#pragma once

#include <string>
#include <string_view>

#include "base/metadata.h"
#include "text/tokenizer_spec.h"

namespace jiang {

// tokenizer.ggml.* of a GGUF file.
Result<TokenizerSpec> read_gguf_vocabulary(const Metadata& metadata, std::string_view where);
// Hugging Face's tokenizer.json.
Result<TokenizerSpec> read_tokenizer_json(std::string_view text, std::string_view where);
// sentencepiece's model, a protobuf.
Result<TokenizerSpec> read_sentencepiece(std::string_view bytes, std::string_view where);
// tiktoken: lines of base64 and rank. The pattern is not in the file: `pre` names it.
Result<TokenizerSpec> read_tiktoken(std::string_view text, std::string_view pre,
                                    std::string_view where);
// GPT-2's pair of files; `pre` as above.
Result<TokenizerSpec> read_vocab_and_merges(std::string_view vocab_json,
                                            std::string_view merges_txt, std::string_view pre,
                                            std::string_view where);
// BERT's vocab.txt: one piece a line.
Result<TokenizerSpec> read_vocab_txt(std::string_view text, bool lowercase, std::string_view where);

// A folder or one file of it, with the configs beside it; and its template, "" if it has none.
Result<TokenizerSpec> read_tokenizer_folder(const std::string& path, std::string* chat_template);

// Splits text into lines; a last line without an end counts, an empty one does not. "\r\n" too.
std::vector<std::string_view> split_lines(std::string_view text);

// The steps that several readers share.
std::vector<NormalizerStep> bert_normalizer(bool clean, bool cjk, bool strip_accents,
                                            bool lowercase);
std::vector<PreTokenizerStep> bert_pre_tokenizer();

// Checks that (id, text) pairs number 0..n-1 without a gap or a double, and puts them in order.
Result<std::vector<std::string>> place_by_id(std::vector<std::pair<int64_t, std::string>> entries,
                                             std::string_view where);

}  // namespace jiang
