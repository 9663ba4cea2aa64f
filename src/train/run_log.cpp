#include "train/run_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "base/file.h"
#include "base/json_value.h"

namespace jiang {
namespace {

std::string line_of(const LogEntry& entry) {
  Json json = {{"step", entry.step},
               {"loss", entry.loss},
               {"learning_rate", entry.learning_rate},
               {"gradient_norm", entry.gradient_norm},
               {"tokens", entry.tokens},
               {"tokens_per_second", entry.tokens_per_second}};
  if (entry.held_out) json["held_out_loss"] = *entry.held_out;
  if (entry.accuracy) json["accuracy"] = *entry.accuracy;
  return to_string(json) + "\n";
}

// nullopt: not a line of ours (cut off by a kill).
std::optional<LogEntry> entry_of(std::string_view line) {
  const auto json = parse_json(line, "log");
  if (!json || !json->is_object()) return std::nullopt;
  LogEntry entry;
  const auto number = [&](const char* key, double otherwise) {
    const auto value = get_number_or(*json, key, otherwise, "log");
    return value ? *value : otherwise;
  };
  entry.step = static_cast<int64_t>(number("step", -1));
  if (entry.step < 0) return std::nullopt;
  entry.loss = number("loss", 0);
  entry.learning_rate = number("learning_rate", 0);
  entry.gradient_norm = number("gradient_norm", 0);
  entry.tokens = number("tokens", 0);
  entry.tokens_per_second = number("tokens_per_second", 0);
  if (find_member(*json, "held_out_loss")) entry.held_out = number("held_out_loss", 0);
  if (find_member(*json, "accuracy")) entry.accuracy = number("accuracy", 0);
  return entry;
}

}  // namespace

RunLog::RunLog(RunLog&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      entries_(std::move(other.entries_)) {}

RunLog::~RunLog() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<RunLog> RunLog::open(const std::string& path, int64_t step) {
  RunLog log;
  log.path_ = path;
  std::string kept;
  if (is_regular_file(path)) {
    TRY(const std::string text, read_file(path, size_t{1} << 30));
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      if (end == std::string::npos) break;  // cut off
      const std::string_view line = std::string_view(text).substr(at, end - at);
      at = end + 1;
      const auto entry = entry_of(line);
      if (!entry || entry->step > step) continue;
      kept += std::string(line) + "\n";
      log.entries_.push_back(*entry);
    }
  }
  TRY_STATUS(write_file(path, kept));
  log.descriptor_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (log.descriptor_ < 0) return fail(ErrorKind::io, "{}: {}", path, std::strerror(errno));
  return log;
}

Status RunLog::append(const LogEntry& entry) {
  entries_.push_back(entry);
  const std::string line = line_of(entry);
  for (size_t at = 0; at < line.size();) {
    const ssize_t n = ::write(descriptor_, line.data() + at, line.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(ErrorKind::io, "{}: {}", path_, std::strerror(errno));
    at += static_cast<size_t>(n);
  }
  return ok();
}

std::string loss_curve_svg(const std::vector<LogEntry>& entries) {
  constexpr double kWidth = 720, kHeight = 360, kLeft = 56, kRight = 16, kTop = 16, kBottom = 40;
  constexpr size_t kMostPoints = 1500;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n",
      kWidth, kHeight);
  if (entries.empty()) return svg + "</svg>\n";
  double low = entries[0].loss, high = low;
  const auto include = [&](double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  };
  for (const LogEntry& entry : entries) {
    include(entry.loss);
    if (entry.held_out) include(*entry.held_out);
  }
  if (high - low < 1e-9) high = low + 1;
  const double last = std::max<double>(1, static_cast<double>(entries.back().step));
  const auto x = [&](int64_t step) {
    return kLeft + (kWidth - kLeft - kRight) * static_cast<double>(step) / last;
  };
  const auto y = [&](double loss) {
    return kTop + (kHeight - kTop - kBottom) * (high - loss) / (high - low);
  };
  for (int i = 0; i <= 4; ++i) {
    const double loss = low + (high - low) * i / 4;
    svg += fmt::format(
        "<line x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#ddd\"/>"
        "<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{:.2f}</text>\n",
        kLeft, kWidth - kRight, y(loss), y(loss), kLeft - 6, y(loss) + 4, loss);
  }
  for (int i = 0; i <= 4; ++i) {
    const auto step = static_cast<int64_t>(last * i / 4);
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", x(step),
                       kHeight - kBottom + 18, step);
  }
  const size_t stride = entries.size() / kMostPoints + 1;
  std::string raw, smooth;
  double mean = entries[0].loss;
  for (size_t i = 0; i < entries.size(); ++i) {
    mean += (entries[i].loss - mean) * std::max(0.05, 1.0 / static_cast<double>(i + 1));
    if (i % stride != 0 && i + 1 != entries.size()) continue;
    raw += fmt::format("{:.1f},{:.1f} ", x(entries[i].step), y(entries[i].loss));
    smooth += fmt::format("{:.1f},{:.1f} ", x(entries[i].step), y(mean));
  }
  svg += fmt::format("<polyline fill=\"none\" stroke=\"#b8cbe6\" points=\"{}\"/>\n", raw);
  svg += fmt::format(
      "<polyline fill=\"none\" stroke=\"#1f5fbf\" stroke-width=\"2\" points=\"{}\"/>\n", smooth);
  for (const LogEntry& entry : entries) {
    if (!entry.held_out) continue;
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"#c8501e\"/>\n",
                       x(entry.step), y(*entry.held_out));
  }
  svg += fmt::format(
      "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">step</text>\n"
      "<text x=\"{}\" y=\"{}\" text-anchor=\"end\"><tspan fill=\"#1f5fbf\">training loss</tspan> "
      "<tspan fill=\"#c8501e\">held out</tspan></text>\n</svg>\n",
      kWidth / 2, kHeight - 6, kWidth - kRight, kTop + 12);
  return svg;
}

}  // namespace jiang
