// jiang train lora: A and B beside frozen weights, which stay packed as they are.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "train/adapter_files.h"
#include "train/chat_training.h"
#include "train/dropout.h"
#include "train/tune.h"
#include "train/tuned_model.h"

namespace jiang {
namespace {

// The last word of a linear's name; of a part of a fused matrix also the part: "qkv_proj:q".
std::string short_name(const std::string& part_name) {
  std::string name = part_name;
  const size_t weight = name.rfind(".weight");
  if (weight != std::string::npos) name.erase(weight, 7);
  return name.substr(name.rfind('.') + 1);
}

std::string without_part(const std::string& name) { return name.substr(0, name.find(':')); }

// Uniform in +-1 / sqrt(in), as PEFT's A begins (Kaiming with a = sqrt(5)); B begins as zero.
void fill_a(Parameter& a, uint64_t seed) {
  const double bound = 1 / std::sqrt(static_cast<double>(a.cols));
  for (size_t i = 0; i < a.size(); ++i) {
    const double unit = static_cast<double>(mix_bits(seed + i) >> 11) * 0x1p-53;
    a.value.view().data[i] = static_cast<float>((2 * unit - 1) * bound);
  }
}

Result<std::vector<TrainedAdapter>> add_adapters(ParameterSet& parameters, const Model& model,
                                                 const TrainRecipe& recipe) {
  const LoraRecipe& lora = recipe.lora;
  std::vector<TrainedAdapter> adapters;
  std::set<std::string> known, used;
  for (const ModelPart& part : model.parts()) {
    if (!part.linear || part.linear == model.output_head()) continue;
    const std::string target = without_part(short_name(part.name));
    known.insert(target);
    if (!lora.targets.empty() &&
        std::find(lora.targets.begin(), lora.targets.end(), target) == lora.targets.end())
      continue;
    used.insert(target);
    const float scale = static_cast<float>(lora.alpha / static_cast<double>(lora.rank));
    Parameter& a = parameters.add(part.name + ".lora_A", lora.rank, part.linear->in_features());
    Parameter& b = parameters.add(part.name + ".lora_B", part.linear->out_features(), lora.rank);
    a.decays = b.decays = true;
    fill_a(a, mix_bits(recipe.trainer.seed + adapters.size() + 1));
    parameters.bindings.adapters[part.linear] = {&a, &b, scale, static_cast<float>(lora.dropout)};
    adapters.push_back({part.name, &a, &b});
  }
  for (const std::string& target : lora.targets) {
    if (used.contains(target)) continue;
    std::string list;
    for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
    return fail(ErrorKind::invalid_argument, "{}: lora.targets has \"{}\"; this model has {}",
                recipe.path, target, list);
  }
  return adapters;
}

}  // namespace

Result<TrainingReport> tune_adapters(TrainRecipe recipe, ThreadPool& pool,
                                     const RunCallbacks& callbacks) {
  TRY(const TunedModel tuned, open_tuned_model(recipe, pool));
  TRY(const ChatTraining chats, read_chat_training(recipe, tuned.assets, callbacks));
  ParameterSet parameters;
  TRY(const auto adapters, add_adapters(parameters, *tuned.model, recipe));
  if (callbacks.note) {
    callbacks.note(fmt::format(
        "{:.2f} M parameters in {} adapters over {:.1f} M frozen ones; {} conversations, {} held "
        "out",
        static_cast<double>(parameters.count()) / 1e6, adapters.size(),
        static_cast<double>(tuned.model->parameter_count()) / 1e6, chats.n_conversations,
        chats.n_held_out));
  }
  Trainer trainer(*tuned.model, parameters, *chats.objective, chats.evaluation.get(), pool,
                  recipe.out, recipe.trainer);
  trainer.go_on = callbacks.progress;
  trainer.save_model = [&] {
    return write_adapters(recipe.out, adapters, recipe.lora, *tuned.source);
  };
  return trainer.run();
}

}  // namespace jiang
