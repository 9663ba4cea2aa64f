// load_model: from a TensorSource to a Model.
#include <algorithm>
#include <cstring>

#include "base/suggest.h"
#include "model/adapters.h"
#include "model/config_reader.h"
#include "model/tensor_loader.h"

namespace jiang {
namespace {

Error at(const TensorSource& source, const Error& error) {
  if (error.message.starts_with(source.path())) return error;
  return fail(error.kind, "{}: {}", source.path(), error.message);
}

Result<ModelConfig> configure(const TensorSource& source, const Architecture& architecture,
                              int32_t context_length) {
  ModelConfig config;
  config.architecture = architecture.hf_names[0];
  config.model_type = architecture.model_type;
  const ConfigInput input{source.config(), source, context_length};
  Status status = architecture.configure(input, config);
  if (status) status = check_config(config);
  if (!status) return at(source, status.error());
  return config;
}

}  // namespace

Result<const Architecture*> find_architecture(const Json& config) {
  std::vector<std::string> names;
  const Json* listed = find_member(config, "architectures");
  if (listed && listed->is_array()) {
    for (const Json& name : *listed) {
      if (name.is_string()) names.push_back(name.get<std::string>());
    }
  }
  for (const Architecture* architecture : architectures()) {
    const auto knows = [&](const std::string& name) {
      return std::find(architecture->hf_names.begin(), architecture->hf_names.end(), name) !=
             architecture->hf_names.end();
    };
    if (std::any_of(names.begin(), names.end(), knows)) return architecture;
  }
  std::string type;
  if (const Json* found = find_member(config, "model_type"); found && found->is_string())
    type = found->get<std::string>();
  if (names.empty()) {
    for (const Architecture* architecture : architectures()) {
      if (architecture->model_type == type) return architecture;
    }
  }
  std::vector<std::string> known;
  for (const Architecture* architecture : architectures()) {
    known.insert(known.end(), architecture->hf_names.begin(), architecture->hf_names.end());
  }
  const std::string wanted = names.empty() ? type : names.front();
  if (wanted.empty()) {
    return fail(
        ErrorKind::bad_file,
        "config.json names neither \"architectures\" nor a \"model_type\" that jiang knows");
  }
  const auto close = suggest(wanted, known);
  std::string list;
  for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
  return fail(ErrorKind::unsupported, "architecture {} is not known{}; jiang runs {}", wanted,
              close ? fmt::format(", did you mean {}", *close) : "", list);
}

TensorView Model::hidden_states(const Batch&, Workspace&) const {
  JIANG_CHECK(false, "this model cannot train");
  return {};
}

int32_t default_context(const ModelConfig& config) {
  return std::min(config.max_position_embeddings, 8192);
}

bool is_all_finite(TensorView x) {
  for (int64_t i = 0; i < x.rows; ++i) {
    const float* row = x.row(i);
    // Inf and NaN have all exponent bits set: one integer comparison each, which compilers
    // vectorise.
    uint32_t worst = 0;
    for (int64_t c = 0; c < x.cols; ++c) {
      uint32_t bits;
      std::memcpy(&bits, row + c, sizeof bits);
      worst = std::max(worst, bits & 0x7fffffffu);
    }
    if (worst >= 0x7f800000u) return false;
  }
  return true;
}

Result<ModelConfig> read_model_config(const TensorSource& source) {
  const auto architecture = find_architecture(source.config());
  if (!architecture) return at(source, architecture.error());
  return configure(source, **architecture, 0);
}

Result<std::shared_ptr<const Model>> load_model(std::shared_ptr<const TensorSource> source,
                                                ThreadPool& pool, const LoadOptions& options) {
  const auto architecture = find_architecture(source->config());
  if (!architecture) return at(*source, architecture.error());
  TRY(const ModelConfig config, configure(*source, **architecture, options.context_length));
  TensorLoader loader(source, (*architecture)->names);
  TRY(const auto model,
      (*architecture)->build(**architecture, config, loader, [&](TensorLoader& asked) {
        return asked.finish(pool,
                            {.folder = options.packed_folder,
                             .least_bytes = options.packed_least_bytes,
                             .must_keep = options.must_keep_packed,
                             .before_packing = options.before_packing,
                             .note = options.note},
                            options.progress);
      }));
  TRY_STATUS(attach_adapters(*model, options.adapters, source->conventions()));
  return model;
}

}  // namespace jiang
