//! Curves as SVG: axes, ticks, lines with points, a legend. No script, no font
//! of its own, readable on light and dark pages.

use std::fmt::Write as _;

/// A diagram of some curves over one axis.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    /// File name, `.svg`.
    pub file: String,
    /// What it shows.
    pub title: String,
    /// The horizontal axis, with its unit.
    pub x: String,
    /// The vertical axis, with its unit.
    pub y: String,
    /// Whether the vertical axis is logarithmic.
    pub log: bool,
    /// The curves.
    pub series: Vec<Series>,
}

/// A curve.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points, by x. x > 0; y > 0 where the axis is logarithmic.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 55.0;
/// Okabe and Ito's colours, told apart by all eyes, on white and on black.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#888888"];

/// From values to places.
struct Scale {
    from: f64,
    to: f64,
    log: bool,
    start: f64,
    end: f64,
}

impl Scale {
    fn place(&self, value: f64) -> f64 {
        let at = |value: f64| if self.log { value.ln() } else { value };
        let share = (at(value) - at(self.from)) / (at(self.to) - at(self.from));
        self.start + share * (self.end - self.start)
    }
}

impl Chart {
    /// The picture.
    pub fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let mut xs: Vec<f64> = points().map(|(x, _)| *x).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        let ys = || points().map(|(_, y)| *y).filter(|y| !self.log || *y > 0.0);
        let (from, to) = (
            xs.first().copied().unwrap_or(1.0),
            xs.last().copied().filter(|last| *last > xs[0]).unwrap_or(xs.first().map_or(2.0, |x| x * 2.0)),
        );
        let x = Scale { from, to, log: true, start: LEFT, end: WIDTH - RIGHT };
        let ticks = ticks(ys().fold(f64::MAX, f64::min), ys().fold(0.0, f64::max), self.log);
        let y = Scale {
            from: ticks[0],
            to: ticks[ticks.len() - 1],
            log: self.log,
            start: HEIGHT - BOTTOM,
            end: TOP,
        };
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
             <text x=\"{LEFT}\" y=\"22\" font-size=\"14\" font-weight=\"bold\">{}</text>\n",
            escape(&self.title)
        );
        self.axes(&mut svg, &x, &xs, &y, &ticks);
        for (index, series) in self.series.iter().enumerate() {
            curve(&mut svg, series, COLOURS[index % COLOURS.len()], index, &x, &y, self.log);
        }
        svg + "</svg>\n"
    }

    fn axes(&self, svg: &mut String, x: &Scale, xs: &[f64], y: &Scale, ticks: &[f64]) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for tick in ticks {
            let at = y.place(*tick);
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"#dddddd\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 6.0,
                at + 4.0,
                number(*tick)
            );
        }
        let mut last = f64::MIN;
        for value in xs {
            let at = x.place(*value);
            if at - last < 28.0 {
                continue;
            }
            last = at;
            let _ = writeln!(
                svg,
                "<line x1=\"{at:.1}\" y1=\"{bottom}\" x2=\"{at:.1}\" y2=\"{:.1}\" stroke=\"#444444\"/>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 5.0,
                bottom + 19.0,
                number(*value)
            );
        }
        let _ = writeln!(
            svg,
            "<polyline points=\"{LEFT},{TOP} {LEFT},{bottom} {right},{bottom}\" fill=\"none\" stroke=\"#444444\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n\
             <text transform=\"translate(16 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(LEFT, right),
            HEIGHT - 14.0,
            escape(&self.x),
            f64::midpoint(TOP, bottom),
            escape(&self.y)
        );
    }
}

fn curve(svg: &mut String, series: &Series, colour: &str, index: usize, x: &Scale, y: &Scale, log: bool) {
    let shown = series.points.iter().filter(|(_, value)| !log || *value > 0.0);
    let places: Vec<_> = shown.map(|(at, value)| (x.place(*at), y.place(*value))).collect();
    let line: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
        line.join(" ")
    );
    for (x, y) in places {
        let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
    }
    let (left, at) = (WIDTH - RIGHT + 12.0, TOP + 10.0 + 18.0 * index as f64);
    let _ = writeln!(
        svg,
        "<line x1=\"{left}\" y1=\"{at}\" x2=\"{}\" y2=\"{at}\" stroke=\"{colour}\" stroke-width=\"3\"/>\
         <text x=\"{}\" y=\"{}\">{}</text>",
        left + 16.0,
        left + 22.0,
        at + 4.0,
        escape(&series.name)
    );
}

/// Places for lines that enclose all values: powers of ten (with halves where
/// they are few), or steps of 1, 2 or 5 from 0.
fn ticks(least: f64, most: f64, log: bool) -> Vec<f64> {
    if most <= 0.0 {
        return vec![0.0, 1.0];
    }
    if log {
        let (first, last) = (least.log10().floor() as i32, most.log10().ceil() as i32);
        let last = last.max(first + 1);
        return (first..=last).map(|power| 10f64.powi(power)).collect();
    }
    let rough = most / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * power);
    (0..=(most / step).ceil() as u32).map(|n| f64::from(n) * step).collect()
}

fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_enclose_the_values() {
        assert_eq!(ticks(3.0, 42.0, false), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
        assert_eq!(ticks(0.3, 42.0, true), [0.1, 1.0, 10.0, 100.0]);
        assert_eq!(ticks(f64::MAX, 0.0, false), [0.0, 1.0]);
        assert_eq!(ticks(10.0, 10.0, true), [10.0, 100.0]);
    }

    #[test]
    fn a_picture_holds_every_curve_inside_its_frame() {
        let series = |name: &str, points| Series { name: name.into(), points };
        let chart = Chart {
            title: "a < b".into(),
            log: true,
            series: vec![
                series("one", vec![(64.0, 1.0), (1472.0, 100.0)]),
                series("two", vec![(64.0, 2.0), (512.0, 0.0)]),
            ],
            ..Chart::default()
        };
        let svg = chart.svg();
        assert!(svg.contains("a &lt; b") && svg.contains(">one<") && svg.contains(">two<"));
        assert_eq!(svg.matches("<circle").count(), 3, "no place for 0 on a logarithmic axis");
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn a_picture_of_nothing_is_still_one() {
        let svg = Chart::default().svg();
        assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN") && !svg.contains("inf"));
    }
}
