// Debian's json-schema-test-suite: what we support of it is kept, the rest is refused by name.
//
// Every valid instance, written with its members in the order of the schema, is in the grammar;
// every invalid one is not. Answers of a random model, at temperature 1 through the engine, are
// valid: 1000 of them with JIANG_CONSTRAINED_ANSWERS=1000 (./test --constrained), else a sample.
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
#include <set>

#include "base/file.h"
#include "base/json_value.h"
#include "chat/local_backend.h"
#include "tests/support/fake_model.h"
#include "tests/support/grammar_text.h"
#include "text/json_schema_parts.h"

namespace jiang {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSuite = "/usr/share/json-schema-test-suite/tests";

struct SuiteCase {
  std::string name;
  Json schema;
  Json tests;
};

std::vector<SuiteCase> suite() {
  std::vector<SuiteCase> cases;
  for (const char* draft : {"draft4", "draft6", "draft7", "draft2019-09", "draft2020-12"}) {
    const fs::path folder = fs::path(kSuite) / draft;
    if (!fs::exists(folder)) continue;
    std::set<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.path().extension() == ".json") files.insert(entry.path());
    }
    for (const fs::path& path : files) {
      const auto groups = parse_json_file(path.string());
      if (!groups || !groups->is_array()) continue;
      for (const Json& group : *groups) {
        cases.push_back({fmt::format("{}/{}: {}", draft, path.filename().string(),
                                     group["description"].get<std::string>()),
                         group["schema"], group["tests"]});
      }
    }
  }
  return cases;
}

// Members in the order of the schema's, recursively where that is plain.
Json in_order(const Json& value, const Json& schema) {
  if (value.is_array()) {
    Json out = Json::array();
    for (size_t i = 0; i < value.size(); ++i) {
      const Json* items = schema.is_object() ? find_member(schema, "items") : nullptr;
      const Json* prefix = schema.is_object() ? find_member(schema, "prefixItems") : nullptr;
      if (!prefix && items && items->is_array()) prefix = items;
      const Json& one = prefix && i < prefix->size() ? (*prefix)[i] : items ? *items : Json();
      out.push_back(in_order(value[i], one));
    }
    return out;
  }
  if (!value.is_object()) return value;
  Json out = Json::object();
  const Json* properties = schema.is_object() ? find_member(schema, "properties") : nullptr;
  if (properties) {
    for (const auto& [name, one] : properties->items()) {
      if (value.contains(name)) out[name] = in_order(value[name], one);
    }
  }
  for (const auto& [name, one] : value.items()) {
    if (!out.contains(name)) out[name] = in_order(one, Json());
  }
  return out;
}

TEST(JsonSchemaSuite, ValidInstancesAreAcceptedAndInvalidOnesAreNot) {
  if (!fs::exists(kSuite)) GTEST_SKIP() << "needs Debian's json-schema-test-suite";
  size_t n_schemas = 0, n_supported = 0, n_valid = 0, n_accepted = 0, n_invalid = 0;
  std::vector<std::string> rejected;
  for (const SuiteCase& c : suite()) {
    ++n_schemas;
    const auto compiled = compile_schema(c.schema);
    if (!compiled) {
      EXPECT_FALSE(compiled.error().message.empty());
      continue;
    }
    ++n_supported;
    for (const Json& test : c.tests) {
      const Json& instance = test["data"];
      const std::string text = to_string(in_order(instance, c.schema));
      const std::string what = c.name + " / " + test["description"].get<std::string>();
      if (test["valid"].get<bool>()) {
        ++n_valid;
        if (accepts(**compiled, text)) {
          ++n_accepted;
        } else {
          rejected.push_back(what + "  " + text.substr(0, 100));
        }
      } else {
        // What strings hold inside (contentEncoding, contentMediaType) is told, not checked.
        if (c.name.starts_with("draft7/content.json")) continue;
        ++n_invalid;
        EXPECT_FALSE(accepts(**compiled, text)) << what << "\n" << text;
      }
    }
  }
  std::cout << fmt::format(
      "{} schemas, {} supported; {} of {} valid instances accepted, {} invalid ones refused\n",
      n_schemas, n_supported, n_accepted, n_valid, n_invalid);
  if (std::getenv("JIANG_VERBOSE") != nullptr) {
    for (const std::string& line : rejected) std::cout << "  " << line << "\n";
  }
  EXPECT_GT(n_supported, n_schemas / 3);
  // The rest are instances with members that a schema does not list, integers written as 1.0,
  // numbers of more digits than we write, and members in another order.
  EXPECT_GT(static_cast<double>(n_accepted), 0.8 * static_cast<double>(n_valid));
}

// A corpus of what people ask for, beside the suite.
const char* const kCorpus[] = {
    R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},"email":{"type":"string","format":"email"}},"required":["name","age"],"additionalProperties":false})",
    R"({"type":"object","properties":{"steps":{"type":"array","items":{"type":"object","properties":{"explanation":{"type":"string"},"output":{"type":"string"}},"required":["explanation","output"],"additionalProperties":false}},"final_answer":{"type":"string"}},"required":["steps","final_answer"],"additionalProperties":false})",
    R"({"type":"object","properties":{"unit":{"type":"string","enum":["celsius","fahrenheit"]},"value":{"type":["number","null"]}},"required":["unit","value"]})",
    R"({"$defs":{"node":{"type":"object","properties":{"value":{"type":"integer","minimum":-9007199254740991,"maximum":9007199254740991},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["value","next"],"additionalProperties":false}},"$ref":"#/$defs/node"})",
    R"({"type":"object","properties":{"when":{"type":"string","format":"date-time"},"id":{"type":"string","format":"uuid"},"tags":{"type":"array","items":{"type":"string","pattern":"^[a-z]{2,8}$"},"minItems":1,"maxItems":4}},"required":["when","id","tags"]})",
    R"({"type":"object","additionalProperties":{"type":"number"}})",
    R"({"type":"object"})",
    R"({"type":"array","items":{"type":"array","items":{"type":"boolean"},"maxItems":3},"maxItems":3})",
    R"({"oneOf":[{"type":"object","properties":{"kind":{"const":"circle"},"r":{"type":"number","exclusiveMinimum":0}},"required":["kind","r"]},{"type":"object","properties":{"kind":{"const":"box"},"w":{"type":"number"},"h":{"type":"number"}},"required":["kind","w","h"]}]})",
    R"({"type":"string","minLength":3,"maxLength":12})",
    R"({"type":"number","minimum":0,"maximum":1})",
    R"({"type":"object","properties":{"\u5317\u4eac":{"type":"string","maxLength":6},"caf\u00e9 \"x\"":{"type":"null"}},"required":["\u5317\u4eac","caf\u00e9 \"x\""]})",
};

TEST(JsonSchemaSuite, AnswersOfARandomModelAreValid) {
  const char* wanted = std::getenv("JIANG_CONSTRAINED_ANSWERS");
  const int n_answers = wanted ? std::atoi(wanted) : 60;
  std::vector<std::pair<std::string, Json>> schemas;
  for (const char* text : kCorpus) schemas.emplace_back("corpus", *parse_json(text, "corpus"));
  if (fs::exists(kSuite)) {
    for (SuiteCase& c : suite()) {
      const auto compiled = compile_schema(c.schema);
      if (!compiled) continue;
      const auto& costs = (*compiled)->costs;
      if (costs.of((*compiled)->grammar.root) < GrammarCosts::kImpossible)
        schemas.emplace_back(c.name, c.schema);
    }
  }
  const auto tokenizer = WordTokenizer::of_pieces();
  TextAssets assets;
  assets.tokenizer = tokenizer;
  const ChatModel chat = ChatModel::create(assets).value();
  const auto model = std::make_shared<FakeModel>(tokenizer->vocab_size());
  ThreadPool pool{1};
  const auto engine = Engine::create(model, pool, {}).value();
  const auto backend = make_local_backend(chat, *engine);
  int n_ended = 0, n_valid = 0;
  for (int i = 0; i < n_answers; ++i) {
    // A stride spreads a sample over the whole list; the corpus comes first.
    const size_t n = schemas.size();
    const size_t at =
        i < static_cast<int>(std::size(kCorpus))
            ? static_cast<size_t>(i)
            : (static_cast<size_t>(i) * std::max<size_t>(1, n / static_cast<size_t>(n_answers)) +
               static_cast<size_t>(i)) %
                  n;
    const auto& [name, schema] = schemas[at];
    ChatRequest request{.raw_ids = {65, 66, static_cast<TokenId>(i % 250)}, .max_tokens = 256};
    request.format = {.kind = ResponseFormat::Kind::json_schema, .schema = schema};
    request.sampling = {
        .temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0, .seed = static_cast<uint64_t>(i)};
    auto stream = backend->start(request);
    ASSERT_TRUE(stream) << name << ": " << stream.error().message;
    std::string text;
    ChatFinish finish;
    while (const auto event = (*stream)->next_within(-1)) {
      if (const auto* delta = std::get_if<TextDelta>(&*event)) text += delta->text;
      if (const auto* end = std::get_if<ChatFinish>(&*event)) finish = *end;
    }
    ASSERT_NE(finish.reason, ChatFinishReason::error) << name << ": " << finish.error->message;
    if (finish.reason != ChatFinishReason::stop) continue;
    ++n_ended;
    const auto value = parse_json(text, "answer");
    EXPECT_TRUE(value) << name << "\n" << text;
    const Status valid = value ? validate_json(schema, *value) : Status(value.error());
    EXPECT_TRUE(valid) << name << "\n"
                       << to_string(schema) << "\n"
                       << text << "\n"
                       << (valid ? "" : valid.error().message);
    n_valid += valid ? 1 : 0;
  }
  std::cout << fmt::format("{} answers over {} schemas: {} ended by themselves, {} of them valid\n",
                           n_answers, schemas.size(), n_ended, n_valid);
  EXPECT_EQ(n_valid, n_ended);
  EXPECT_GE(static_cast<double>(n_ended), 0.99 * n_answers);
}

}  // namespace
}  // namespace jiang
