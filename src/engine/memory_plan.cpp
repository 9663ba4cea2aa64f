#include "engine/memory_plan.h"

#include <algorithm>
#include <limits>

#include "engine/draft_model.h"
#include "engine/scheduler.h"

namespace jiang {

namespace {

constexpr int32_t kDefaultContext = 8192;

uint64_t saturating_mul(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<uint64_t>::max() : product;
}

uint64_t saturating_add(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<uint64_t>::max() : sum;
}

Status check_options(const EngineOptions& options) {
  if (options.context < 0) {
    return fail(ErrorKind::invalid_argument,
                "a context of {} tokens makes no sense; give 1 or more, or 0 for the default",
                options.context);
  }
  if (options.max_sequences < 1 || options.max_sequences > 4096) {
    return fail(ErrorKind::invalid_argument, "max_sequences is {}, it must be between 1 and 4096",
                options.max_sequences);
  }
  if (options.max_batch_tokens < options.max_sequences || options.max_batch_tokens > (1 << 16)) {
    return fail(ErrorKind::invalid_argument,
                "max_batch_tokens is {}, it must be between max_sequences ({}) and {}",
                options.max_batch_tokens, options.max_sequences, 1 << 16);
  }
  if (options.kv_tokens < 0) {
    return fail(ErrorKind::invalid_argument, "kv_tokens is {}, it must be 0 (automatic) or more",
                options.kv_tokens);
  }
  return ok();
}

}  // namespace

std::string memory_text(uint64_t bytes) {
  const char* const units[] = {"kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(units)) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", value, value < 10 ? 1 : 0, units[unit]);
}

Result<MemoryPlan> plan_memory(const Model& model, const EngineOptions& options,
                               uint64_t machine_memory) {
  TRY_STATUS(check_options(options));
  const ModelConfig& config = model.config();
  const int32_t trained =
      config.max_position_embeddings > 0 ? config.max_position_embeddings : kDefaultContext;
  if (options.context > trained) {
    return fail(ErrorKind::invalid_argument,
                "a context of {} tokens was asked for, the model was trained for {}",
                options.context, trained);
  }
  MemoryPlan plan;
  plan.context = options.context > 0 ? options.context : std::min(trained, kDefaultContext);
  plan.budget = options.memory_budget > 0 ? options.memory_budget : machine_memory / 5 * 4;
  if (plan.budget == 0)
    plan.budget = std::numeric_limits<uint64_t>::max();  // the machine does not say

  const int32_t max_rows = config.is_encoder ? plan.context : options.max_batch_tokens;
  const Guessing guessing = options.lookup || options.draft ? Guessing::yes : Guessing::no;
  const int32_t n_logits = logit_rows(options.max_sequences, guessing);
  const int32_t max_wanted = config.is_encoder ? plan.context : n_logits;
  plan.workspace_bytes = model.workspace_bytes(max_rows, max_wanted);
  const uint64_t logits_bytes = saturating_mul(
      static_cast<uint64_t>(n_logits), static_cast<uint64_t>(config.vocab_size) * sizeof(float));
  const uint64_t draft_bytes = options.draft ? DraftModel::fixed_bytes(*options.draft) : 0;
  const uint64_t fixed = saturating_add(saturating_add(model.weight_bytes(), draft_bytes),
                                        saturating_add(plan.workspace_bytes, logits_bytes));
  if (config.is_encoder) {
    plan.committed = fixed;
    if (plan.committed <= plan.budget) return plan;
    return fail(ErrorKind::too_large,
                "the model needs {} of memory (weights {}, workspace {}), the budget is {}",
                memory_text(fixed), memory_text(model.weight_bytes()),
                memory_text(plan.workspace_bytes), memory_text(plan.budget));
  }

  // State for one sequence is needed, for all of them is welcome.
  // A draft model keeps its own of the same tokens.
  const uint64_t token_bytes = std::max<uint64_t>(
      1, model.state_bytes_per_token(options.kv_type) +
             (options.draft ? options.draft->state_bytes_per_token(options.kv_type) : 0));
  const int64_t least = plan.context;
  if (options.kv_tokens > 0 && options.kv_tokens < least) {
    return fail(ErrorKind::invalid_argument,
                "a state pool of {} tokens cannot hold one sequence of {} tokens (the context)",
                options.kv_tokens, least);
  }
  const int64_t for_all = model.state_tokens(plan.context) * options.max_sequences;
  const int64_t asked = options.kv_tokens > 0 ? options.kv_tokens : for_all;
  const uint64_t affordable = plan.budget > fixed ? (plan.budget - fixed) / token_bytes : 0;
  const int64_t needed = options.kv_tokens > 0 ? asked : least;
  if (affordable < static_cast<uint64_t>(needed)) {
    const uint64_t state = saturating_mul(static_cast<uint64_t>(needed), token_bytes);
    return fail(ErrorKind::too_large,
                "the model needs {} of memory (weights {}, state of {} tokens {}, workspace {}{}), "
                "the budget is {}; use a "
                "smaller context, a smaller type or a smaller model{}",
                memory_text(saturating_add(fixed, state)), memory_text(model.weight_bytes()),
                needed, memory_text(state), memory_text(plan.workspace_bytes),
                options.draft ? ", draft model " + memory_text(draft_bytes) : "",
                memory_text(plan.budget), options.draft ? ", or no draft model" : "");
  }
  plan.kv_tokens =
      static_cast<int64_t>(std::min<uint64_t>(affordable, static_cast<uint64_t>(asked)));
  plan.committed = fixed + static_cast<uint64_t>(plan.kv_tokens) * token_bytes;
  return plan;
}

}  // namespace jiang
