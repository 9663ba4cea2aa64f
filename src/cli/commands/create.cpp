// jiang create: a model with a system prompt, parameters, a template of its own.
#include "install/create.h"
#include "base/file.h"
#include "cli/commands/table.h"
#include "cli/options.h"
#include "cli/output.h"
#include "hub/model_ref.h"

namespace jiang {
namespace {

constexpr size_t kMaxModelfile = size_t{4} << 20;

Result<int> run(const std::vector<std::string>& arguments) {
  std::string name, file = "Modelfile";
  Options options("create");
  options.positional(name, "NAME", Options::Need::required, "the new model's name");
  options.text(file, "-f,--file", "FILE", "a Modelfile, or the same as .toml (default Modelfile)");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  TRY(const std::string text, read_file(file, kMaxModelfile));
  TRY(const Modelfile modelfile,
      file.ends_with(".toml") ? parse_modelfile_toml(text, file) : parse_modelfile(text, file));
  TRY(const Manifest manifest, create_model(Store(jiang_home()), name, modelfile));
  TRY_STATUS(print(fmt::format("created {}: jiang run {}\n", manifest.name, manifest.name)));
  return 0;
}

}  // namespace

const Command kCreate = {
    .name = "create",
    .usage = "usage: jiang create NAME [-f FILE]",
    .summary = "make a model with its own system prompt, template or parameters",
    .examples =
        "  jiang create teacher -f Modelfile\n"
        "  jiang show teacher --modelfile",
    .run = run,
};

}  // namespace jiang
