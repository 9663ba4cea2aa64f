// Checkpoints of a training run: parameters and the optimizer's state, so that a run that was
// killed goes on to the same numbers.
//
// One file: magic, version, length, a JSON header, the floats, a checksum of all before it. Written
// beside its name, synced and renamed: a reader sees the old one or the new one.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "train/parameters.h"

namespace jiang {

struct CheckpointState {
  uint64_t fingerprint = 0;  // of the recipe and the data
  int64_t step = 0;          // steps done
  double seconds = 0;        // spent on them
  double tokens = 0;         // seen by them
};

Status write_checkpoint(const std::string& path, const CheckpointState& state,
                        const ParameterSet& parameters);
// Fills the parameters, which must be those that were written.
Result<CheckpointState> read_checkpoint(const std::string& path, ParameterSet& parameters);

}  // namespace jiang
