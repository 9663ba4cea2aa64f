// A text as the chunks that `jiang perplexity` and `jiang imatrix` run: as llama.cpp cuts it, so
// that figures can be compared.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/token.h"
#include "text/tokenizer.h"

namespace jiang {

// The file's tokens (after a bos where the model wants one) in consecutive chunks of n tokens; what
// is left at the end is dropped. In models with a bos, it takes the place of each chunk's first
// token. At most max_chunks of them, 0: all. A text of less than one chunk is an error.
Result<std::vector<std::vector<TokenId>>> evaluation_chunks(const std::string& path,
                                                            const Tokenizer& tokenizer, int32_t n,
                                                            int32_t max_chunks);

}  // namespace jiang
