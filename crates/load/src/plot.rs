//! A plot as a small SVG picture: lines over a logarithmic axis, each point with its spread. It brings its own
//! background, and follows the reader's choice of light or dark. Lines differ by colour and by the shape of their points.

use std::fmt::Write as _;

use crate::statistics::Spread;

/// What to draw.
pub struct Plot<'a> {
    /// Above it.
    pub title: &'a str,
    /// With the unit.
    pub x_label: &'a str,
    /// With the unit.
    pub y_label: &'a str,
    /// Drawn in this order.
    pub lines: Vec<Line<'a>>,
}

/// One server's values.
pub struct Line<'a> {
    /// In the legend.
    pub name: &'a str,
    /// In rising order of x, which is above 0.
    pub points: Vec<(f64, Spread)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 74.0;
const BOTTOM: f64 = 56.0;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-size:16px;font-weight:600}\
.ground{fill:#fff}.grid{stroke:#d1d9e0}.axis{stroke:#59636e}.line{fill:none;stroke-width:2}.spread{stroke-width:1.5}\
.c0{stroke:#0969da}.c1{stroke:#bc4c00}.c2{stroke:#1a7f37}.c3{stroke:#8250df}\
.f0{fill:#0969da}.f1{fill:#bc4c00}.f2{fill:#1a7f37}.f3{fill:#8250df}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.ground{fill:#0d1117}.grid{stroke:#30363d}.axis{stroke:#9198a1}\
.c0{stroke:#4493f8}.c1{stroke:#f0883e}.c2{stroke:#3fb950}.c3{stroke:#ab7df8}\
.f0{fill:#4493f8}.f1{fill:#f0883e}.f2{fill:#3fb950}.f3{fill:#ab7df8}}";

/// Colours and shapes in [`STYLE`]; a further line begins again.
const LOOKS: usize = 4;

impl Plot<'_> {
    /// The picture's whole text. Without a point to draw: the frame alone.
    pub fn svg(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("a String grows");
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n\
             <rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>\n\
             <text class=\"title\" x=\"{LEFT}\" y=\"26\">{title}</text>",
            title = escaped(self.title)
        )?;
        let scale = Scale::of(&self.lines);
        self.write_axes(out, &scale)?;
        let mut legend_at = LEFT + 8.0;
        for (index, line) in self.lines.iter().enumerate() {
            let look = index % LOOKS;
            let path: Vec<String> = line
                .points
                .iter()
                .map(|(x, spread)| format!("{:.1},{:.1}", scale.x(*x), scale.y(spread.median)))
                .collect();
            writeln!(
                out,
                "<polyline class=\"line c{look}\" points=\"{}\"/>",
                path.join(" ")
            )?;
            for (x, spread) in &line.points {
                let (x, low, high) = (scale.x(*x), scale.y(spread.lowest), scale.y(spread.highest));
                writeln!(
                    out,
                    "<path class=\"spread c{look}\" d=\"M{x:.1} {low:.1}V{high:.1}\"/>"
                )?;
                write_shape(out, look, x, scale.y(spread.median))?;
            }
            write_shape(out, look, legend_at, 46.0)?;
            writeln!(
                out,
                "<text x=\"{:.1}\" y=\"50.5\">{}</text>",
                legend_at + 10.0,
                escaped(line.name)
            )?;
            legend_at += 34.0 + 7.5 * line.name.chars().count() as f64;
        }
        out.write_str("</svg>\n")
    }

    fn write_axes(&self, out: &mut String, scale: &Scale) -> std::fmt::Result {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for step in 0..=scale.y_steps {
            let value = f64::from(step) * scale.y_step;
            let y = scale.y(value);
            writeln!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.5,
                tick(value)
            )?;
        }
        for exponent in scale.decades() {
            let value = 10f64.powi(exponent);
            let x = scale.x(value);
            writeln!(
                out,
                "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 18.0,
                tick(value)
            )?;
        }
        writeln!(
            out,
            "<path class=\"axis\" fill=\"none\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n\
             <text transform=\"translate(18 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(LEFT, right),
            HEIGHT - 14.0,
            escaped(self.x_label),
            f64::midpoint(TOP, bottom),
            escaped(self.y_label)
        )
    }
}

/// Where values lie in the picture.
struct Scale {
    /// Logarithms to base 10.
    x_low: f64,
    x_high: f64,
    y_step: f64,
    y_steps: u32,
}

impl Scale {
    fn of(lines: &[Line<'_>]) -> Scale {
        let points = || lines.iter().flat_map(|line| &line.points);
        let fold = |start: f64, values: &mut dyn Iterator<Item = f64>, pick: fn(f64, f64) -> f64| {
            values.filter(|value| value.is_finite()).fold(start, pick)
        };
        let x_low = fold(f64::INFINITY, &mut points().map(|(x, _)| x.log10()), f64::min);
        let x_high = fold(f64::NEG_INFINITY, &mut points().map(|(x, _)| x.log10()), f64::max);
        let highest = fold(0.0, &mut points().map(|(_, spread)| spread.highest), f64::max);
        // A single x, or none, has a decade to itself.
        let (x_low, x_high) = if x_low < x_high {
            (x_low, x_high)
        } else {
            (0.0, 1.0)
        };
        let y_step = step_of(highest);
        Scale {
            x_low,
            x_high,
            y_step,
            y_steps: (highest / y_step).ceil().clamp(1.0, 20.0) as u32,
        }
    }

    fn x(&self, value: f64) -> f64 {
        let width = WIDTH - LEFT - RIGHT - 2.0 * MARGIN;
        LEFT + MARGIN + width * (value.log10() - self.x_low) / (self.x_high - self.x_low)
    }

    fn y(&self, value: f64) -> f64 {
        let top = f64::from(self.y_steps) * self.y_step;
        HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / top
    }

    /// The powers of ten within.
    fn decades(&self) -> std::ops::RangeInclusive<i32> {
        (self.x_low - 1e-9).ceil() as i32..=(self.x_high + 1e-9).floor() as i32
    }
}

/// Between the axis and the first point.
const MARGIN: f64 = 14.0;

/// A round distance between lines of the grid, of which there are four to ten.
fn step_of(highest: f64) -> f64 {
    if highest <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(highest.log10().floor());
    match highest / power {
        ..2.0 => power / 4.0,
        2.0..5.0 => power / 2.0,
        _ => power,
    }
}

/// A number at an axis: no more digits than it needs.
fn tick(value: f64) -> String {
    if value >= 1000.0 && (value % 100.0) == 0.0 {
        format!("{} k", value / 1000.0)
    } else {
        // Steps have few digits; sums of them may have an error in the last.
        format!("{}", (value * 1e6).round() / 1e6)
    }
}

fn write_shape(out: &mut String, look: usize, x: f64, y: f64) -> std::fmt::Result {
    match look {
        0 => writeln!(
            out,
            "<circle class=\"f0\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>"
        ),
        1 => writeln!(
            out,
            "<rect class=\"f1\" x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\"/>",
            x - 4.0,
            y - 4.0
        ),
        2 => writeln!(
            out,
            "<path class=\"f2\" d=\"M{x:.1} {:.1}l5.5 9.5h-11z\"/>",
            y - 6.0
        ),
        _ => writeln!(
            out,
            "<path class=\"f3\" d=\"M{x:.1} {:.1}l5.5 5.5l-5.5 5.5l-5.5 -5.5z\"/>",
            y - 5.5
        ),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_the_axes_are_where_the_frame_is() {
        let line = Line {
            name: "a<b",
            points: vec![
                (1.0, Spread::of(vec![2.0])),
                (1000.0, Spread::of(vec![3.0, 4.0, 8.0])),
            ],
        };
        let plot = Plot {
            title: "cost & growth",
            x_label: "watchers",
            y_label: "µs",
            lines: vec![line],
        };
        let svg = plot.svg();
        // Left and right ends inside the margins; 2 and 4 of 8 are a quarter and half of the height.
        assert!(svg.contains("points=\"84.0,276.5 686.0,209.0\""), "{svg}");
        assert!(svg.contains("d=\"M686.0 242.8V74.0\""), "3 to 8: {svg}");
        assert!(
            svg.contains("cost &amp; growth") && svg.contains("a&lt;b"),
            "{svg}"
        );
        assert!(svg.contains(">1 k</text>"), "{svg}");
    }

    #[test]
    fn nothing_to_draw_is_a_frame_without_nonsense() {
        let plot = Plot {
            title: "t",
            x_label: "x",
            y_label: "y",
            lines: vec![],
        };
        let svg = plot.svg();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn the_grid_has_round_steps() {
        for (highest, step) in [
            (0.0, 1.0),
            (1.3, 0.25),
            (3.0, 0.5),
            (8.0, 1.0),
            (24.0, 5.0),
            (2100.0, 500.0),
        ] {
            assert_eq!(step_of(highest), step, "{highest}");
        }
        assert_eq!(
            (tick(0.75), tick(2500.0), tick(20.0)),
            ("0.75".into(), "2.5 k".into(), "20".into())
        );
    }
}
