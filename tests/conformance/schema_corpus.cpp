#include "tests/conformance/schema_corpus.h"

#include <fmt/core.h>

#include <filesystem>
#include <set>

#include "tests/support/grammar_text.h"
#include "text/grammar.h"

namespace jiang {
namespace {

namespace fs = std::filesystem;

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

}  // namespace

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

std::vector<std::pair<std::string, Json>> satisfiable_schemas() {
  std::vector<std::pair<std::string, Json>> schemas;
  for (const char* text : kCorpus) schemas.emplace_back("corpus", *parse_json(text, "corpus"));
  for (SuiteCase& c : suite()) {
    const auto compiled = compile_schema(c.schema);
    if (!compiled) continue;
    const auto& costs = (*compiled)->costs;
    if (costs.of((*compiled)->grammar.root) < GrammarCosts::kImpossible)
      schemas.emplace_back(c.name, c.schema);
  }
  return schemas;
}

}  // namespace jiang
