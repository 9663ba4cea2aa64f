// The catalogue of short names: catalogue/models.toml, beside the program's source or installation,
// and JIANG_HOME/catalogue.toml, whose entries come first.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hub/model_name.h"

namespace jiang {

struct CatalogueEntry {
  std::string name;                     // "qwen2:1.5b"
  std::string title;                    // "Qwen2 1.5B Instruct"
  std::string modelscope, huggingface;  // "org/model"; "" when it is not there
  uint64_t parameters = 0;
  uint64_t bytes = 0;  // of the safetensors, to be fetched
  std::string licence;
  std::string type;    // recommended
  bool gated = false;  // at Hugging Face
  bool embedding = false;
  // Of the quantised model: weights and K/V of 4096 tokens. An estimate.
  uint64_t quantised_bytes() const;
};

struct Catalogue {
  std::vector<CatalogueEntry> entries;
  const CatalogueEntry* find(std::string_view name) const;  // also "qwen2" -> its first entry
  std::vector<std::string> names() const;
};

Result<Catalogue> parse_catalogue(std::string_view toml, std::string_view where);
// An absent file is an empty catalogue.
Result<Catalogue> load_catalogue(const std::string& home,
                                 const std::string& binary = "/proc/self/exe");

// Average bits per weight of a type, for estimates: 5.2 for q4_k_m.
double bits_per_weight(std::string_view type);

}  // namespace jiang
