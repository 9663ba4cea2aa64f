// A Hugging Face folder (config.json and safetensors, single or sharded) behind TensorSource.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "weights/tensor_source.h"

namespace jiang {

// What the source does to what it finds, so that the rest of the program meets one spelling:
// - "text_config" of a model that also sees pictures becomes the config, and only the tensors of
// its
//   language model are there;
// - "rope_parameters" (transformers 5) becomes "rope_theta" and "rope_scaling";
// - the pooling of a sentence-transformers folder (1_Pooling/config.json) becomes "pooling_type";
// - GPT-2's and BERT's names get the prefix that some checkpoints leave away;
// - buffers, and heads that inference has no use for, are left out (the table is in the .cpp).
Result<std::shared_ptr<const TensorSource>> open_hf_folder(const std::string& path);

// model.safetensors.index.json: tensor -> file. Files are plain names in the same folder.
struct ShardIndex {
  std::vector<std::string> files;                       // distinct, sorted
  std::vector<std::pair<std::string, size_t>> tensors;  // name, index in files
};
Result<ShardIndex> parse_shard_index(std::string_view json, std::string_view where);

}  // namespace jiang
