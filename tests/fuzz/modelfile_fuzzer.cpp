// Modelfiles, in both spellings: an error with words, or settings that survive being written.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "hub/modelfile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const bool is_toml : {false, true}) {
    const auto read =
        is_toml ? jiang::parse_modelfile_toml(text, "f") : jiang::parse_modelfile(text, "f");
    if (!read) {
      if (read.error().message.empty()) std::abort();
      continue;
    }
    const std::string written = jiang::modelfile_text(*read);
    const auto again = jiang::parse_modelfile(written, "f");
    if (!again || again->from != read->from || again->settings != read->settings) std::abort();
  }
  return 0;
}
