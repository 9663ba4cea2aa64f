#include "text/regex.h"

#include "base/unicode.h"
#include "text/pcre2_wrapper.h"

namespace jiang {
namespace {

constexpr size_t kMaxPatternBytes = 64 << 10;
constexpr uint32_t kMaxParentheses = 100;
// Work per match attempt. A run of a million characters of one class is an honest match.
constexpr uint32_t kMatchLimit = 20'000'000;
constexpr uint32_t kHeapLimitKib = 256 << 10;
constexpr size_t kJitStackBytes = size_t{4} << 20;

}  // namespace

Pcre2Ptr<pcre2_code> pcre2_compile_utf(std::string_view pattern, std::string* problem) {
  const Pcre2Ptr<pcre2_compile_context> context(pcre2_compile_context_create(nullptr));
  // Oniguruma's line end is "\n" alone, and its ^ and $ match at every line.
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(context.get(), kMaxParentheses);
  int code = 0;
  size_t offset = 0;
  Pcre2Ptr<pcre2_code> compiled(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code,
                    &offset, context.get()));
  if (!compiled && problem) {
    unsigned char text[160] = {};
    pcre2_get_error_message(code, text, sizeof text);
    *problem = fmt::format("{} (at byte {})", reinterpret_cast<const char*>(text), offset);
  }
  return compiled;
}

bool pcre2_accepts(std::string_view pattern) {
  return pcre2_compile_utf(pattern, nullptr) != nullptr;
}

struct Regex::Code {
  Pcre2Ptr<pcre2_code> compiled;
};

Result<Regex> Regex::compile(std::string_view pattern, std::string_view where) {
  if (pattern.size() > kMaxPatternBytes) {
    return fail(ErrorKind::bad_file, "{}: a pattern of {} bytes, at most {} are allowed", where,
                pattern.size(), kMaxPatternBytes);
  }
  if (!is_valid_utf8(pattern)) return fail(ErrorKind::bad_file, "{}: pattern is not UTF-8", where);
  TRY(const std::string translated, translate_pattern(pattern, where));
  std::string problem;
  auto code = std::make_shared<Code>();
  code->compiled = pcre2_compile_utf(translated, &problem);
  if (!code->compiled) {
    return fail(ErrorKind::bad_file, "{}: pattern \"{}\" does not compile: {}", where,
                pattern.substr(0, 200), problem);
  }
  pcre2_jit_compile(code->compiled.get(), PCRE2_JIT_COMPLETE);  // without JIT it is slower only
  Regex regex;
  regex.code_ = std::move(code);
  return regex;
}

struct Regex::Session::Scratch {
  const pcre2_code* code = nullptr;
  Pcre2Ptr<pcre2_match_data> match;
  Pcre2Ptr<pcre2_match_context> context;
  Pcre2Ptr<pcre2_jit_stack> stack;
};

Regex::Session::Session(const Regex& regex) : scratch_(std::make_unique<Scratch>()) {
  scratch_->code = regex.code_->compiled.get();
  scratch_->match.reset(pcre2_match_data_create_from_pattern(scratch_->code, nullptr));
  scratch_->context.reset(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(scratch_->context.get(), kMatchLimit);
  pcre2_set_heap_limit(scratch_->context.get(), kHeapLimitKib);
}

Regex::Session::~Session() = default;

bool Regex::Session::for_each_match(std::string_view text,
                                    FunctionRef<void(size_t, size_t)> found) {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  pcre2_match_data* match = scratch_->match.get();
  pcre2_match_context* context = scratch_->context.get();
  const auto try_match = [&](size_t at, uint32_t options) {
    return pcre2_match(scratch_->code, subject, text.size(), at, options, match, context);
  };
  const PCRE2_SIZE* span = pcre2_get_ovector_pointer(match);
  size_t at = 0;
  while (at <= text.size()) {
    int n = try_match(at, PCRE2_NO_UTF_CHECK);
    if (n == PCRE2_ERROR_JIT_STACKLIMIT && !scratch_->stack) {
      // Groups that repeat many times need more than the default 32 KiB.
      scratch_->stack.reset(pcre2_jit_stack_create(64 << 10, kJitStackBytes, nullptr));
      if (scratch_->stack) pcre2_jit_stack_assign(context, nullptr, scratch_->stack.get());
      n = try_match(at, PCRE2_NO_UTF_CHECK);
    }
    if (n == PCRE2_ERROR_JIT_STACKLIMIT) n = try_match(at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT);
    if (n == PCRE2_ERROR_NOMATCH) return true;
    if (n < 0) return false;
    const size_t begin = span[0];
    const size_t end = span[1];
    if (end < begin) return false;  // only \K in a lookaround could do that, and \K is refused
    found(begin, end);
    if (end > begin) {
      at = end;
    } else if (end < text.size()) {
      at = end + static_cast<size_t>(decode_utf8(text.substr(end)).length);
    } else {
      return true;
    }
  }
  return true;
}

}  // namespace jiang
