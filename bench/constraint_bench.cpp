// What constrained decoding costs with a real vocabulary:
//   constraint_bench TOKENIZER_FOLDER
// For a few schemas: compiling, and per token of a random answer the mask (mean and worst).
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>

#include "base/json_value.h"
#include "text/grammar_constraint.h"
#include "text/json_schema.h"

using namespace jiang;

namespace {

double micros_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin)
      .count();
}

constexpr const char* kSchemas[] = {
    R"({"type":"object"})",
    R"({"type":"object","properties":{"title":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}},"score":{"type":"number"}},"required":["title","tags","score"]})",
    R"({"type":"object","properties":{"bio":{"type":"string","minLength":200,"maxLength":2000},"id":{"type":"string","format":"uuid"},"mail":{"type":"string","format":"email"}},"required":["bio","id","mail"]})",
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::puts("usage: constraint_bench TOKENIZER_FOLDER"), 2;
  const auto assets = load_text_assets(argv[1]);
  if (!assets) return std::puts(assets.error().message.c_str()), 1;
  auto begin = std::chrono::steady_clock::now();
  const auto trie = std::make_shared<const TokenTrie>(assets->tokenizer);
  std::printf("vocabulary of %d: trie in %.1f ms, %zu + %zu nodes\n", trie->vocab_size(),
              micros_since(begin) / 1000, trie->plain().nodes.size(), trie->other().nodes.size());
  for (const char* text : kSchemas) {
    begin = std::chrono::steady_clock::now();
    Grammar grammar;
    grammar.root = add_json_schema(grammar, *parse_json(text, "schema"), "schema").value();
    const auto compiled = std::make_shared<const CompiledGrammar>(std::move(grammar), trie);
    const double compile = micros_since(begin);
    const auto ends = assets->tokenizer->end_ids();
    GrammarConstraint constraint(compiled,
                                 {.end_ids = {ends.begin(), ends.end()}, .max_tokens = 400});
    std::vector<uint64_t> bits(static_cast<size_t>(trie->vocab_size() + 63) / 64);
    std::vector<double> costs;
    std::mt19937_64 random(1);
    while (!constraint.is_finished() && costs.size() < 400) {
      std::fill(bits.begin(), bits.end(), ~uint64_t{0});
      begin = std::chrono::steady_clock::now();
      constraint.mask(bits);
      double cost = micros_since(begin);
      std::vector<TokenId> ids;
      for (TokenId id = 0; id < trie->vocab_size(); ++id) {
        if ((bits[static_cast<size_t>(id) / 64] >> (id % 64)) & 1) ids.push_back(id);
      }
      if (ids.empty()) break;
      begin = std::chrono::steady_clock::now();
      constraint.accept(ids[random() % ids.size()]);
      costs.push_back(cost + micros_since(begin));
    }
    double total = 0;
    for (const double cost : costs) total += cost;
    std::sort(costs.begin(), costs.end());
    const size_t n = costs.size();
    std::printf(
        "compile %.2f ms; %zu tokens: mean %.0f us, median %.0f, p95 %.0f, worst %.0f  %.60s\n",
        compile / 1000, n, total / static_cast<double>(n), costs[n / 2], costs[n * 95 / 100],
        costs[n - 1], text);
  }
}
