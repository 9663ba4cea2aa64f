// jiang logits: the best logits at every position, for comparing engines. f32 KV.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "base/json_value.h"
#include "cli/commands/table.h"
#include "cli/loaded_model.h"
#include "cli/options.h"
#include "cli/output.h"

namespace jiang {
namespace {

Result<std::vector<TokenId>> parse_list(const std::string& text) {
  std::vector<TokenId> ids;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    TokenId id = 0;
    size_t first = begin;
    while (first < end && text[first] == ' ') ++first;
    const auto [stop, error] = std::from_chars(text.data() + first, text.data() + end, id);
    if (error != std::errc() || stop != text.data() + end) {
      return fail(ErrorKind::invalid_argument, "--ids needs numbers like 1,2,3, got '{}'",
                  text.substr(begin, end - begin));
    }
    ids.push_back(id);
    begin = end + 1;
  }
  return ids;
}

// The k best of one row, best first; of equals the lowest id.
std::vector<TokenId> best(const float* row, int64_t n, int32_t k) {
  std::vector<TokenId> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  const auto middle = order.begin() + std::min<int64_t>(k, n);
  std::partial_sort(order.begin(), middle, order.end(), [row](TokenId a, TokenId b) {
    return row[a] != row[b] ? row[a] > row[b] : a < b;
  });
  order.erase(middle, order.end());
  return order;
}

Result<int> run_logits(const std::vector<std::string>& arguments) {
  ModelFlags flags;
  std::optional<std::string> ids_text;
  std::optional<std::string> prompt;
  int32_t top = 5;
  bool as_json = false;
  Options options("logits");
  options.positional(flags.model, "MODEL", Options::Need::required, "the model");
  options.text(ids_text, "--ids", "LIST", "token ids: 1,2,3");
  options.text(prompt, "-p,--prompt", "TEXT", "text in place of ids");
  options.number(top, "--top", Range<int32_t>{1, 1 << 24}, "how many a position (default 5)");
  options.flag(as_json, "--json", "{\"positions\":[{\"top\":[[id,logit],...]},...]}");
  flags.add_kv_type_to(options, KvType::f32);
  flags.add_to(options);
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  if (ids_text.has_value() == prompt.has_value()) {
    return fail(ErrorKind::invalid_argument, "give either --ids LIST or -p TEXT");
  }

  std::vector<TokenId> ids;
  if (ids_text) {
    TRY(ids, parse_list(*ids_text));
  }
  TRY(const LoadedModel loaded, load(flags, evaluation_engine_options()));
  if (prompt) ids = loaded.text.tokenizer->encode(*prompt, EncodeOptions{.add_specials = true});
  TRY(const Tensor logits, loaded.engine->evaluate(ids, OutputKind::logits));

  const TensorView view = logits.view();
  std::string text = as_json ? "{\"positions\":[" : "";
  for (int64_t position = 0; position < view.rows; ++position) {
    const float* row = view.row(position);
    if (as_json) text += position > 0 ? ",{\"top\":[" : "{\"top\":[";
    bool first = true;
    if (!as_json) text += fmt::format("{:>5} ", position);
    for (const TokenId id : best(row, view.cols, top)) {
      if (!std::isfinite(row[id])) {
        return fail(ErrorKind::bad_numbers,
                    "{}: position {} has logits that are no numbers; the weights are damaged",
                    loaded.path, position);
      }
      text += as_json ? fmt::format("{}[{},{}]", first ? "" : ",", id, row[id])
                      : fmt::format("  {}:{:.4f}", id, row[id]);
      first = false;
    }
    text += as_json ? "]}" : "\n";
  }
  if (as_json) text += "]}\n";
  TRY_STATUS(print(text));
  return 0;
}

}  // namespace

const Command kLogits = {
    .name = "logits",
    .usage = "usage: jiang logits MODEL --ids 1,2,3 [--top K] [--json]",
    .summary = "the best logits at every position",
    .examples =
        "  jiang logits model.gguf --ids 1,403,407 --top 5 --json\n"
        "  jiang logits model.gguf -p \"Once upon a time\"",
    .run = run_logits,
};

}  // namespace jiang
