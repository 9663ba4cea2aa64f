// Secrets: random tokens that nobody guesses. They are stored as their SHA-256 (base/sha256.h):
// 256 random bits need no salt and no slow hash.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace jiang {

// `bytes` from the operating system's generator, in URL-safe base64 without padding.
std::string random_token(size_t bytes = 32);
// Takes the same time wherever the two differ.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace jiang
