// Small made-up vocabularies in the forms that files have, for tests that need no real data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/metadata.h"

namespace jiang::tiny {

// GPT-2's byte alphabet, written out here on its own so that a slip in src/text shows.
inline std::string alphabet(std::string_view bytes) {
  std::string out;
  const auto append = [&](int character) {
    if (character < 0x80) {
      out += static_cast<char>(character);
    } else {
      out += static_cast<char>(0xC0 | (character >> 6));
      out += static_cast<char>(0x80 | (character & 0x3F));
    }
  };
  const auto is_itself = [](int b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  };
  for (const char c : bytes) {
    const int byte = static_cast<unsigned char>(c);
    int n_shifted = 0;
    for (int b = 0; b < byte; ++b) n_shifted += is_itself(b) ? 0 : 1;
    append(is_itself(byte) ? byte : 256 + n_shifted);
  }
  return out;
}

inline std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

struct Pair {
  std::string_view left;
  std::string_view right;
};
inline const std::vector<Pair> kMerges = {
    {"h", "e"},           {"l", "l"},   {"he", "ll"}, {"hell", "o"},  {" ", "w"},
    {"o", "r"},           {" w", "or"}, {"l", "d"},   {" wor", "ld"}, {"\xE4", "\xB8"},
    {"\xE4\xB8", "\xAD"}, {" ", " "},   {"a", "a"},   {"aa", "aa"}};

// 256 bytes, the merges above, then <|end|> (special) and <tool_call> (added, not special).
inline std::string byte_level_json() {
  std::string vocab;
  int id = 0;
  const auto add = [&](std::string_view bytes) {
    vocab += (id == 0 ? "" : ",") + json_string(alphabet(bytes)) + ":" + std::to_string(id);
    ++id;
  };
  for (int byte = 0; byte < 256; ++byte) add(std::string(1, static_cast<char>(byte)));
  std::string merges;
  for (const Pair& pair : kMerges) {
    add(std::string(pair.left) + std::string(pair.right));
    merges +=
        (merges.empty() ? "" : ",") + json_string(alphabet(pair.left) + " " + alphabet(pair.right));
  }
  const auto added = [](int token, const char* text, bool special) {
    return "{\"id\":" + std::to_string(token) + ",\"content\":\"" + text +
           "\",\"special\":" + (special ? "true" : "false") +
           ",\"lstrip\":false,\"rstrip\":false,\"single_word\":false,\"normalized\":false}";
  };
  return R"({"version":"1.0","added_tokens":[)" + added(id, "<|end|>", true) + "," +
         added(id + 1, "<tool_call>", false) + "," + added(id + 2, "<|begin|>", true) +
         R"(],"normalizer":null,"pre_tokenizer":{"type":"Sequence","pretokenizers":[
         {"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false},
         {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false}]},
         "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<|begin|>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
         "special_tokens":{"<|begin|>":{"id":"<|begin|>","ids":[)" +
         std::to_string(id + 2) + R"(],"tokens":["<|begin|>"]}}},
         "decoder":{"type":"ByteLevel"},"model":{"type":"BPE","dropout":null,"unk_token":null,"vocab":{)" +
         vocab + R"(},"merges":[)" + merges + "]}}";
}

// sentencepiece as GGUF has it: <unk> <s> </s>, 256 bytes, some pieces with scores.
inline Metadata llama_metadata() {
  Metadata metadata;
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<double> scores(3, 0);
  std::vector<int64_t> kinds = {2, 3, 3};
  for (int byte = 0; byte < 256; ++byte) {
    const char* hex = "0123456789ABCDEF";
    tokens.push_back(std::string("<0x") + hex[byte >> 4] + hex[byte & 15] + ">");
    scores.push_back(0);
    kinds.push_back(6);
  }
  double score = 0;
  for (const char* piece : {"\xE2\x96\x81"
                            "a",
                            "he",
                            "ll",
                            "hell",
                            "hello",
                            "\xE2\x96\x81hello",
                            "\xE2\x96\x81w",
                            "or",
                            "\xE2\x96\x81wor",
                            "\xE2\x96\x81world",
                            "ld",
                            "\xE2\x96\x81",
                            "h",
                            "e",
                            "l",
                            "o",
                            "w",
                            "r",
                            "d",
                            "a",
                            "\xE4\xB8\xAD"}) {
    tokens.emplace_back(piece);
    scores.push_back(score);
    kinds.push_back(1);
    score -= 1;
  }
  metadata.values["tokenizer.ggml.model"] = std::string("llama");
  metadata.values["tokenizer.ggml.tokens"] = tokens;
  metadata.values["tokenizer.ggml.scores"] = scores;
  metadata.values["tokenizer.ggml.token_type"] = kinds;
  return metadata;
}

inline std::string unigram_json(bool byte_fallback) {
  std::string vocab = R"(["<unk>",0.0],["</s>",0.0])";
  for (const char* piece :
       {R"(["\u2581",-3.0])", R"(["\u2581hello",-4.5])", R"(["hel",-5.0])", R"(["lo",-5.5])",
        R"(["\u2581wor",-5.0])", R"(["ld",-5.0])", R"(["h",-8.0])", R"(["e",-8.0])",
        R"(["l",-8.0])", R"(["o",-8.0])", R"(["a",-7.0])"}) {
    vocab += std::string(",") + piece;
  }
  for (int byte = 0; byte_fallback && byte < 256; ++byte) {
    const char* hex = "0123456789ABCDEF";
    vocab += std::string(",[\"<0x") + hex[byte >> 4] + hex[byte & 15] + ">\",-20.0]";
  }
  return R"({"added_tokens":[{"id":0,"content":"<unk>","special":true},{"id":1,"content":"</s>","special":true}],
          "normalizer":{"type":"NFKC"},"pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true},
          "decoder":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true},
          "post_processor":null,"model":{"type":"Unigram","unk_id":0,"byte_fallback":)" +
         std::string(byte_fallback ? "true" : "false") + R"(,"vocab":[)" + vocab + "]}}";
}

inline std::string wordpiece_vocabulary() {
  return "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nwor\n##ld\n##s\n,\n!\nun\n##aff\n##"
         "able\n\xE4\xB8\xAD\ncafe\n'\ns\n";
}

}  // namespace jiang::tiny
