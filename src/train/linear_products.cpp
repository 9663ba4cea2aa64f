#include "train/linear_products.h"

#include <algorithm>

namespace jiang {

void LinearProducts::forget() {
  for (Named* slot : {&x_rows_, &x_columns_, &forward_, &backward_}) {
    slot->name = 0;
    slot->weight = nullptr;
  }
}

const Bf16Factor& LinearProducts::input(Named& slot, FactorSide side, GemmOperand x, Name name,
                                        ThreadPool& pool) {
  if (name == 0 || slot.name != name) slot.factor.pack(side, x, pool);
  slot.name = name;
  return slot.factor;
}

const Bf16Factor& LinearProducts::weight_factor(Named& slot, GemmOperand weight, ThreadPool& pool) {
  if (slot.weight != weight.stored.data) slot.factor.pack(FactorSide::right, weight, pool);
  slot.weight = weight.stored.data;
  return slot.factor;
}

void LinearProducts::forward(TensorView y, TensorView x, Name x_name, TensorView weight,
                             ThreadPool& pool) {
  if (compute_ == Compute::f32)
    return gemm(y, plain(x), transposed(weight), GemmMode::overwrite, memory_, pool);
  const Bf16Factor& rows = input(x_rows_, FactorSide::left, plain(x), x_name, pool);
  multiply(y, rows, weight_factor(forward_, transposed(weight), pool), GemmMode::overwrite, pool);
}

void LinearProducts::backward(TensorView dx, GemmMode mode, TensorView dweight, TensorView dy,
                              TensorView x, Name x_name, TensorView weight, ThreadPool& pool) {
  if (compute_ == Compute::f32) {
    if (dx.data) gemm(dx, plain(dy), plain(weight), mode, memory_, pool);
    gemm(dweight, transposed(dy), plain(x), GemmMode::accumulate, memory_, pool);
    return;
  }
  if (dx.data) {
    Bf16Factor::pack_both(dy_rows_, dy_columns_, dy, pool);
    multiply(dx, dy_rows_, weight_factor(backward_, plain(weight), pool), mode, pool);
  } else {
    dy_columns_.pack(FactorSide::left, transposed(dy), pool);
  }
  const Bf16Factor& columns = input(x_columns_, FactorSide::right, plain(x), x_name, pool);
  multiply(dweight, dy_columns_, columns, GemmMode::accumulate, pool);
}

void LinearProducts::backward_input(TensorView dx, GemmMode mode, TensorView dy, TensorView weight,
                                    ThreadPool& pool) {
  if (compute_ == Compute::f32) return gemm(dx, plain(dy), plain(weight), mode, memory_, pool);
  dy_rows_.pack(FactorSide::left, plain(dy), pool);
  passing_.pack(FactorSide::right, plain(weight), pool);
  multiply(dx, dy_rows_, passing_, mode, pool);
}

void LinearProducts::count(int64_t rows, int64_t in, int64_t out) {
  if (compute_ == Compute::f32) return;
  x_bytes_ = std::max(x_bytes_, Bf16Factor::bytes_for(rows, in));
  dy_bytes_ = std::max(dy_bytes_, Bf16Factor::bytes_for(rows, out));
  weight_bytes_ = std::max(weight_bytes_, Bf16Factor::bytes_for(out, in));
}

}  // namespace jiang
