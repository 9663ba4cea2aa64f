// train_bench [THREADS [STEPS [f32|bf16 [SHAPE]]]]: tokens per second of training, forward,
// backward and AdamW, at two shapes: the decoder that tools/train_oracle.py times in PyTorch
// ("oracle"), and the bundled model's ("craftsman"). Both ways of multiplying unless one is named.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/json_value.h"
#include "model/model.h"
#include "multiply_add_limit.h"
#include "train/loss.h"
#include "train/new_model.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/parameters.h"

namespace {

using namespace jiang;
using bench::print_limits;
using bench::seconds;

struct Decoder {
  const char* name;
  int64_t hidden, ffn, layers, heads, kv_heads, vocab, length, sequences, sequences_per_pass;
  bool is_tied;
};
constexpr Decoder kDecoders[] = {
    {"oracle", 256, 768, 6, 4, 4, 8192, 256, 16, 4, true},
    {"craftsman", 256, 768, 6, 4, 2, 6144, 1024, 2, 2, false},
};

void run(const Decoder& shape, ThreadPool& pool, int steps, Compute compute) {
  const Json config = {{"architectures", {"Qwen2ForCausalLM"}},
                       {"model_type", "qwen2"},
                       {"hidden_size", shape.hidden},
                       {"intermediate_size", shape.ffn},
                       {"num_hidden_layers", shape.layers},
                       {"num_attention_heads", shape.heads},
                       {"num_key_value_heads", shape.kv_heads},
                       {"max_position_embeddings", 2048},
                       {"vocab_size", shape.vocab},
                       {"rms_norm_eps", 1e-6},
                       {"tie_word_embeddings", shape.is_tied}};
  const auto model = *load_model(*make_new_model(config, 1), pool);
  ParameterSet parameters;
  parameters.add_all(*model, pool);
  auto owned = std::make_unique<Tape>(pool, parameters.bindings, size_t{4} << 30, compute);
  Tape& tape = *owned;
  Workspace work(std::move(owned));
  const OptimizerOptions options{.learning_rate = 1e-3f, .total_steps = 1000};
  double best = 0, loss = 0;
  uint32_t state = 1;
  const auto rows = shape.length * shape.sequences;
  for (int step = 1; step <= steps; ++step) {
    std::vector<TrainingBatch> batches;
    for (int64_t first = 0; first < shape.sequences; first += shape.sequences_per_pass) {
      TrainingBatch batch;
      for (int64_t s = 0; s < shape.sequences_per_pass; ++s) {
        std::vector<TokenId> ids;
        for (int64_t i = 0; i <= shape.length; ++i) {
          state = state * 1664525u + 1013904223u;
          ids.push_back(static_cast<TokenId>((state >> 8) % static_cast<uint32_t>(shape.vocab)));
        }
        const int32_t row = batch.add({ids.data(), static_cast<size_t>(shape.length)});
        for (int32_t i = 0; i < shape.length; ++i)
          batch.targets.push_back(
              {row + i, ids[static_cast<size_t>(i) + 1], 1 / static_cast<float>(rows)});
      }
      batches.push_back(std::move(batch));
    }
    const double start = seconds();
    parameters.clear_gradients(pool);
    loss = 0;
    for (const TrainingBatch& batch : batches) {
      tape.begin(TapeMode::remember_all, 0);
      const TensorView hidden = run_model(work, *model, batch);
      std::vector<float> losses(batch.targets.size());
      backward_losses(tape, hidden, *model, batch.targets, losses);
      tape.backward();
      for (const float value : losses) loss += value / static_cast<double>(rows);
    }
    adamw_step(parameters, options, step, gradient_norm(parameters, pool), pool);
    best = std::max(best, static_cast<double>(rows) / (seconds() - start));
  }
  // Multiply-adds of matrices forward and twice backward, and of causal attention 2 + 5 products.
  const auto n = static_cast<double>(parameters.count());
  const double attention = 7.0 * static_cast<double>(shape.layers * shape.hidden * shape.length);
  const double flops = 6 * n + attention;
  fmt::print(
      "{:9} {:4} {:.2f} M parameters, {} x {} tokens: {:.0f} tokens/s, {:.0f} GFLOP/s, loss "
      "{:.3f}, "
      "step memory {:.0f} MB\n",
      shape.name, compute == Compute::bf16 ? "bf16" : "f32", n / 1e6, shape.sequences, shape.length,
      best, best * flops / 1e9, loss, static_cast<double>(tape.peak_bytes()) / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  ThreadPool pool(argc > 1 ? std::atoi(argv[1]) : 2);
  const int steps = argc > 2 ? std::atoi(argv[2]) : 4;
  const std::string_view only = argc > 3 ? argv[3] : "", shape_name = argc > 4 ? argv[4] : "";
  print_limits(pool);
  for (const Decoder& shape : kDecoders) {
    if (!shape_name.empty() && shape_name != shape.name) continue;
    if (only != "bf16") run(shape, pool, steps, Compute::f32);
    if (only != "f32") run(shape, pool, steps, Compute::bf16);
  }
  return 0;
}
