// A roofline chart as SVG: what was reached (operations per second) over how much is computed for
// each byte that is read, below the two limits that were measured. Pure.
//
// Log-log axes. Readable in dark and light (it asks prefers-color-scheme and has a ground of its
// own); no script, nothing fetched; what comes from outside is escaped.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace jiang {

struct RooflinePoint {
  enum class Shape { circle, square };
  std::string label;  // a few characters, beside the mark
  size_t series = 0;  // which of Roofline::series: its colour
  Shape shape = Shape::circle;
  double operations_per_byte = 1;  // > 0, as all numbers here
  double gop_per_s = 1;
};

struct Roofline {
  std::string title;
  std::string subtitle;
  double read_gb_per_s = 1;
  double dot_gop_per_s = 1;
  std::vector<std::string> series;  // their names in the legend
  std::string circle_means;         // what a circle is, in the legend
  std::string square_means;
  std::vector<RooflinePoint> points;
};

std::string roofline_svg(const Roofline& chart);

// Text within XML: markup escaped; what XML cannot hold and what is not UTF-8 becomes U+FFFD.
std::string xml_escaped(std::string_view text);

}  // namespace jiang
