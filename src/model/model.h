// Model: the weights of one model and the arithmetic over them.
//
// Const after loading and shared by everyone: any number of threads may call forward() at once,
// each with its own Workspace and StatePool.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "base/token.h"
#include "model/config.h"
#include "model/sequence_state.h"
#include "ops/cpu_ops.h"
#include "weights/tensor_source.h"

namespace jiang {

// Rows of several sequences, each sequence's rows consecutive.
struct BatchSequence {
  StateId state = kNoState;  // kNoState: an encoder's input, or a pass without cache
  int32_t first_row = 0;
  int32_t n_rows = 0;
  int32_t start_position = 0;            // == pool.length(state) before the step
  const AdapterMix* adapters = nullptr;  // of its rows
};

enum class OutputKind : uint8_t {
  logits,         // (n_wanted, vocab_size)
  hidden_states,  // (n_wanted, hidden_size), after the final norm
};

struct Batch {
  std::span<const TokenId> tokens;  // (n_rows)
  std::span<const BatchSequence> sequences;
  std::span<const int32_t> wanted;  // rows whose outputs are wanted
  OutputKind output = OutputKind::logits;
  // Asked between layers, from the calling thread: true gives the step up. May be null.
  const std::function<bool()>* is_abandoned = nullptr;
};

// The scratch memory of one step, sized for a model and its largest batch.
class Workspace {
 public:
  Workspace(ThreadPool& pool, size_t arena_bytes, LinearObserver* observer = nullptr)
      : ops_(make_cpu_ops(pool, arena_bytes, observer)) {}
  // Over a caller's own Ops: training records what a pass does.
  explicit Workspace(std::unique_ptr<Ops> ops) : ops_(std::move(ops)) {}
  Ops& ops() { return *ops_; }

  // What a step knows about its rows; kept here so that a step allocates nothing.
  std::vector<int32_t> positions;           // (n_rows)
  std::vector<SequenceRows> sequences;      // as attention() wants them
  std::vector<const AdapterMix*> adapters;  // (n_rows), or empty if no row has any

 private:
  std::unique_ptr<Ops> ops_;
};

struct StatePoolOptions {
  int64_t capacity_tokens = 0;
  KvType kv_type = KvType::f16;
};

// A named piece of a model's weights, where the model keeps it: one of the three pointers is set.
struct ModelPart {
  // HF name of the tensor: "model.norm.weight"; of a part of a fused matrix with a suffix: ":q".
  std::string name;
  const Linear* linear = nullptr;
  const WeightMatrix* table = nullptr;
  const std::vector<float>* vector = nullptr;  // a norm's weight or bias, a linear's bias
};

class Model {
 public:
  virtual ~Model() = default;

  virtual const ModelConfig& config() const = 0;
  virtual uint64_t weight_bytes() const = 0;  // as packed in memory
  virtual uint64_t parameter_count() const = 0;
  // Weight bytes that a decode step of one token reads (embedding rows aside).
  virtual uint64_t bytes_per_token() const = 0;

  virtual Result<std::unique_ptr<StatePool>> make_state_pool(
      const StatePoolOptions& options) const = 0;
  virtual uint64_t state_bytes_per_token(KvType type) const = 0;
  // What a state of n_positions takes of a pool's tokens: whole blocks.
  virtual int64_t state_tokens(int32_t n_positions) const = 0;
  // Arena bytes for batches of at most n_rows rows of which n_wanted are wanted.
  virtual size_t workspace_bytes(int32_t n_rows, int32_t n_wanted) const = 0;

  // Runs the batch and writes one row per wanted row into `out`. Room for every position must
  // have been reserved; lengths of the states are advanced. Releases all it took from the arena.
  // False: the step was given up, `out` holds nothing and the states are as long as before.
  virtual bool forward(const Batch& batch, StatePool* pool, Workspace& work,
                       TensorView out) const = 0;

  // What training needs; a model that cannot train has no parts and no head.
  virtual std::vector<ModelPart> parts() const { return {}; }
  virtual const Linear* output_head() const { return nullptr; }
  // The same pass without a cache up to the final norm: every row's hidden state, in the memory of
  // the workspace's Ops. Nothing is released.
  virtual TensorView hidden_states(const Batch& batch, Workspace& work) const;
};

struct LoadOptions {
  // The longest context that will be asked for; 0: default_context(). Only long rope (Phi-3) looks
  // at it: beyond the length it was first trained for, it turns by another set of frequencies.
  int32_t context_length = 0;
  // Adapters (weights/adapter_file.h) that batches may ask for, by their index here.
  std::vector<std::string> adapters = {};
  // Where packed weights are kept for the next time (model/packed_cache.h); empty: in memory alone.
  std::string packed_folder = {};
  uint64_t packed_least_bytes = uint64_t{64} << 20;  // smaller models are packed in no time
  // Packed weights that cannot be kept there are an error, not a note.
  bool must_keep_packed = false;
  // Told, in a sentence, when packed weights could not be kept. May be empty.
  std::function<void(const std::string&)> note = {};
  // Asked before weights are packed, which takes a while: its error ends the load. Not asked where
  // they lie in packed_folder. May be empty.
  std::function<Status()> before_packing = {};
  // Called with (bytes done, bytes in all) while weights are packed.
  std::function<void(uint64_t, uint64_t)> progress = {};
};

// Looks up the architecture, checks every tensor against the config (missing, misshapen and
// unknown ones are listed in the error), packs the weights.
Result<std::shared_ptr<const Model>> load_model(std::shared_ptr<const TensorSource> source,
                                                ThreadPool& pool, const LoadOptions& options = {});

// How many adapters were loaded with it.
int32_t adapter_count(const Model& model);

// min(trained, 8192): what a model runs with unless told otherwise.
int32_t default_context(const ModelConfig& config);

// True if no value is NaN or infinite: what a step's logits must be before anyone samples them.
bool is_all_finite(TensorView x);

// The config alone, without touching weights: `jiang show`, memory estimates.
Result<ModelConfig> read_model_config(const TensorSource& source);

}  // namespace jiang
