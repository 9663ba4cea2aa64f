// Every family that jiang runs. A file of this folder that is not listed fails a test.
#include "model/architecture.h"

namespace jiang {

extern const Architecture kBert;
extern const Architecture kChatGlm;
extern const Architecture kGemma2;
extern const Architecture kGemma3;
extern const Architecture kGlm;
extern const Architecture kGlm4;
extern const Architecture kGpt2;
extern const Architecture kLlama;
extern const Architecture kMistral;
extern const Architecture kPhi3;
extern const Architecture kQwen2;
extern const Architecture kQwen3;

namespace {

constexpr const Architecture* kArchitectures[] = {
    &kBert, &kChatGlm, &kGemma2,  &kGemma3, &kGlm,   &kGlm4,
    &kGpt2, &kLlama,   &kMistral, &kPhi3,   &kQwen2, &kQwen3,
};

}  // namespace

std::span<const Architecture* const> architectures() { return kArchitectures; }

}  // namespace jiang
