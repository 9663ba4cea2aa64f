#include "kernels/training.h"

namespace jiang::kernels {

extern const TrainingTable kScalarTraining;
#if defined(__x86_64__)
extern const TrainingTable kAvx2Training;
extern const TrainingTable kAvx512Training;
#endif

const TrainingTable* training_table_of(Level level) {
  if (!table_of(level)) return nullptr;
#if defined(__x86_64__)
  if (level >= Level::avx512) return &kAvx512Training;
  if (level >= Level::avx2) return &kAvx2Training;
#endif
  return &kScalarTraining;
}

const TrainingTable& training_table() { return *training_table_of(level()); }

}  // namespace jiang::kernels
