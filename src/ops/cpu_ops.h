// CpuOps: Ops executed at once on the compute threads, with the kernels of the chosen ISA level.
//
// Bit-identical for any thread count, and each row's result does not depend on the other rows of
// the batch (decision 5): every kernel accumulates in one order with one rounding for every M.
#pragma once

#include <memory>

#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "ops/ops.h"

namespace jiang {

// `arena_bytes` bounds what one step may allocate; exceeding it is a BugError (the caller computed
// the bound from the model's shape and its largest batch). Memory is touched only as it is used.
std::unique_ptr<Ops> make_cpu_ops(ThreadPool& pool, size_t arena_bytes,
                                  LinearObserver* observer = nullptr);

// The arena bytes that `pass` needs, exactly: it is run on Ops that hand out addresses and compute
// nothing (so it must not look at the values of its tensors).
size_t measure_arena(FunctionRef<void(Ops&)> pass);

}  // namespace jiang
