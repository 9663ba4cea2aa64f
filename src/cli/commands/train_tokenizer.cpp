// jiang train tokenizer: byte-level BPE from text.
#include <filesystem>

#include "base/file.h"
#include "base/json_value.h"
#include "cli/commands/table.h"
#include "cli/model_flags.h"
#include "cli/options.h"
#include "cli/output.h"
#include "train/bpe_trainer.h"
#include "train/documents.h"
#include "train/model_folder.h"

namespace jiang {
namespace {

Result<int> run_train_tokenizer(const std::vector<std::string>& arguments) {
  std::string out;
  std::vector<std::string> patterns;
  std::vector<std::string> more_specials;
  int32_t vocab_size = 8192;
  int32_t longest = 24;
  int32_t min_count = 2;
  ModelFlags flags;
  Options options("train tokenizer");
  options.positional(out, "OUT", Options::Need::required, "the folder to write");
  options.rest(patterns, "TEXT", ".txt and .jsonl files, or patterns of them");
  options.number(vocab_size, "--vocab-size", Range<int32_t>{260, 1 << 20},
                 "tokens in all, with bytes and special ones (default 8192)");
  options.number(longest, "--max-token-bytes", Range<int32_t>{0, 1024},
                 "no longer tokens (default 24: eight Chinese characters), 0: any");
  options.number(min_count, "--min-count", Range<int32_t>{1, 1 << 30},
                 "do not merge rarer pairs (default 2)");
  options.texts(more_specials, "--special", "TOKEN",
                "another special token; may be given several times");
  flags.add_threads_to(options);
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  if (patterns.empty())
    return fail(ErrorKind::invalid_argument, "TEXT is missing: what to learn from");

  TRY(const auto paths, expand_paths(patterns, ""));
  std::vector<BadLine> bad;
  TRY(const auto documents, read_documents(paths, bad));
  if (!bad.empty()) note(describe_bad_lines(bad));
  std::vector<std::string> specials = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
  specials.insert(specials.end(), more_specials.begin(), more_specials.end());
  std::vector<std::string_view> texts;
  size_t bytes = 0;
  for (const Document& document : documents) {
    texts.push_back(document.text);
    bytes += document.text.size();
  }
  ThreadPool pool(thread_count(flags.threads));
  const PieceCounts pieces = count_pieces(texts, specials, pool);
  const int32_t wanted = vocab_size - static_cast<int32_t>(specials.size());
  BpeTrainerOptions trainer{.vocab_size = wanted,
                            .max_token_bytes = longest,
                            .min_count = static_cast<uint64_t>(min_count)};
  std::optional<ProgressLine> progress("merging");
  trainer.progress = [&](int32_t done, int32_t total) {
    progress->update_count(static_cast<uint64_t>(done), static_cast<uint64_t>(total), "tokens");
  };
  auto trained = train_bpe(pieces, trainer);
  progress.reset();
  TRY(const TrainedBpe bpe, std::move(trained));
  if (static_cast<int32_t>(bpe.tokens.size()) < wanted) {
    note(fmt::format("no pair of neighbours is frequent enough any more: {} tokens instead of {}",
                     bpe.tokens.size() + specials.size(), vocab_size));
  }
  std::error_code failed;
  std::filesystem::create_directories(out, failed);
  if (failed) return fail(ErrorKind::io, "{}: {}", out, failed.message());
  TRY_STATUS(write_file(out + "/tokenizer.json", tokenizer_json_of(bpe, specials)));
  TRY_STATUS(write_file(out + "/tokenizer_config.json",
                        to_string(new_tokenizer_config(specials[0], specials[2]), 2) + "\n"));
  TRY_STATUS(print(fmt::format("{}: {} tokens from {:.1f} MB in {} documents\n", out,
                               bpe.tokens.size() + specials.size(),
                               static_cast<double>(bytes) / 1e6, documents.size())));
  return 0;
}

}  // namespace

const Command kTrainTokenizer = {
    .name = "train tokenizer",
    .usage = "usage: jiang train tokenizer OUT TEXT... [OPTIONS]",
    .summary = "learn a byte-level BPE tokenizer from text",
    .examples =
        "  jiang train tokenizer tokenizer/ 'corpus/*.txt' --vocab-size 8192\n"
        "  jiang train tokenizer tokenizer/ pages.jsonl --special '<|tool|>'",
    .run = run_train_tokenizer,
};

}  // namespace jiang
