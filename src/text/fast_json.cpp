#include "text/fast_json.h"

#include <simdjson.h>

#include "base/json_value.h"

namespace jiang {
namespace {

namespace dom = simdjson::dom;

constexpr size_t kMaxJsonDepth = 128;
// nlohmann's ordered objects look keys up one by one: keep them small.
constexpr size_t kMaxMembers = 20'000;
using Vocabulary64 = std::vector<std::pair<int64_t, std::string>>;

Error bad(std::string_view where, std::string_view what) {
  return fail(ErrorKind::bad_file, "{}: {}", where, what);
}

class Document {
 public:
  Result<dom::element> parse(std::string_view text, std::string_view where) {
    if (parser_.allocate(text.size(), kMaxJsonDepth) != simdjson::SUCCESS) {
      return fail(ErrorKind::too_large, "{}: {} bytes of JSON do not fit into memory", where,
                  text.size());
    }
    dom::element root;
    const auto error =
        parser_.parse(text.data(), text.size(), /*realloc_if_needed=*/true).get(root);
    if (error != simdjson::SUCCESS) {
      return fail(ErrorKind::bad_file, "{}: not valid JSON: {}", where,
                  simdjson::error_message(error));
    }
    return root;
  }

 private:
  dom::parser parser_;
};

// `element` with all its objects small enough for Json; the depth is bounded by the parser.
Status check_sizes(dom::element element, std::string_view where) {
  if (dom::object object; element.get(object) == simdjson::SUCCESS) {
    if (object.size() > kMaxMembers) {
      return fail(ErrorKind::bad_file, "{}: an object of {} members, at most {} are allowed", where,
                  object.size(), kMaxMembers);
    }
    for (const auto field : object) TRY_STATUS(check_sizes(field.value, where));
  } else if (dom::array array; element.get(array) == simdjson::SUCCESS) {
    for (const auto item : array) TRY_STATUS(check_sizes(item, where));
  }
  return ok();
}

Result<Vocabulary64> read_object(dom::element element, std::string_view where) {
  dom::object object;
  if (element.get(object) != simdjson::SUCCESS)
    return bad(where, "the vocabulary must be an object");
  Vocabulary64 out;
  for (const auto field : object) {
    int64_t id = 0;
    if (field.value.get(id) != simdjson::SUCCESS) {
      return fail(ErrorKind::bad_file, "{}: token \"{}\" has no integer id", where,
                  field.key.substr(0, 60));
    }
    if (out.size() >= kMaxVocabulary) return bad(where, "the vocabulary is too large");
    out.emplace_back(id, std::string(field.key));
  }
  return out;
}

// Unigram: [["piece", score], ...]
Status read_scored(dom::array list, std::string_view where, TokenizerJson& out) {
  for (const auto item : list) {
    dom::array pair;
    std::string_view piece;
    double score = 0;
    if (item.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
        pair.at(0).get(piece) != simdjson::SUCCESS || pair.at(1).get(score) != simdjson::SUCCESS) {
      return fail(ErrorKind::bad_file, "{}: vocabulary entry {} is not [piece, score]", where,
                  out.scores.size());
    }
    if (out.scores.size() >= kMaxVocabulary) return bad(where, "the vocabulary is too large");
    out.vocabulary.emplace_back(static_cast<int64_t>(out.scores.size()), std::string(piece));
    out.scores.push_back(score);
  }
  return ok();
}

// "left right", or ["left", "right"] in newer files (parts may then contain spaces).
Status read_merges(dom::element element, std::string_view where, TokenizerJson& out) {
  dom::array list;
  if (element.get(list) != simdjson::SUCCESS) return bad(where, "\"merges\" must be a list");
  for (const auto item : list) {
    std::string_view text;
    std::string_view left;
    std::string_view right;
    dom::array pair;
    if (item.get(text) == simdjson::SUCCESS) {
      const size_t space = text.find(' ', 1);
      if (space != std::string_view::npos) {
        left = text.substr(0, space);
        right = text.substr(space + 1);
      }
    } else if (item.get(pair) == simdjson::SUCCESS && pair.size() == 2) {
      if (pair.at(0).get(left) != simdjson::SUCCESS || pair.at(1).get(right) != simdjson::SUCCESS)
        left = {};
    }
    if (left.empty() || right.empty()) {
      return fail(ErrorKind::bad_file, "{}: merge {} is not a pair of pieces", where,
                  out.merges.size());
    }
    std::string joined(left);
    joined += right;
    out.merges.push_back({std::move(joined), left.size()});
  }
  return ok();
}

void append_member(std::string& out, std::string_view key, dom::element value) {
  if (out.back() != '{') out += ',';
  out += to_string(Json(std::string(key)));
  out += ':';
  out += simdjson::minify(value);
}

}  // namespace

Result<Vocabulary64> parse_vocabulary_json(std::string_view text, std::string_view where) {
  Document document;
  TRY(const dom::element root, document.parse(text, where));
  return read_object(root, where);
}

Result<TokenizerJson> parse_tokenizer_json(std::string_view text, std::string_view where) {
  Document document;
  TRY(const dom::element root, document.parse(text, where));
  dom::object object;
  if (root.get(object) != simdjson::SUCCESS) return bad(where, "a tokenizer must be a JSON object");
  TokenizerJson out;
  bool has_vocabulary = false;
  bool has_merges = false;
  std::string rest = "{";
  for (const auto field : object) {
    dom::object model;
    if (field.key != "model" || field.value.get(model) != simdjson::SUCCESS) {
      TRY_STATUS(check_sizes(field.value, where));
      append_member(rest, field.key, field.value);
      continue;
    }
    std::string model_rest = "{";
    for (const auto member : model) {
      dom::array list;
      if (member.key == "vocab") {
        if (has_vocabulary) return bad(where, "two vocabularies");
        has_vocabulary = true;
        if (member.value.get(list) == simdjson::SUCCESS) {
          TRY_STATUS(read_scored(list, where, out));
        } else {
          TRY(out.vocabulary, read_object(member.value, where));
        }
      } else if (member.key == "merges") {
        if (has_merges) return bad(where, "two lists of merges");
        has_merges = true;
        TRY_STATUS(read_merges(member.value, where, out));
      } else {
        TRY_STATUS(check_sizes(member.value, where));
        append_member(model_rest, member.key, member.value);
      }
    }
    if (rest.back() != '{') rest += ',';
    rest += "\"model\":" + model_rest + "}";
  }
  rest += '}';
  if (!has_vocabulary) return bad(where, "\"model.vocab\" is missing");
  out.rest = std::move(rest);
  return out;
}

}  // namespace jiang
