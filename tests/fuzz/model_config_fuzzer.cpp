// Any JSON as a model's config: an error or a config within bounds, never a crash and never an
// allocation that the file's numbers alone decide.
#include "base/check.h"
#include "base/json_value.h"
#include "model/model.h"

namespace jiang {
namespace {

// A model that has a config and no tensors.
class ConfigOnly final : public TensorSource {
 public:
  explicit ConfigOnly(Json config) : config_(std::move(config)) {}
  const std::string& path() const override { return path_; }
  const Json& config() const override { return config_; }
  const Json& generation_config() const override { return generation_config_; }
  const Metadata* metadata() const override { return nullptr; }
  const SourceConventions& conventions() const override { return conventions_; }
  std::span<const TensorInfo> tensors() const override { return {}; }
  const TensorInfo* find(std::string_view) const override { return nullptr; }
  bool still_whole() const override { return true; }

 private:
  std::string path_ = "fuzz";
  Json config_, generation_config_ = Json::object();
  SourceConventions conventions_;
};

}  // namespace
}  // namespace jiang

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace jiang;
  auto json = parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!json || !json->is_object()) return 0;
  const auto source = std::make_shared<ConfigOnly>(*std::move(json));
  const auto config = read_model_config(*source);
  if (config) {
    JIANG_CHECK(config->num_hidden_layers <= 512 && config->head_dim <= 512, "counts are bounded");
    JIANG_CHECK(config->num_attention_heads % config->num_key_value_heads == 0,
                "heads come in groups");
    JIANG_CHECK(default_context(*config) >= 1, "a model has a context");
  }
  static ThreadPool pool(1);
  JIANG_CHECK(!load_model(source, pool), "a model without tensors cannot load");
  return 0;
}
