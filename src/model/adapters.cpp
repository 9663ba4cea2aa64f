#include "model/adapters.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "weights/adapter_file.h"

namespace jiang {
namespace {

// The linears that one matrix of the checkpoint became: itself, or the parts of a fused one.
using LinearsByName = std::unordered_map<std::string, std::vector<Linear*>>;

// Models are const for all but those who load them; these objects were not made const.
LinearsByName linears_of(const Model& model) {
  LinearsByName all;
  for (const ModelPart& part : model.parts()) {
    if (!part.linear || part.linear == model.output_head()) continue;
    all[part.name.substr(0, part.name.find(':'))].push_back(const_cast<Linear*>(part.linear));
  }
  return all;
}

Status attach(const LinearsByName& linears, const AdapterFile& file, size_t index) {
  for (const AdapterMatrix& matrix : file.matrices) {
    const auto found = linears.find(matrix.name);
    int64_t out = 0;
    bool fits = found != linears.end();
    for (size_t i = 0; fits && i < found->second.size(); ++i) {
      out += found->second[i]->out_features();
      fits = found->second[i]->in_features() == matrix.in;
    }
    if (!fits || out != matrix.out) {
      return fail(ErrorKind::invalid_argument,
                  "{}: {} ({} x {}) fits no projection of this model's layers", file.path,
                  matrix.name, matrix.out, matrix.in);
    }
    int64_t first = 0;  // row of the whole matrix
    for (Linear* linear : found->second) {
      LinearAdapter& adapter = linear->adapters[index];
      adapter.rank = matrix.rank;
      adapter.a = matrix.a;
      const int64_t rows = linear->out_features();
      adapter.b_columns.resize(static_cast<size_t>(matrix.rank * rows));
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t r = 0; r < matrix.rank; ++r) {
          adapter.b_columns[static_cast<size_t>(r * rows + row)] =
              matrix.scale * matrix.b[static_cast<size_t>((first + row) * matrix.rank + r)];
        }
      }
      first += rows;
    }
  }
  return ok();
}

}  // namespace

int32_t adapter_count(const Model& model) {
  size_t n = 0;
  for (const ModelPart& part : model.parts()) {
    if (part.linear) n = std::max(n, part.linear->adapters.size());
  }
  return static_cast<int32_t>(n);
}

Status attach_adapters(const Model& model, std::span<const std::string> paths,
                       const SourceConventions& conventions) {
  if (paths.empty()) return ok();
  const LinearsByName linears = linears_of(model);
  if (linears.empty()) {
    return fail(ErrorKind::unsupported, "adapters are for decoders, not for {}",
                model.config().architecture);
  }
  for (const auto& [name, parts] : linears) {
    for (Linear* linear : parts) linear->adapters.resize(paths.size());
  }
  for (size_t i = 0; i < paths.size(); ++i) {
    TRY(AdapterFile file, read_adapter_file(paths[i]));
    match_row_order(file, conventions, model.config().head_dim);
    TRY_STATUS(attach(linears, file, i));
  }
  return ok();
}

}  // namespace jiang
