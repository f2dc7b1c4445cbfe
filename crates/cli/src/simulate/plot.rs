//! The course of a run as a drawing: use of the quota, its level, and who waits.

mod chart;
mod scale;

use std::time::Duration;

use paceline_proving::{Run, Scenario, Second};

use self::chart::{Chart, Panel};
use self::scale::{Scale, short};
use crate::figures::{grouped, span};

/// Seconds are gathered into so many columns at the most.
const COLUMNS_MAX: usize = 240;
/// Use beyond so many times the limit is cut off, so that one burst does not flatten the rest.
const CUT_OFF: f64 = 3.0;

/// Several seconds side by side as one column. Rates are per second, the others are the highest.
#[derive(Clone, Copy, Debug, Default)]
struct Column {
    own: f64,
    foreign: f64,
    allowed: f64,
    level: f64,
    waiting: f64,
    refused: f64,
}

/// The drawing of a run.
pub(super) fn svg(scenario: &Scenario, run: &Run) -> String {
    let seconds = &run.timeline.seconds;
    let each = seconds.len().div_ceil(COLUMNS_MAX).max(1);
    let columns: Vec<Column> = seconds.chunks(each).map(gathered).collect();
    let title = match scenario.name.as_str() {
        "" => "paceline simulate",
        name => name,
    };
    let report = &run.report;
    let subtitle = format!(
        "{}, seed {}: {} requests, {} refusals, worst wait {}",
        report.sender.name(),
        report.seed,
        grouped(report.requests),
        grouped(report.refused.first_minute + report.refused.later),
        span(Duration::from_secs_f64(report.wait.worst_s.max(0.0))),
    );
    let mut chart = Chart::new(title, &subtitle, columns.len(), each);
    use_panel(&mut chart, run, &columns);
    level_panel(&mut chart, run, &columns);
    queue_panel(&mut chart, &columns, each);
    chart.finish()
}

fn gathered(seconds: &[Second]) -> Column {
    #[expect(clippy::cast_precision_loss, reason = "drawn to a pixel")]
    let column = |second: &Second| Column {
        own: second.own.max(0) as f64,
        foreign: second.foreign as f64,
        allowed: second.allowed,
        level: second.level,
        waiting: second.waiting as f64,
        refused: second.refused as f64,
    };
    #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
    let count = seconds.len().max(1) as f64;
    let sum = seconds
        .iter()
        .map(column)
        .fold(Column::default(), |a, b| Column {
            own: a.own + b.own,
            foreign: a.foreign + b.foreign,
            allowed: a.allowed + b.allowed,
            level: a.level.max(b.level),
            waiting: a.waiting.max(b.waiting),
            refused: a.refused + b.refused,
        });
    Column {
        own: sum.own / count,
        foreign: sum.foreign / count,
        allowed: sum.allowed / count,
        ..sum
    }
}

fn use_panel(chart: &mut Chart, run: &Run, columns: &[Column]) {
    let highest = |of: fn(&Column) -> f64| columns.iter().map(of).fold(0.0, f64::max);
    let used = highest(|column| column.own + column.foreign);
    let allowed = highest(|column| column.allowed);
    let scale = Scale::up_to(used.min(allowed * CUT_OFF).max(allowed * 1.2));
    let mut title = format!("{} per second ({})", run.timeline.unit, run.timeline.limit);
    if used > scale.top {
        title += &format!(", {} at the highest", short(used));
    }
    let mut legend = vec![("own", "senders"), ("limit", "limit")];
    let others = highest(|column| column.foreign) > 0.0;
    if others {
        legend.insert(1, ("foreign", "others"));
    }
    let mut panel = Panel::new(chart, 170, &title, &legend, scale, short);
    for (index, column) in columns.iter().enumerate() {
        panel.bar(index, 0.0, column.own, "own");
        panel.bar(index, column.own, column.foreign, "foreign");
        if column.own + column.foreign > panel.top() {
            panel.cut(index);
        }
    }
    panel.steps(columns.iter().map(|column| column.allowed), "limit");
    panel.close();
}

fn level_panel(chart: &mut Chart, run: &Run, columns: &[Column]) {
    let title = format!("level of {}: in use, of what it holds", run.timeline.limit);
    let highest = columns
        .iter()
        .map(|column| column.level)
        .fold(1.0, f64::max);
    let scale = Scale::up_to(highest);
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let mut panel = Panel::new(chart, 100, &title, &[("level", "level")], scale, percent);
    panel.area(columns.iter().map(|column| column.level), "level");
    panel.close();
}

fn queue_panel(chart: &mut Chart, columns: &[Column], each: usize) {
    let waiting = columns
        .iter()
        .map(|column| column.waiting)
        .fold(0.0, f64::max);
    let refused = columns
        .iter()
        .map(|column| column.refused)
        .fold(0.0, f64::max);
    let scale = Scale::up_to(waiting.max(refused).max(4.0));
    let per = match each {
        1 => "refusals each second".to_owned(),
        _ => format!("refusals each {each} s"),
    };
    let legend = [("waiting", "waiting"), ("refused", per.as_str())];
    let title = match refused {
        none if none <= 0.0 => "requests, none refused",
        _ => "requests",
    };
    let mut panel = Panel::new(chart, 120, title, &legend, scale, short);
    panel.area(columns.iter().map(|column| column.waiting), "waiting");
    // A single refusal must be seen however many wait.
    let least = scale.top / 20.0;
    for (index, column) in columns.iter().enumerate() {
        if column.refused > 0.0 {
            panel.bar(index, 0.0, column.refused.max(least), "refused");
        }
    }
    panel.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_averaged_and_peaks_are_kept() {
        let second = |own, waiting, refused| Second {
            own,
            waiting,
            refused,
            allowed: 10.0,
            ..Second::default()
        };
        let column = gathered(&[second(4, 1, 2), second(8, 5, 1)]);
        assert!((column.own - 6.0).abs() < 1e-9 && (column.allowed - 10.0).abs() < 1e-9);
        assert!((column.waiting - 5.0).abs() < 1e-9 && (column.refused - 3.0).abs() < 1e-9);
    }
}
