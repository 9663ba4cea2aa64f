// Between GGUF's metadata keys and a Hugging Face config.json.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/metadata.h"
#include "base/result.h"
#include "weights/gguf_file.h"

namespace jiang {

// What HF's config.json of the same model would say. Some of it comes from the tensors: whether the
// head is tied, the size of the vocabulary, long rope's factors. A file without tensors (a
// vocabulary) may lack any key. `where` names the file in errors.
//
// Of an architecture that is not in gguf_names.cpp only the common keys are translated; its
// "architectures" is [] and its "model_type" GGUF's name.
Result<Json> config_from_gguf(const Metadata& metadata, std::span<const GgufTensorEntry> tensors,
                              std::string_view where);

// What HF's generation_config.json would say: ids of bos, eos (a list, with the end-of-turn ids),
// pad, and sampling values if the file has them.
Result<Json> generation_config_from_gguf(const Metadata& metadata);

}  // namespace jiang
