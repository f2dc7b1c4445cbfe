//! Panels below each other over one axis of time, as SVG.

use std::fmt::Write as _;

use super::scale::{Scale, time_step};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
/// Room above a panel for its title.
const HEAD: f64 = 26.0;
/// Room below a panel.
const GAP: f64 = 16.0;

/// Colours that stand out on white and on black alike; words follow the reader's theme.
const STYLE: &str = "\
text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:#57606a}\
.title{font-size:16px;font-weight:600;fill:#24292f}.head{font-weight:600}\
.grid{stroke:#8c959f;stroke-opacity:.25;fill:none}.axis{stroke:#8c959f;fill:none}\
.own{fill:#3b82c4}.foreign{fill:#a88bc9}.refused{fill:#e5534b}\
.limit{stroke:#d9822b;stroke-width:1.5;fill:none}rect.limit{fill:#d9822b;stroke:none}\
.level{stroke:#3b82c4;stroke-width:1.2;fill:#3b82c4;fill-opacity:.18}\
.waiting{stroke:#2f9e77;stroke-width:1.2;fill:#2f9e77;fill-opacity:.22}\
.cut{fill:#d9822b}\
@media(prefers-color-scheme:dark){text{fill:#9da7b3}.title{fill:#e6edf3}}";

/// A drawing under way.
pub(super) struct Chart {
    body: String,
    y: f64,
    columns: usize,
    /// Seconds of a column.
    each: usize,
}

impl Chart {
    pub(super) fn new(title: &str, subtitle: &str, columns: usize, each: usize) -> Self {
        let mut chart = Self {
            body: String::new(),
            y: 50.0,
            columns: columns.max(1),
            each,
        };
        chart.text(LEFT, 22.0, "start", "title", title);
        chart.text(LEFT, 40.0, "start", "", subtitle);
        chart
    }

    fn push(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.body.write_fmt(arguments);
        self.body.push('\n');
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, class: &str, words: &str) {
        let class = match class {
            "" => String::new(),
            class => format!(" class=\"{class}\""),
        };
        let words = escaped(words);
        self.push(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{class}>{words}</text>"
        ));
    }

    #[expect(clippy::cast_precision_loss, reason = "a few hundred columns")]
    fn x(&self, column: usize) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * column as f64 / self.columns as f64
    }

    /// The time axis, and the whole of it.
    #[expect(clippy::cast_precision_loss, reason = "drawn to a pixel")]
    pub(super) fn finish(mut self) -> String {
        let length_s = (self.columns * self.each) as f64;
        let (step, unit, name) = time_step(length_s);
        let y = self.y - GAP + 16.0;
        let mut at = 0.0;
        while at <= length_s {
            let x = LEFT + (WIDTH - LEFT - RIGHT) * at / length_s;
            let shown = format!("{:.1}", at / unit);
            let shown = shown.strip_suffix(".0").unwrap_or(&shown).to_owned();
            self.text(x, y, "middle", "", &shown);
            at += step;
        }
        self.text(
            WIDTH - RIGHT,
            y + 18.0,
            "end",
            "",
            &format!("{name} since the start"),
        );
        let height = y + 30.0;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" \
             width=\"{WIDTH:.0}\" height=\"{height:.0}\" role=\"img\">\n<style>{STYLE}</style>\n{}\
             </svg>\n",
            self.body
        )
    }
}

/// One panel of a chart.
pub(super) struct Panel<'c> {
    chart: &'c mut Chart,
    top_y: f64,
    height: f64,
    scale: Scale,
}

impl<'c> Panel<'c> {
    /// A panel with its title, legend and axis. `label` writes the values of the axis.
    pub(super) fn new(
        chart: &'c mut Chart,
        height: u32,
        title: &str,
        legend: &[(&str, &str)],
        scale: Scale,
        label: impl Fn(f64) -> String,
    ) -> Self {
        let top_y = chart.y + HEAD;
        let mut panel = Self {
            top_y,
            height: f64::from(height),
            scale,
            chart,
        };
        panel.chart.text(LEFT, top_y - 8.0, "start", "head", title);
        panel.legend(legend);
        for value in scale.ticks() {
            let y = panel.y(value);
            let right = WIDTH - RIGHT;
            let class = if value > 0.0 { "grid" } else { "axis" };
            panel.chart.push(format_args!(
                "<path class=\"{class}\" d=\"M{LEFT:.1} {y:.1}H{right:.1}\"/>"
            ));
            panel
                .chart
                .text(LEFT - 8.0, y + 4.0, "end", "", &label(value));
        }
        panel
    }

    /// From the right to the left, so that it ends with the axis.
    fn legend(&mut self, entries: &[(&str, &str)]) {
        let mut x = WIDTH - RIGHT;
        let y = self.top_y - 8.0;
        for (class, words) in entries.iter().rev() {
            self.chart.text(x, y, "end", "", words);
            let letters = f64::from(u32::try_from(words.chars().count()).unwrap_or(0));
            x -= letters * 6.4 + 18.0;
            let top = y - 9.0;
            self.chart.push(format_args!(
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"10\" height=\"10\"/>"
            ));
            x -= 14.0;
        }
    }

    /// The highest value that fits.
    pub(super) fn top(&self) -> f64 {
        self.scale.top
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value / self.scale.top).clamp(0.0, 1.0);
        self.top_y + self.height * (1.0 - share)
    }

    /// A bar of `value` on top of `below`.
    pub(super) fn bar(&mut self, column: usize, below: f64, value: f64, class: &str) {
        let (low, high) = (self.y(below), self.y(below + value));
        if low - high < 0.05 {
            return;
        }
        let x = self.chart.x(column);
        let width = (self.chart.x(column + 1) - x - 0.4).max(0.8);
        let height = low - high;
        self.chart.push(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{high:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\"/>"
        ));
    }

    /// The mark of a bar that goes on beyond the panel.
    pub(super) fn cut(&mut self, column: usize) {
        let x = (self.chart.x(column) + self.chart.x(column + 1)) / 2.0;
        let y = self.top_y;
        self.chart.push(format_args!(
            "<path class=\"cut\" d=\"M{:.1} {y:.1}h7l-3.5 -6z\"/>",
            x - 3.5
        ));
    }

    /// A line that keeps its value over each column.
    pub(super) fn steps(&mut self, values: impl Iterator<Item = f64>, class: &str) {
        let mut path = String::new();
        for (index, value) in values.enumerate() {
            let (from, to, y) = (self.chart.x(index), self.chart.x(index + 1), self.y(value));
            let first = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{first}{from:.1} {y:.1}H{to:.1}");
        }
        self.chart
            .push(format_args!("<path class=\"{class}\" d=\"{path}\"/>"));
    }

    /// A line through the columns, and what lies below it.
    pub(super) fn area(&mut self, values: impl Iterator<Item = f64>, class: &str) {
        let base = self.y(0.0);
        let mut path = format!("M{LEFT:.1} {base:.1}");
        for (index, value) in values.enumerate() {
            let (to, y) = (self.chart.x(index + 1), self.y(value));
            let _ = write!(path, "L{to:.1} {y:.1}");
        }
        let _ = write!(path, "V{base:.1}z");
        self.chart
            .push(format_args!("<path class=\"{class}\" d=\"{path}\"/>"));
    }

    pub(super) fn close(self) {
        self.chart.y = self.top_y + self.height + GAP;
    }
}

fn escaped(words: &str) -> String {
    let mut text = String::with_capacity(words.len());
    for letter in words.chars() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            other if other.is_control() => text.push(' '),
            other => text.push(other),
        }
    }
    text
}
