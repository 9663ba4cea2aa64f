#include "cli/serve_settings.h"

#include <algorithm>
#include <filesystem>

#include "base/suggest.h"
#include "base/toml.h"
#include "cli/options.h"

namespace jiang {
namespace {

// Of each option: its flag; whether it stands alone; whether it may be repeated. Everything else
// is said in declare().
struct Setting {
  const char* flag;
  const char* short_flag;
  bool is_switch = false;
  bool repeats = false;
};
constexpr Setting kSettings[] = {
    {"--host", ""},
    {"--port", ""},
    {"--allow-remote", "", true},
    {"--base-path", ""},
    {"--allow-host", "", false, true},
    {"--allow-origin", "", false, true},
    {"--trusted-proxy", "", false, true},
    {"--cert", ""},
    {"--key", ""},
    {"--ctx", "-c"},
    {"--lora", "", false, true},
    {"--draft", ""},
    {"--threads", "-t"},
    {"--parallel", ""},
    {"--queue", ""},
    {"--requests-per-minute", ""},
    {"--memory", ""},
    {"--keep-alive", ""},
    {"--max-body", ""},
    {"--max-connections", ""},
    {"--max-connections-per-address", ""},
    {"--io-threads", ""},
    {"--grace", ""},
    {"--quiet", "", true},
};

void declare(Options& options, ServeSettings& s, std::vector<std::string>& models) {
  options.rest(models, "MODEL",
               "models to serve: files, folders, installed names, or NAME=any of these");
  options.text(s.host, "--host", "ADDRESS", "where to listen (default 127.0.0.1)");
  options.number(s.port, "--port", Range<int32_t>{0, 65535}, "0: any free one (default 8080)");
  options.flag(s.allow_remote, "--allow-remote", "listen on an address that other machines reach");
  options.text(s.base_path, "--base-path", "PATH",
               "the prefix of a proxy that leaves it in the path");
  options.texts(s.allow_hosts, "--allow-host", "NAME",
                "a name that this server is called by; *: any");
  options.texts(s.allow_origins, "--allow-origin", "ORIGIN",
                "a web page that may call the API; *: any");
  options.texts(s.trusted_proxies, "--trusted-proxy", "NETWORK", "whose X-Forwarded-* to believe");
  options.text(s.certificate, "--cert", "FILE", "TLS certificate chain (PEM)");
  options.text(s.private_key, "--key", "FILE", "its private key (PEM)");
  options.text(s.new_key, "--new-key", "NAME", "make an API key for the owner and print it");
  options.number(s.context, "-c,--ctx", Range<int32_t>{1, 1 << 30},
                 "context in tokens (default: the trained one, at most 8192)");
  options.texts(s.lora, "--lora", "PATH[:SCALE]",
                "a LoRA adapter of MODEL; may be given several times");
  options.text(s.draft, "--draft", "MODEL",
               "a smaller model of the same vocabulary guesses ahead for MODEL (same answers)");
  options.number(s.threads, "-t,--threads", Range<int32_t>{1, 1024},
                 "compute threads (default: physical cores within the cgroup's quota)");
  options.number(s.parallel, "--parallel", Range<int32_t>{1, 1024},
                 "answers at once, of one user (default 8)");
  options.number(s.queue, "--queue", Range<int32_t>{1, 100000},
                 "requests that may wait, of all models together (default 64)");
  options.number(s.requests_per_minute, "--requests-per-minute", Range<int32_t>{0, 1000000},
                 "of each user, reading aside; 0: no limit (default)");
  options.number(s.memory_mb, "--memory", Range<int32_t>{1, 1 << 30},
                 "MB for models and their state (default: 80 % of the machine's)");
  options.number(s.keep_alive_seconds, "--keep-alive", Range<int32_t>{-1, 1 << 30},
                 "seconds until an idle model is unloaded, -1: never (default 300)");
  options.number(s.max_body_mb, "--max-body", Range<int32_t>{1, 4096},
                 "MiB of a request (default 32)");
  options.number(s.max_connections, "--max-connections", Range<int32_t>{1, 1000000},
                 "(default 1024)");
  options.number(s.max_connections_per_address, "--max-connections-per-address",
                 Range<int32_t>{1, 1000000}, "(default 256)");
  options.number(s.io_threads, "--io-threads", Range<int32_t>{1, 64}, "(default 2)");
  options.number(s.grace_seconds, "--grace", Range<int32_t>{0, 3600},
                 "seconds that answers may go on after SIGTERM (default 25)");
  options.flag(s.quiet, "--quiet", "no line for each request on stderr");
}

// "--base-path" -> "base_path"
std::string key_of(const Setting& setting) {
  std::string key = setting.flag + 2;
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

std::string variable_of(const Setting& setting) {
  std::string name = "JIANG_" + key_of(setting);
  for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return name;
}

bool is_given(const Setting& setting, const std::vector<std::string>& arguments) {
  const std::string flag = setting.flag;
  const std::string short_flag = setting.short_flag;
  for (const std::string& word : arguments) {
    if (word == "--") return false;
    if (word == flag || word.compare(0, flag.size() + 1, flag + "=") == 0) return true;
    if (!short_flag.empty() && word.compare(0, 2, short_flag) == 0) return true;
  }
  return false;
}

bool is_true(const std::string& text) {
  return text == "1" || text == "true" || text == "on" || text == "yes" || text == "enabled";
}
bool is_false(const std::string& text) {
  return text == "0" || text == "false" || text == "off" || text == "no" || text == "disabled" ||
         text.empty();
}

// `values` of one setting as arguments, after a trial: an error names `where` they came from.
Status append(const Setting& setting, const std::vector<std::string>& values,
              const std::string& where, std::vector<std::string>& arguments) {
  std::vector<std::string> own;
  for (const std::string& value : values) {
    if (!setting.is_switch) {
      own.push_back(std::string(setting.flag) + "=" + value);
    } else if (is_true(value)) {
      own.emplace_back(setting.flag);
    } else if (!is_false(value)) {
      return fail(ErrorKind::invalid_argument, "{}: must be true or false, not '{}'", where, value);
    }
  }
  ServeSettings trial;
  std::vector<std::string> ignored;
  Options options("serve");
  declare(options, trial, ignored);
  if (const auto parsed = options.parse(own); !parsed)
    return fail(ErrorKind::invalid_argument, "{}: {}", where, parsed.error().message);
  arguments.insert(arguments.end(), own.begin(), own.end());
  return ok();
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

Result<std::vector<std::string>> values_of(const Json& value, const std::string& where) {
  const auto text_of = [](const Json& one) {
    return one.is_string() ? one.get<std::string>() : to_string(one);
  };
  std::vector<std::string> values;
  if (value.is_object())
    return fail(ErrorKind::invalid_argument, "{}: a table is not expected", where);
  if (!value.is_array()) return std::vector<std::string>{text_of(value)};
  for (const Json& one : value) values.push_back(text_of(one));
  return values;
}

struct FileSettings {
  Json serve = Json::object();
  TomlDocument document;
  std::string path;
  std::string where(const std::string& key) const {
    return fmt::format("{}:{}: {}", path, document.line("/serve/" + key), key);
  }
};

Result<FileSettings> read_file(const std::string& home) {
  FileSettings file;
  file.path = home + "/config.toml";
  std::error_code ignored;
  if (!std::filesystem::exists(file.path, ignored)) return file;
  TRY(file.document, parse_toml_file(file.path));
  const Json* serve = find_member(file.document.value, "serve");
  if (serve == nullptr) return file;
  if (!serve->is_object())
    return fail(ErrorKind::invalid_argument, "{}: serve must be a table, [serve]", file.path);
  file.serve = *serve;
  std::vector<std::string> names = {"models"};
  for (const Setting& setting : kSettings) names.push_back(key_of(setting));
  for (const auto& [key, value] : file.serve.items()) {
    if (std::find(names.begin(), names.end(), key) != names.end()) continue;
    const auto near = suggest(key, names);
    return fail(ErrorKind::invalid_argument, "{}: no such setting{}", file.where(key),
                near ? "; did you mean " + *near + "?" : "");
  }
  return file;
}

// "NAME=PATH", or a path or an installed name, which names itself.
Result<std::pair<std::string, std::string>> model_of(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals != std::string::npos && equals > 0 && text.find('/') > equals) {
    if (equals + 1 == text.size())
      return fail(ErrorKind::invalid_argument, "{}: no file after the =", text);
    return std::pair(text.substr(0, equals), text.substr(equals + 1));
  }
  std::filesystem::path path(text);
  if (!path.has_filename()) path = path.parent_path();
  std::string name = path.filename().string();
  const std::string suffix = ".gguf";
  if (name.size() > suffix.size() && name.substr(name.size() - suffix.size()) == suffix)
    name.resize(name.size() - suffix.size());
  return std::pair(name, text);
}

}  // namespace

Result<std::optional<ServeSettings>> read_serve_settings(
    const std::vector<std::string>& arguments, const std::string& home,
    const std::function<const char*(const char*)>& variable) {
  ServeSettings settings;
  std::vector<std::string> models;
  {
    // The command line alone first: its mistakes are its own.
    ServeSettings trial;
    std::vector<std::string> words;
    Options options("serve");
    declare(options, trial, words);
    TRY(const bool goes_on, options.parse(arguments));
    if (!goes_on) return std::optional<ServeSettings>();
  }
  TRY(const FileSettings file, read_file(home));
  std::vector<std::string> all;
  for (const Setting& setting : kSettings) {
    if (is_given(setting, arguments)) continue;
    const std::string name = variable_of(setting);
    const std::string key = key_of(setting);
    if (const char* value = variable(name.c_str()); value != nullptr) {
      const auto values = setting.repeats ? split_list(value) : std::vector<std::string>{value};
      TRY_STATUS(append(setting, values, name, all));
    } else if (const Json* in_file = find_member(file.serve, key)) {
      TRY(const auto values, values_of(*in_file, file.where(key)));
      TRY_STATUS(append(setting, values, file.where(key), all));
    }
  }
  all.insert(all.end(), arguments.begin(), arguments.end());
  Options options("serve");
  declare(options, settings, models);
  TRY(const bool goes_on, options.parse(all));
  if (!goes_on) return std::optional<ServeSettings>();
  if (models.empty()) {
    if (const Json* listed = find_member(file.serve, "models")) {
      TRY(models, values_of(*listed, file.where("models")));
    }
  }
  for (const std::string& text : models) {
    TRY(auto model, model_of(text));
    settings.models.push_back(std::move(model));
  }
  return std::optional<ServeSettings>(std::move(settings));
}

}  // namespace jiang
