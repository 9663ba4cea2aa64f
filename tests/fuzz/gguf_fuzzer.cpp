// A GGUF file from anywhere: parsed, translated, every tensor read to its last byte.
#include <cstdint>
#include <span>

#include "base/json_value.h"
#include "weights/gguf_config.h"
#include "weights/gguf_file.h"
#include "weights/gguf_names.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace jiang;
  const auto file = parse_gguf(std::as_bytes(std::span(data, size)), "fuzz.gguf");
  if (!file) {
    JIANG_CHECK(!file.error().message.empty(), "an error says something");
    return 0;
  }
  const auto config = config_from_gguf(file->metadata, file->tensors, "fuzz.gguf");
  const auto generation = generation_config_from_gguf(file->metadata);
  const GgufArchitecture* architecture = nullptr;
  if (config && generation) {
    (void)to_string(*config);
    architecture = find_gguf_architecture(*file->metadata.get_string("general.architecture"));
    if (architecture) (void)gguf_metadata_from_config(*config, "fuzz.json");
  }
  float row[256];
  for (const GgufTensorEntry& tensor : file->tensors) {
    JIANG_CHECK(!hf_tensor_name(architecture, tensor.name).empty(), "every tensor has a name");
    // The last block of the last row.
    const WeightFormat& format = weight_format(tensor.format);
    const auto last = tensor.bytes.last(static_cast<size_t>(format.block_bytes));
    format.dequantize(row, last.data(), format.block_size);
  }
  return 0;
}
