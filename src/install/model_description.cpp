#include "install/model_description.h"

#include "base/json_value.h"
#include "weights/tensor_source.h"

namespace jiang {
namespace {

Json info_of(const Metadata& metadata) {
  Json info = Json::object();
  for (const char* key : {"general.architecture", "general.name", "general.license"}) {
    if (const auto text = metadata.get_string(key)) info[key] = *text;
  }
  const auto architecture = metadata.get_string("general.architecture");
  if (!architecture) return info;
  for (const char* key : {".context_length", ".embedding_length", ".block_count",
                          ".attention.head_count", ".attention.head_count_kv"}) {
    const std::string name = *architecture + key;
    if (const auto number = metadata.get_int(name)) info[name] = *number;
  }
  return info;
}

}  // namespace

Result<ModelDescription> describe_model(const std::string& path) {
  TRY(const auto source, open_tensor_source(path));
  ModelDescription about;
  about.info = Json::object();
  for (const TensorInfo& tensor : source->tensors())
    about.parameters += static_cast<uint64_t>(tensor.shape.elements());
  if (source->metadata() != nullptr) {
    about.info = info_of(*source->metadata());
    const auto own = source->metadata()->get_string("tokenizer.chat_template");
    if (own) about.chat_template = *own;
  }
  const Json* type = find_member(source->config(), "model_type");
  about.is_encoder = type != nullptr && *type == "bert";
  return about;
}

}  // namespace jiang
