// The plain files: tiktoken's ranks, GPT-2's vocab.json + merges.txt, BERT's vocab.txt. None of
// them holds its pre-tokenizer; the caller knows its name.
#include <algorithm>
#include <charconv>

#include "text/base64.h"
#include "text/byte_alphabet.h"
#include "text/fast_json.h"
#include "text/pre_names.h"
#include "text/tokenizer_sources.h"

namespace jiang {
namespace {

Status use_pre_name(TokenizerSpec& spec, std::string_view pre, std::string_view where) {
  TRY(const PreName known, find_pre_name(pre, where));
  TRY(spec.pre_tokenizer, make_pattern_steps(known.patterns, where));
  spec.patterns.assign(known.patterns.begin(), known.patterns.end());
  spec.name = known.name;
  return ok();
}

}  // namespace

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

Result<TokenizerSpec> read_tiktoken(std::string_view text, std::string_view pre,
                                    std::string_view where) {
  TokenizerSpec spec;
  spec.kind = ModelKind::rank_bpe;
  std::vector<std::pair<int64_t, std::string>> entries;
  const auto lines = split_lines(text);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    const size_t space = lines[i].find(' ');
    int64_t rank = -1;
    bool is_number = false;
    if (space != std::string_view::npos) {
      const std::string_view number = lines[i].substr(space + 1);
      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), rank);
      is_number = error == std::errc() && end == number.data() + number.size();
    }
    auto bytes = decode_base64(lines[i].substr(0, std::min(space, lines[i].size())));
    if (!is_number || !bytes || bytes->empty()) {
      return fail(ErrorKind::bad_file, "{}: line {} is not a base64 piece and its rank", where,
                  i + 1);
    }
    entries.emplace_back(rank, *std::move(bytes));
  }
  TRY(spec.pieces, place_by_id(std::move(entries), where));
  spec.kinds.assign(spec.size(), TokenKind::normal);
  spec.n_ranks = static_cast<TokenId>(spec.size());
  TRY_STATUS(use_pre_name(spec, pre, where));
  return spec;
}

Result<TokenizerSpec> read_vocab_and_merges(std::string_view vocab_json,
                                            std::string_view merges_txt, std::string_view pre,
                                            std::string_view where) {
  TokenizerSpec spec;
  spec.kind = ModelKind::byte_bpe;
  TRY(auto entries, parse_vocabulary_json(vocab_json, where));
  TRY(spec.pieces, place_by_id(std::move(entries), where));
  for (std::string& piece : spec.pieces) piece = piece_bytes(piece);
  spec.kinds.assign(spec.size(), TokenKind::normal);
  const auto lines = split_lines(merges_txt);
  for (size_t i = 0; i < lines.size(); ++i) {
    // Only the first line may be a comment: "#version: 0.2". Later "# #" is a merge.
    if (lines[i].empty() || (i == 0 && lines[i].substr(0, 8) == "#version")) continue;
    const size_t space = lines[i].find(' ', 1);
    if (space == std::string_view::npos || space + 1 == lines[i].size()) {
      return fail(ErrorKind::bad_file, "{}: line {} of the merges is not two pieces", where, i + 1);
    }
    spec.merges.push_back(byte_merge(lines[i].substr(0, space), lines[i].substr(space + 1)));
  }
  TRY_STATUS(use_pre_name(spec, pre, where));
  return spec;
}

Result<TokenizerSpec> read_vocab_txt(std::string_view text, bool lowercase,
                                     std::string_view where) {
  TokenizerSpec spec;
  spec.kind = ModelKind::wordpiece;
  for (const std::string_view line : split_lines(text)) spec.pieces.emplace_back(line);
  spec.kinds.assign(spec.size(), TokenKind::normal);
  spec.normalizer = bert_normalizer(true, true, lowercase, lowercase);
  spec.pre_tokenizer = bert_pre_tokenizer();
  spec.patterns = {"bert"};
  spec.decoding = Decoding::wordpiece;
  spec.clean_up = true;
  const auto find = [&](std::string_view piece) {
    const auto found = std::find(spec.pieces.begin(), spec.pieces.end(), piece);
    return found == spec.pieces.end() ? kNoToken
                                      : static_cast<TokenId>(found - spec.pieces.begin());
  };
  spec.wordpiece.unknown = find("[UNK]");
  if (spec.wordpiece.unknown == kNoToken) {
    return fail(ErrorKind::bad_file, "{}: no [UNK] among {} lines: not a WordPiece vocabulary",
                where, spec.size());
  }
  spec.unknown.unknown = spec.wordpiece.unknown;
  for (const std::string_view name : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) {
    const TokenId id = find(name);
    if (id == kNoToken) continue;
    AddedToken token;
    token.id = id;
    token.text = name;
    token.special = true;
    spec.added.push_back(std::move(token));
    spec.kinds[static_cast<size_t>(id)] = TokenKind::control;
  }
  spec.bos = find("[CLS]");
  const TokenId separator = find("[SEP]");
  if (spec.bos != kNoToken) spec.prefix_ids = {spec.bos};
  if (separator != kNoToken) spec.suffix_ids = {separator};
  spec.pad = find("[PAD]");
  return spec;
}

}  // namespace jiang
