// The only includer of <pcre2.h>: owners for its handles.
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <memory>
#include <string>
#include <string_view>

namespace jiang {

struct Pcre2Free {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
  void operator()(pcre2_compile_context* p) const { pcre2_compile_context_free(p); }
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
  void operator()(pcre2_jit_stack* p) const { pcre2_jit_stack_free(p); }
};
template <class T>
using Pcre2Ptr = std::unique_ptr<T, Pcre2Free>;

// Compiles `pattern` (PCRE2's dialect, UTF, Unicode properties); null and `problem` on error.
Pcre2Ptr<pcre2_code> pcre2_compile_utf(std::string_view pattern, std::string* problem);
bool pcre2_accepts(std::string_view pattern);

}  // namespace jiang
