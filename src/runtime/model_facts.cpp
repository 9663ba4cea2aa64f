#include "runtime/model_facts.h"

#include <sys/stat.h>

#include <map>
#include <mutex>

#include "base/json_value.h"
#include "quant/weight_format.h"
#include "weights/tensor_source.h"

namespace jiang {
namespace {

struct Stamp {
  int64_t size = 0;
  int64_t seconds = 0;
  int64_t nanoseconds = 0;
  bool operator==(const Stamp&) const = default;
};

struct Known {
  Stamp stamp;
  std::optional<ModelFacts> facts;
};

// A folder's own time changes with the files in it.
std::optional<Stamp> stamp_of(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return std::nullopt;
  return Stamp{info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
}

std::optional<ModelFacts> read_facts(const std::string& path) {
  const auto source = open_tensor_source(path);
  if (!source) return std::nullopt;
  ModelFacts facts;
  std::map<Format, uint64_t> shares;
  for (const TensorInfo& tensor : (*source)->tensors()) {
    const auto n = static_cast<uint64_t>(tensor.shape.elements());
    facts.parameters += n;
    shares[tensor.format] += n;
  }
  uint64_t most = 0;
  for (const auto& [format, n] : shares) {
    if (n <= most) continue;
    most = n;
    facts.type = weight_format(format).name;
  }
  const Json& config = (*source)->config();
  if (const Json* type = find_member(config, "model_type"); type && type->is_string()) {
    facts.architecture = type->get<std::string>();
  }
  if (const Json* context = find_member(config, "max_position_embeddings");
      context && context->is_number_integer()) {
    facts.context = context->get<int32_t>();
  }
  return facts;
}

}  // namespace

std::optional<ModelFacts> model_facts(const std::string& path) {
  static std::mutex mutex;  // guards `known`
  static std::map<std::string, Known> known;
  const auto stamp = stamp_of(path);
  if (!stamp) return std::nullopt;
  {
    const std::lock_guard lock(mutex);
    const auto found = known.find(path);
    if (found != known.end() && found->second.stamp == *stamp) return found->second.facts;
  }
  auto facts = read_facts(path);
  const std::lock_guard lock(mutex);
  known[path] = {*stamp, facts};
  return facts;
}

}  // namespace jiang
