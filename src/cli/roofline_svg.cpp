#include "cli/roofline_svg.h"

#include <algorithm>
#include <cmath>

#include "base/result.h"
#include "base/unicode.h"

namespace jiang {
namespace {

// Pixels of the picture and of the chart within it.
constexpr double kWidth = 900;
constexpr double kLeft = 80;
constexpr double kRight = 870;
constexpr double kTop = 76;
constexpr double kBottom = 500;
constexpr double kLegendLine = 20;
constexpr double kMark = 5;           // half a mark
constexpr double kLetterWidth = 6.8;  // of 12 px text, about
constexpr double kTextHeight = 12;

// Each has a contrast of at least 4.5 to 1 against its ground. Series beyond these begin anew; the
// letters before the labels tell them apart.
constexpr const char* kLightColors[] = {"#0b62a4", "#a83b00", "#1a7033", "#8a2a86", "#7a5a00"};
constexpr const char* kDarkColors[] = {"#6fb5f0", "#ff9d66", "#7ed491", "#e99ae4", "#e3bf4d"};

struct SvgBox {
  double left, top, right, bottom;

  bool overlaps(const SvgBox& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

// Powers of ten from `low` to `high`, both of them such powers, over pixels.
struct LogAxis {
  double low, high, from, to;

  double at(double value) const {
    return from + (to - from) * (std::log10(value) - std::log10(low)) /
                      (std::log10(high) - std::log10(low));
  }
};

double power_below(double value) { return std::pow(10, std::floor(std::log10(value))); }
double power_above(double value) { return std::pow(10, std::ceil(std::log10(value))); }

struct SvgAxes {
  LogAxis x, y;
};

SvgAxes axes_of(const Roofline& chart) {
  const double ridge = chart.dot_gop_per_s / chart.read_gb_per_s;
  double x_low = ridge, x_high = ridge, y_low = chart.dot_gop_per_s;
  double y_high = chart.dot_gop_per_s;
  for (const RooflinePoint& point : chart.points) {
    x_low = std::min(x_low, point.operations_per_byte);
    x_high = std::max(x_high, point.operations_per_byte);
    y_low = std::min(y_low, point.gop_per_s);
    y_high = std::max(y_high, point.gop_per_s);
  }
  // Room around what lies at the edge.
  return {.x = {power_below(x_low * 0.7), power_above(x_high * 2), kLeft, kRight},
          .y = {power_below(y_low * 0.7), power_above(y_high * 1.2), kBottom, kTop}};
}

std::string tick_text(double value) {
  return value >= 1 ? fmt::format("{:.0f}", value) : fmt::format("{:g}", value);
}

std::string grid(const SvgAxes& axes) {
  std::string svg;
  const auto each = [](const LogAxis& axis, auto draw) {
    for (double decade = axis.low; decade < axis.high * 1.5; decade *= 10) {
      for (const double step : {1.0, 2.0, 5.0}) {
        if (decade * step <= axis.high * 1.001) draw(decade * step, step == 1.0);
      }
    }
  };
  each(axes.x, [&](double value, bool is_decade) {
    const double x = axes.x.at(value);
    svg += fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{}\" x2=\"{:.1f}\" y2=\"{}\"/>\n",
                       is_decade ? "grid" : "fine", x, kTop, x, kBottom);
    svg +=
        fmt::format("<text class=\"tick\" text-anchor=\"middle\" x=\"{:.1f}\" y=\"{}\">{}</text>\n",
                    x, kBottom + 18, tick_text(value));
  });
  each(axes.y, [&](double value, bool is_decade) {
    const double y = axes.y.at(value);
    svg += fmt::format("<line class=\"{}\" x1=\"{}\" y1=\"{:.1f}\" x2=\"{}\" y2=\"{:.1f}\"/>\n",
                       is_decade ? "grid" : "fine", kLeft, y, kRight, y);
    svg += fmt::format("<text class=\"tick\" text-anchor=\"end\" x=\"{}\" y=\"{:.1f}\">{}</text>\n",
                       kLeft - 8, y + 4, tick_text(value));
  });
  svg += fmt::format(
      "<text text-anchor=\"middle\" x=\"{}\" y=\"{}\">operations for each byte read</text>\n",
      (kLeft + kRight) / 2, kBottom + 40);
  svg += fmt::format(
      "<text text-anchor=\"middle\" transform=\"translate(22 {}) rotate(-90)\">Gop/s (one "
      "multiply-accumulate is two)</text>\n",
      (kTop + kBottom) / 2);
  return svg;
}

// The two limits, each with its name; `taken` gets the place of the names.
std::string roofs(const Roofline& chart, const SvgAxes& axes, std::vector<SvgBox>& taken) {
  const double ridge = chart.dot_gop_per_s / chart.read_gb_per_s;
  const double x_ridge = axes.x.at(ridge), y_roof = axes.y.at(chart.dot_gop_per_s);
  // The slope enters the chart at its left edge or at its bottom.
  const double enters = std::max(axes.x.low, axes.y.low / chart.read_gb_per_s);
  const double x_enters = axes.x.at(enters), y_enters = axes.y.at(enters * chart.read_gb_per_s);
  std::string svg =
      fmt::format("<path class=\"roof\" d=\"M{:.1f} {:.1f} L{:.1f} {:.1f} L{} {:.1f}\"/>\n",
                  x_enters, y_enters, x_ridge, y_roof, kRight, y_roof);
  const auto name = [&](const std::string& text, const char* anchor, double x, double y) {
    const double width = kLetterWidth * static_cast<double>(text.size());
    const double left = anchor == std::string_view("end") ? x - width : x;
    taken.push_back({left, y - kTextHeight, left + width, y + 3});
    svg += fmt::format(
        "<text class=\"limit\" text-anchor=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", anchor, x,
        y, text);
  };
  name(fmt::format("dot products {:.0f} Gop/s", chart.dot_gop_per_s), "end", kRight - 6,
       y_roof - 8);
  // Left of the slope, where nothing can be.
  const double middle = std::sqrt(enters * ridge);
  name(fmt::format("reads {:.1f} GB/s", chart.read_gb_per_s), "end", axes.x.at(middle) - 12,
       axes.y.at(middle * chart.read_gb_per_s) - 4);
  return svg;
}

std::string mark(const RooflinePoint& point, size_t n_colors, double x, double y) {
  const size_t color = point.series % n_colors;
  if (point.shape == RooflinePoint::Shape::circle) {
    return fmt::format("<circle class=\"s{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"/>\n", color, x,
                       y, kMark);
  }
  return fmt::format("<rect class=\"s{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{}\" height=\"{}\"/>\n",
                     color, x - kMark, y - kMark, 2 * kMark, 2 * kMark);
}

std::string series_letter(size_t series) {
  std::string letters;
  for (size_t rest = series + 1; rest > 0; rest = (rest - 1) / 26)
    letters.insert(letters.begin(), static_cast<char>('A' + (rest - 1) % 26));
  return letters;
}

// Marks, and labels at the first place around each where nothing is yet.
std::string marks(const Roofline& chart, const SvgAxes& axes, std::vector<SvgBox>& taken) {
  std::string svg;
  for (const RooflinePoint& point : chart.points) {
    const double x = axes.x.at(point.operations_per_byte), y = axes.y.at(point.gop_per_s);
    taken.push_back({x - kMark, y - kMark, x + kMark, y + kMark});
  }
  for (const RooflinePoint& point : chart.points) {
    const double x = axes.x.at(point.operations_per_byte), y = axes.y.at(point.gop_per_s);
    const std::string text =
        chart.series.size() > 1 ? series_letter(point.series) + " " + point.label : point.label;
    const double width = kLetterWidth * static_cast<double>(text.size());
    const double gap = kMark + 4;
    const std::pair<double, double> places[] = {
        {x + gap, y + 4},          {x - gap - width, y + 4},  {x - width / 2, y + 20},
        {x - width / 2, y - gap},  {x + gap, y + 18},         {x + gap, y - 10},
        {x - gap - width, y + 18}, {x - gap - width, y - 10}, {x - width / 2, y + 34},
        {x - width / 2, y - 24}};
    std::pair<double, double> chosen = places[0];
    for (const auto& [left, base] : places) {
      const SvgBox box{left, base - kTextHeight + 2, left + width, base + 2};
      const bool is_free = std::none_of(taken.begin(), taken.end(),
                                        [&](const SvgBox& one) { return box.overlaps(one); });
      if (!is_free || left < kLeft || left + width > kRight || base > kBottom) continue;
      chosen = {left, base};
      break;
    }
    taken.push_back(
        {chosen.first, chosen.second - kTextHeight + 2, chosen.first + width, chosen.second + 2});
    svg += "<g>" +
           fmt::format("<title>{} {}: {:.3g} operations a byte, {:.1f} Gop/s</title>",
                       xml_escaped(point.series < chart.series.size() ? chart.series[point.series]
                                                                      : std::string()),
                       xml_escaped(point.label), point.operations_per_byte, point.gop_per_s);
    svg += mark(point, std::size(kLightColors), x, y);
    svg += fmt::format("<text class=\"label\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text></g>\n",
                       chosen.first, chosen.second, xml_escaped(text));
  }
  return svg;
}

std::string legend(const Roofline& chart, double y) {
  std::string svg;
  const auto row = [&](const std::string& swatch, const std::string& text) {
    svg += swatch + fmt::format("<text x=\"{}\" y=\"{:.1f}\">{}</text>\n", kLeft + 16, y + 4,
                                xml_escaped(text));
    y += kLegendLine;
  };
  const auto outline = [&](const char* shape) {
    return fmt::format("<g class=\"key\">{}</g>", shape);
  };
  row(outline(
          fmt::format("<circle cx=\"{}\" cy=\"{:.1f}\" r=\"{}\"/>", kLeft + 4, y, kMark).c_str()),
      chart.circle_means);
  row(outline(fmt::format("<rect x=\"{}\" y=\"{:.1f}\" width=\"{}\" height=\"{}\"/>",
                          kLeft + 4 - kMark, y - kMark, 2 * kMark, 2 * kMark)
                  .c_str()),
      chart.square_means);
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const std::string swatch =
        fmt::format("<rect class=\"s{}\" x=\"{}\" y=\"{:.1f}\" width=\"14\" height=\"10\"/>",
                    i % std::size(kLightColors), kLeft - 5, y - 5);
    row(swatch,
        chart.series.size() > 1 ? series_letter(i) + "  " + chart.series[i] : chart.series[i]);
  }
  return svg;
}

std::string style() {
  std::string light, dark;
  for (size_t i = 0; i < std::size(kLightColors); ++i) {
    light += fmt::format(".s{}{{fill:{}}}", i, kLightColors[i]);
    dark += fmt::format(".s{}{{fill:{}}}", i, kDarkColors[i]);
  }
  return "<style>text{font:12px sans-serif;fill:#1f2328}.title{font-size:16px;font-weight:bold}"
         ".ground{fill:#ffffff}.grid{stroke:#b8bec6}.fine{stroke:#e4e7eb}"
         ".roof{fill:none;stroke:#1f2328;stroke-width:2}.limit{font-style:italic}"
         ".key{fill:none;stroke:#1f2328}" +
         light +
         "@media(prefers-color-scheme:dark){text{fill:#e6e9ed}.ground{fill:#15181c}"
         ".grid{stroke:#4b525b}.fine{stroke:#2a2f35}.roof,.key{stroke:#e6e9ed}" +
         dark + "}</style>\n";
}

}  // namespace

std::string xml_escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const DecodedCodePoint next = decode_utf8(text);
    text.remove_prefix(static_cast<size_t>(next.length));
    const char32_t c = next.code_point;
    if (c == U'&') {
      out += "&amp;";
    } else if (c == U'<') {
      out += "&lt;";
    } else if (c == U'>') {
      out += "&gt;";
    } else if (c == U'"') {
      out += "&quot;";
    } else if (c == U'\'') {
      out += "&#39;";
    } else if (c < 0x20 || c == 0x7f || c == 0xFFFE || c == 0xFFFF) {
      append_utf8(out, kReplacementCharacter);
    } else {
      append_utf8(out, c);
    }
  }
  return out;
}

std::string roofline_svg(const Roofline& chart) {
  const SvgAxes axes = axes_of(chart);
  const double legend_top = kBottom + 64;
  const double height = legend_top + kLegendLine * static_cast<double>(chart.series.size() + 2);
  std::string svg =
      fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\">\n",
                  kWidth, height);
  svg += fmt::format("<title>{}</title>\n", xml_escaped(chart.title));
  svg += style();
  svg += fmt::format("<rect class=\"ground\" width=\"{}\" height=\"{}\"/>\n", kWidth, height);
  svg += fmt::format("<text class=\"title\" x=\"{}\" y=\"30\">{}</text>\n", kLeft,
                     xml_escaped(chart.title));
  svg += fmt::format("<text x=\"{}\" y=\"52\">{}</text>\n", kLeft, xml_escaped(chart.subtitle));
  std::vector<SvgBox> taken;
  svg += grid(axes);
  svg += roofs(chart, axes, taken);
  svg += marks(chart, axes, taken);
  svg += legend(chart, legend_top);
  return svg + "</svg>\n";
}

}  // namespace jiang
