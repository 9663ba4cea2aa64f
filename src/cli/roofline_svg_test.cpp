#include "cli/roofline_svg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

namespace jiang {
namespace {

using testing::HasSubstr;
using testing::Not;

Roofline two_points() {
  Roofline chart;
  chart.title = "title";
  chart.subtitle = "a machine";
  chart.read_gb_per_s = 10;
  chart.dot_gop_per_s = 1000;  // the ridge is at 100 operations a byte
  chart.series = {"one.gguf"};
  chart.circle_means = "prefill";
  chart.square_means = "decode";
  chart.points = {{.label = "512", .operations_per_byte = 1000, .gop_per_s = 600},
                  {.label = "x1",
                   .shape = RooflinePoint::Shape::square,
                   .operations_per_byte = 4,
                   .gop_per_s = 32}};
  return chart;
}

// The number of an attribute of the first element that begins so.
double attribute(const std::string& svg, const std::string& element, const std::string& name) {
  const size_t begin = svg.find(element);
  EXPECT_NE(begin, std::string::npos) << element;
  const size_t at = svg.find(" " + name + "=\"", begin);
  return std::atof(svg.c_str() + at + name.size() + 3);
}

TEST(RooflineSvg, MarksLieOnLogarithmicAxesBelowTheRoofs) {
  const std::string svg = roofline_svg(two_points());
  // x from 1 to 10000 over 80 to 870 pixels, y from 10 to 10000 over 500 to 76.
  EXPECT_NEAR(attribute(svg, "<circle class=\"s0\"", "cx"), 80 + 790 * 3 / 4.0, 0.1);
  EXPECT_NEAR(attribute(svg, "<circle class=\"s0\"", "cy"), 500 - 424 * 1.77815 / 3, 0.1);
  // log10(4) = 0.60206, log10(32 / 10) = 0.50515; half a mark is 5.
  EXPECT_NEAR(attribute(svg, "<rect class=\"s0\"", "x"), 80 + 790 * 0.60206 / 4 - 5, 0.1);
  EXPECT_NEAR(attribute(svg, "<rect class=\"s0\"", "y"), 500 - 424 * 0.50515 / 3 - 5, 0.1);
  // The slope enters at (1, 10), the ridge is at (100, 1000).
  EXPECT_THAT(svg, HasSubstr("d=\"M80.0 500.0 L475.0 217.3 L870 217.3\""));
  EXPECT_THAT(svg, HasSubstr("reads 10.0 GB/s"));
  EXPECT_THAT(svg, HasSubstr("dot products 1000 Gop/s"));
  EXPECT_THAT(svg, HasSubstr("operations for each byte read"));
}

TEST(RooflineSvg, IsReadableInDarkAndLightAndHoldsNoScript) {
  const std::string svg = roofline_svg(two_points());
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme:dark"));
  EXPECT_THAT(svg, HasSubstr("class=\"ground\""));
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_THAT(svg, Not(HasSubstr("href")));
}

TEST(RooflineSvg, TextFromOutsideIsEscaped) {
  Roofline chart = two_points();
  chart.title = "<script>alert(1)</script>";
  chart.subtitle = "a & b";
  chart.series = {"\"model\x1b[31m\xff.gguf"};
  chart.points[0].label = "<b>";
  const std::string svg = roofline_svg(chart);
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_THAT(svg, Not(HasSubstr("<b>")));
  EXPECT_THAT(svg, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"));
  EXPECT_THAT(svg, HasSubstr("a &amp; b"));
  EXPECT_THAT(svg, HasSubstr("&quot;model\xEF\xBF\xBD[31m\xEF\xBF\xBD.gguf"));
}

TEST(RooflineSvg, XmlHoldsNoControlCharactersNorNoncharacters) {
  EXPECT_EQ(xml_escaped("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
  EXPECT_EQ(xml_escaped("\xE5\x8C\xA0"), "\xE5\x8C\xA0");
  EXPECT_EQ(xml_escaped(std::string_view("\0\n", 2)), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(xml_escaped("\xEF\xBF\xBF"), "\xEF\xBF\xBD");
}

TEST(RooflineSvg, SeveralSeriesAreToldApartByLettersToo) {
  Roofline chart = two_points();
  EXPECT_THAT(roofline_svg(chart), HasSubstr(">512</text>"));
  chart.series.push_back("two.gguf");
  chart.points[1].series = 1;
  const std::string svg = roofline_svg(chart);
  EXPECT_THAT(svg, HasSubstr(">A 512</text>"));
  EXPECT_THAT(svg, HasSubstr(">B x1</text>"));
  EXPECT_THAT(svg, HasSubstr(">B  two.gguf</text>"));
  EXPECT_THAT(svg, HasSubstr("<rect class=\"s1\""));
}

TEST(RooflineSvg, LabelsOfPointsAtOnePlaceDoNotCoverEachOther) {
  Roofline chart = two_points();
  chart.points = {chart.points[0], chart.points[0], chart.points[0]};
  const std::string svg = roofline_svg(chart);
  std::set<std::string> places;
  for (size_t at = svg.find("class=\"label\""); at != std::string::npos;
       at = svg.find("class=\"label\"", at + 1))
    places.insert(svg.substr(at, svg.find('>', at) - at));
  EXPECT_EQ(places.size(), 3u);
}

}  // namespace
}  // namespace jiang
