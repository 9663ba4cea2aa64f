// Template text -> syntax tree, by jinja2's grammar. Nesting is bounded (kMaxNesting), so neither
// parsing nor walking the tree can exhaust the stack.
#pragma once

#include <string_view>

#include "base/result.h"
#include "text/jinja/ast.h"

namespace jiang::jinja {

inline constexpr int kMaxNesting = 200;
inline constexpr size_t kMaxTemplateBytes = size_t{1} << 20;

Result<Program> parse(std::string_view source);

}  // namespace jiang::jinja
