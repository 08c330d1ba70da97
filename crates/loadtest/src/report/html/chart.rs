//! What every chart is drawn with: a frame with its axes, and marks inside it, as SVG.

use std::fmt::Write;

use super::axis::Axis;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 30.0;

/// A chart that is being drawn.
#[derive(Debug)]
pub struct Chart {
    x: Axis,
    y: Axis,
    svg: String,
}

impl Chart {
    /// An empty chart, its axes labelled by the two functions; the label is for those who cannot see it. Labels are
    /// texts of this program, not from outside.
    pub fn new(
        label: &str,
        x: Axis,
        y: Axis,
        x_text: fn(f64) -> String,
        y_text: fn(f64) -> String,
    ) -> Self {
        let mut chart = Self {
            x,
            y,
            svg: format!(r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">"#),
        };
        for &tick in &chart.y.ticks {
            let y = chart.y_at(tick);
            let (end, text_x, text_y) = (WIDTH - RIGHT, LEFT - 8.0, y + 4.0);
            let _ = write!(
                chart.svg,
                r#"<path class="grid" d="M{LEFT} {y:.1}H{end}"/>"#
            );
            let _ = write!(
                chart.svg,
                r#"<text x="{text_x}" y="{text_y:.1}" text-anchor="end">{}</text>"#,
                y_text(tick)
            );
        }
        for tick in chart.x.ticks.clone() {
            chart.x_label(tick, &x_text(tick));
        }
        chart
    }

    /// A text below the chart.
    pub fn x_label(&mut self, at: f64, text: &str) {
        let (x, y) = (self.x_at(at), HEIGHT - BOTTOM + 18.0);
        let _ = write!(
            self.svg,
            r#"<text x="{x:.1}" y="{y}" text-anchor="middle">{text}</text>"#
        );
    }

    /// A line through points; it has a gap where a value is missing, and a point between two gaps is still seen.
    pub fn line(&mut self, class: &str, points: impl Iterator<Item = (f64, Option<f64>)>) {
        let mut path = String::new();
        let mut drawing = false;
        for (x, y) in points {
            if let Some(y) = y {
                let command = if drawing { 'L' } else { 'M' };
                let _ = write!(path, "{command}{:.1} {:.1}", self.x_at(x), self.y_at(y));
                if !drawing {
                    path.push_str("h.01");
                }
            }
            drawing = y.is_some();
        }
        let _ = write!(self.svg, r#"<path class="line {class}" d="{path}"/>"#);
    }

    /// A box between two points, for bars.
    pub fn bar(&mut self, class: &str, (from, to): (f64, f64), (bottom, top): (f64, f64)) {
        let (left, right) = (self.x_at(from), self.x_at(to));
        let (low, high) = (self.y_at(bottom), self.y_at(top));
        // A hair of space between bars, if they are wide enough to spare it.
        let gap = if right - left > 3.0 { 1.0 } else { 0.0 };
        let width = (right - left - gap).max(0.5);
        // The few that failed, or took longest, are what one looks for: they are seen beside however many others.
        let height = (low - high).max(2.0);
        let high = low - height;
        if top > bottom {
            let _ = write!(
                self.svg,
                r#"<rect class="{class}" x="{left:.1}" y="{high:.1}" width="{width:.1}" height="{height:.1}"/>"#
            );
        }
    }

    /// A shade over everything from this value on.
    pub fn shade(&mut self, from: f64) {
        let (left, height) = (self.x_at(from), HEIGHT - TOP - BOTTOM);
        let width = WIDTH - RIGHT - left;
        let _ = write!(
            self.svg,
            r#"<rect class="shade" x="{left:.1}" y="{TOP}" width="{width:.1}" height="{height}"/>"#
        );
    }

    /// A column that shows a text while the pointer is on it.
    pub fn hint(&mut self, (from, to): (f64, f64), text: &str) {
        let (left, width) = (self.x_at(from), self.x_at(to) - self.x_at(from));
        let height = HEIGHT - TOP - BOTTOM;
        let _ = write!(
            self.svg,
            r#"<rect class="hint" x="{left:.1}" y="{TOP}" width="{width:.1}" height="{height}">"#
        );
        let _ = write!(self.svg, "<title>{text}</title></rect>");
    }

    /// The chart as an SVG element.
    pub fn finish(mut self) -> String {
        self.svg.push_str("</svg>");
        self.svg
    }

    fn x_at(&self, value: f64) -> f64 {
        LEFT + self.x.position(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y_at(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.position(value) * (HEIGHT - TOP - BOTTOM)
    }
}
