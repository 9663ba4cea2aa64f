// tokenizer.model of sentencepiece: a ModelProto. Field numbers are those of
// sentencepiece_model.proto.
#include "text/protobuf.h"
#include "text/tokenizer_sources.h"

namespace jiang {
namespace {

struct TrainerSpec {
  int64_t model_type = 1;  // 1 unigram, 2 bpe, 3 word, 4 char
  int64_t unk_id = 0;
  int64_t bos_id = 1;
  int64_t eos_id = 2;
  int64_t pad_id = -1;
  bool byte_fallback = false;
  bool whitespace_is_suffix = false;
};

struct NormalizerSpec {
  std::string_view charsmap;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

class SentencePieceReader {
 public:
  SentencePieceReader(std::string_view bytes, std::string_view where)
      : bytes_(bytes), where_(where) {}

  Result<TokenizerSpec> read() {
    ProtobufReader reader(bytes_);
    while (const auto field = reader.next()) {
      if (!field->is_bytes) continue;
      if (field->number == 1) TRY_STATUS(read_piece(field->bytes));
      if (field->number == 2) TRY_STATUS(read_trainer(field->bytes));
      if (field->number == 3) TRY_STATUS(read_normalizer(field->bytes));
    }
    if (reader.is_bad()) return bad();
    if (spec_.pieces.empty()) {
      return fail(ErrorKind::bad_file, "{}: a sentencepiece model without pieces", where_);
    }
    TRY_STATUS(finish());
    return std::move(spec_);
  }

 private:
  Error bad() const {
    return fail(ErrorKind::bad_file, "{}: not a sentencepiece model, or damaged", where_);
  }

  Status read_piece(std::string_view bytes) {
    ProtobufReader reader(bytes);
    std::string_view text;
    float score = 0;
    uint64_t kind = 1;
    while (const auto field = reader.next()) {
      if (field->number == 1 && field->is_bytes) text = field->bytes;
      if (field->number == 2 && field->is_fixed32) score = field->as_float();
      if (field->number == 3 && !field->is_bytes) kind = field->integer;
    }
    if (reader.is_bad()) return bad();
    if (kind < 1 || kind > 6) {
      return fail(ErrorKind::bad_file, "{}: piece {} has the unknown type {}", where_, spec_.size(),
                  kind);
    }
    if (spec_.size() >= kMaxVocabulary) {
      return fail(ErrorKind::too_large, "{}: more than {} pieces", where_, kMaxVocabulary);
    }
    spec_.pieces.emplace_back(text);
    spec_.scores.push_back(score);
    spec_.kinds.push_back(static_cast<TokenKind>(kind));
    return ok();
  }

  Status read_trainer(std::string_view bytes) {
    ProtobufReader reader(bytes);
    while (const auto field = reader.next()) {
      // Negative int32 are written as 64 bits.
      const auto value = static_cast<int64_t>(field->integer);
      switch (field->number) {
        case 3:
          trainer_.model_type = value;
          break;
        case 24:
          trainer_.whitespace_is_suffix = value != 0;
          break;
        case 35:
          trainer_.byte_fallback = value != 0;
          break;
        case 40:
          trainer_.unk_id = value;
          break;
        case 41:
          trainer_.bos_id = value;
          break;
        case 42:
          trainer_.eos_id = value;
          break;
        case 43:
          trainer_.pad_id = value;
          break;
        default:
          break;
      }
    }
    return reader.is_bad() ? Status(bad()) : ok();
  }

  Status read_normalizer(std::string_view bytes) {
    ProtobufReader reader(bytes);
    while (const auto field = reader.next()) {
      switch (field->number) {
        case 2:
          normalizer_.charsmap = field->bytes;
          break;
        case 3:
          normalizer_.add_dummy_prefix = field->integer != 0;
          break;
        case 4:
          normalizer_.remove_extra_whitespaces = field->integer != 0;
          break;
        case 5:
          normalizer_.escape_whitespaces = field->integer != 0;
          break;
        default:
          break;
      }
    }
    return reader.is_bad() ? Status(bad()) : ok();
  }

  Result<TokenId> special_id(const char* what, int64_t id) const {
    if (id < 0) return kNoToken;
    if (static_cast<size_t>(id) < spec_.size()) return static_cast<TokenId>(id);
    return fail(ErrorKind::bad_file, "{}: {} is {}, but there are {} pieces", where_, what, id,
                spec_.size());
  }

  Status finish() {
    using Kind = NormalizerStep::Kind;
    if (trainer_.model_type != 1 && trainer_.model_type != 2) {
      return fail(ErrorKind::unsupported, "{}: sentencepiece model type {} (only unigram and bpe)",
                  where_, trainer_.model_type);
    }
    spec_.kind = trainer_.model_type == 2 ? ModelKind::score_bpe : ModelKind::unigram;
    spec_.precision = Precision::f32;
    TRY(spec_.unknown.unknown, special_id("unk_id", trainer_.unk_id));
    TRY(spec_.bos, special_id("bos_id", trainer_.bos_id));
    TRY(spec_.eos, special_id("eos_id", trainer_.eos_id));
    TRY(spec_.pad, special_id("pad_id", trainer_.pad_id));
    spec_.unknown.byte_fallback = trainer_.byte_fallback;
    spec_.unknown.fuse = true;

    auto& steps = spec_.normalizer;
    TRY(Charsmap map, Charsmap::parse(normalizer_.charsmap, where_));
    if (!map.empty()) {
      steps.push_back(
          {.kind = Kind::charsmap, .charsmap = std::make_shared<const Charsmap>(std::move(map))});
    }
    if (normalizer_.remove_extra_whitespaces) steps.push_back({.kind = Kind::collapse_spaces});
    if (normalizer_.add_dummy_prefix) {
      steps.push_back(
          {.kind = trainer_.whitespace_is_suffix ? Kind::append : Kind::prepend, .text = " "});
      spec_.drop_first_space = !trainer_.whitespace_is_suffix;
    }
    if (normalizer_.escape_whitespaces) {
      steps.push_back({.kind = Kind::replace,
                       .text = std::string(kWordMark),
                       .matcher = make_literal_matcher(" "),
                       .literal = " "});
    }
    spec_.decoding = Decoding::word_mark;

    for (size_t i = 0; i < spec_.size(); ++i) {
      // User-defined pieces are part of the model's own matching: they see normalised text. Only
      // the control pieces and the unknown one stand outside.
      if (spec_.kinds[i] != TokenKind::control && spec_.kinds[i] != TokenKind::unknown) continue;
      AddedToken token;
      token.id = static_cast<TokenId>(i);
      token.text = spec_.pieces[i];
      token.special = true;
      spec_.added.push_back(std::move(token));
    }
    return ok();
  }

  std::string_view bytes_;
  std::string_view where_;
  TokenizerSpec spec_;
  TrainerSpec trainer_;
  NormalizerSpec normalizer_;
};

}  // namespace

Result<TokenizerSpec> read_sentencepiece(std::string_view bytes, std::string_view where) {
  return SentencePieceReader(bytes, where).read();
}

}  // namespace jiang
