// Every family that jiang runs. A file of this folder that is not listed fails a test.
#include "model/architecture.h"

namespace jiang {

extern const Architecture kLlama;
extern const Architecture kQwen2;

namespace {

constexpr const Architecture* kArchitectures[] = {
    &kLlama,
    &kQwen2,
};

}  // namespace

std::span<const Architecture* const> architectures() { return kArchitectures; }

}  // namespace jiang
