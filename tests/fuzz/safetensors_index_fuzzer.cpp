// A model.safetensors.index.json from anywhere.
#include <cstdint>
#include <string_view>

#include "weights/hf_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace jiang;
  const auto index = parse_shard_index({reinterpret_cast<const char*>(data), size}, "fuzz.json");
  if (!index) {
    JIANG_CHECK(!index.error().message.empty(), "an error says something");
    return 0;
  }
  for (const auto& [name, file] : index->tensors)
    JIANG_CHECK(file < index->files.size(), "every tensor has a file");
  for (const std::string& file : index->files) {
    JIANG_CHECK(file.find('/') == std::string::npos && file.ends_with(".safetensors"),
                "no file of another folder");
  }
  return 0;
}
