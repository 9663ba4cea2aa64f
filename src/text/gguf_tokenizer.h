// A Hugging Face folder's tokenizer as the tokenizer.* keys of a GGUF file, so that a quantised
// model carries its own vocabulary and llama.cpp reads it.
#pragma once

#include <string>

#include "base/metadata.h"
#include "base/result.h"

namespace jiang {

// `path`: a folder, or one file of it. An error says what of the tokenizer GGUF has no words for (a
// pattern that llama.cpp has no name for, a normalisation that it does not do).
//
// Three things are lost knowingly, as in llama.cpp's own conversion: the NFC that Qwen's tokenizers
// apply first, lstrip/rstrip of added tokens, and prefixes other than bos (ChatGLM's "[gMASK]sop",
// which its template has). A character BPE without sentencepiece model (a tokenizer.json alone)
// gets scores from the order of its merges; GGUF cannot forbid other ways to the same piece.
Result<Metadata> tokenizer_to_gguf_metadata(const std::string& path);

}  // namespace jiang
