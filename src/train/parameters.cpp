#include "train/parameters.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace jiang {

Parameter& ParameterSet::add(std::string name, int64_t rows, int64_t cols) {
  JIANG_CHECK(!find(name), "a parameter of this name is there: " + name);
  auto parameter = std::make_unique<Parameter>();
  parameter->name = std::move(name);
  parameter->rows = rows;
  parameter->cols = cols;
  for (Tensor* tensor :
       {&parameter->value, &parameter->gradient, &parameter->mean, &parameter->square})
    *tensor = Tensor(rows, cols);
  all_.push_back(std::move(parameter));
  return *all_.back();
}

void ParameterSet::add_all(const Model& model, ThreadPool& pool) {
  for (const ModelPart& part : model.parts()) {
    if (Parameter* shared = find(part.name)) {
      JIANG_CHECK(part.linear, "only a tied head shares its matrix");
      bindings.weights[part.linear] = shared;
      continue;
    }
    if (part.vector) {
      Parameter& p = add(part.name, 1, static_cast<int64_t>(part.vector->size()));
      p.is_vector = true;
      p.decays = false;
      std::copy(part.vector->begin(), part.vector->end(), p.value.view().data);
      bindings.vectors[part.vector->data()] = &p;
    } else if (part.table) {
      Parameter& p = add(part.name, part.table->rows, part.table->cols);
      pool.parallel_for(static_cast<size_t>(p.rows), 1, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
          part.table->dequantize_row(static_cast<int64_t>(i),
                                     p.value.view().row(static_cast<int64_t>(i)));
        }
      });
      bindings.tables[part.table] = &p;
    } else {
      const PackedMatrix& weight = part.linear->weight;
      Parameter& p = add(part.name, weight.rows(), weight.cols());
      pool.parallel_for(
          static_cast<size_t>(p.rows), kernels::kPanelRows, [&](size_t begin, size_t end) {
            weight.unpack_rows(p.value.view().rows_from(static_cast<int64_t>(begin),
                                                        static_cast<int64_t>(end - begin)),
                               static_cast<int64_t>(begin));
          });
      bindings.weights[part.linear] = &p;
    }
  }
}

Parameter* ParameterSet::find(std::string_view name) const {
  for (const auto& parameter : all_) {
    if (parameter->name == name) return parameter.get();
  }
  return nullptr;
}

size_t ParameterSet::count() const {
  size_t n = 0;
  for (const auto& parameter : all_) n += parameter->size();
  return n;
}

void ParameterSet::clear_gradients(ThreadPool& pool) {
  for (const auto& parameter : all_) {
    float* gradient = parameter->gradient.view().data;
    pool.parallel_for(parameter->size(), 4096, [&](size_t begin, size_t end) {
      std::memset(gradient + begin, 0, (end - begin) * sizeof(float));
    });
  }
}

}  // namespace jiang
