// TokenId: an index into a model's vocabulary. In base because text and model do not know each
// other.
#pragma once

#include <cstdint>

namespace jiang {

using TokenId = int32_t;

}  // namespace jiang
