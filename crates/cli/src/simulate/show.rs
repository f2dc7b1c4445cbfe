//! What came of a simulation: a table, and a verdict in words.

use std::time::Duration;

use paceline_proving::{Report, Scenario, TenantShare};

use super::{Column, words};
use crate::figures::{counted, grouped, percent, share, span};
use crate::table::{Side, Table};
use crate::terminal::{Style, plain};

/// Tenants that are listed; of more, the first ones.
const TENANTS_MAX: usize = 12;

/// The lines to print.
pub(super) fn lines(
    name: &str,
    scenario: &Scenario,
    columns: &[Column],
    style: Style,
) -> Vec<String> {
    let title = match scenario.name.as_str() {
        "" => name,
        title => title,
    };
    let mut lines = vec![style.bold(&plain(title))];
    if !scenario.about.is_empty() {
        lines.push(plain(&scenario.about));
    }
    lines.push(String::new());
    lines.extend(
        words::scenario(scenario)
            .iter()
            .map(|line| format!("  {line}")),
    );
    lines.push(String::new());
    lines.extend(results(columns));
    lines.extend(tenants(columns));
    lines.push(String::new());
    for column in columns {
        lines.push(verdict(column, style));
    }
    lines
}

/// The figures of all runs of a sender together.
struct Sum {
    requests: u64,
    served: u64,
    unserved: u64,
    first: (u64, u64),
    later: (u64, u64),
    used: Option<f64>,
    p50_s: f64,
    p99_s: f64,
    worst_s: f64,
    last_s: f64,
}

impl Sum {
    fn of(runs: &[Report]) -> Self {
        let sum = |of: fn(&Report) -> u64| runs.iter().map(of).sum::<u64>();
        let worst = |of: fn(&Report) -> f64| runs.iter().map(of).fold(0.0, f64::max);
        let served = sum(|run| run.served);
        let requests = sum(|run| run.requests);
        let attempts = sum(|run| run.attempts);
        let first_attempts = sum(|run| run.attempts_first_minute);
        Self {
            requests,
            served,
            unserved: requests - served,
            first: (sum(|run| run.refused.first_minute), first_attempts),
            later: (sum(|run| run.refused.later), attempts - first_attempts),
            used: mean(runs.iter().filter_map(|run| run.use_from_minute_2)),
            p50_s: mean(runs.iter().map(|run| run.wait.p50_s)).unwrap_or(0.0),
            p99_s: mean(runs.iter().map(|run| run.wait.p99_s)).unwrap_or(0.0),
            worst_s: worst(|run| run.wait.worst_s),
            last_s: worst(|run| run.last_answer_s),
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

fn results(columns: &[Column]) -> Vec<String> {
    let mut table = Table::new(&[
        ("sender", Side::Left),
        ("requests", Side::Right),
        ("served", Side::Right),
        ("not", Side::Right),
        ("429s", Side::Right),
        ("in minute 1", Side::Right),
        ("later", Side::Right),
        ("quota used", Side::Right),
        ("wait p50", Side::Right),
        ("p99", Side::Right),
        ("worst", Side::Right),
        ("last answer", Side::Right),
    ]);
    for column in columns {
        let sum = Sum::of(&column.runs);
        table.row([
            column.sender.name().to_owned(),
            grouped(sum.requests),
            grouped(sum.served),
            grouped(sum.unserved),
            grouped(sum.first.0 + sum.later.0),
            per_1000(sum.first),
            per_1000(sum.later),
            sum.used.map_or("-".to_owned(), percent),
            seconds(sum.p50_s),
            seconds(sum.p99_s),
            seconds(sum.worst_s),
            seconds(sum.last_s),
        ]);
    }
    table.lines()
}

/// Refusals of 1,000 attempts.
fn per_1000((refused, attempts): (u64, u64)) -> String {
    match share(refused, attempts) * 1_000.0 {
        none if none <= 0.0 => "0 ‰".to_owned(),
        few if few < 10.0 => format!("{few:.1} ‰"),
        many => format!("{many:.0} ‰"),
    }
}

fn seconds(time: f64) -> String {
    span(Duration::from_secs_f64(time.max(0.0)))
}

fn tenants(columns: &[Column]) -> Vec<String> {
    let tenants_of = |column: &Column| column.runs.first().map_or(0, |run| run.tenants.len());
    if columns.iter().all(|column| tenants_of(column) < 2) {
        return Vec::new();
    }
    let mut table = Table::new(&[
        ("sender", Side::Left),
        ("tenant", Side::Left),
        ("weight", Side::Right),
        ("requests", Side::Right),
        ("served", Side::Right),
        ("tokens", Side::Right),
        ("share", Side::Right),
        ("wait p50", Side::Right),
        ("worst", Side::Right),
    ]);
    let mut more = 0;
    for column in columns {
        let Some(run) = column.runs.first() else {
            continue;
        };
        for tenant in run.tenants.iter().take(TENANTS_MAX) {
            table.row(tenant_row(column, tenant));
        }
        more = run.tenants.len().saturating_sub(TENANTS_MAX);
    }
    let mut lines = vec![String::new()];
    lines.extend(table.lines());
    if more > 0 {
        lines.push(format!("  ... and {more} more tenants"));
    }
    lines
}

fn tenant_row(column: &Column, tenant: &TenantShare) -> [String; 9] {
    [
        column.sender.name().to_owned(),
        plain(&tenant.tenant),
        tenant.weight.to_string(),
        grouped(tenant.requests),
        grouped(tenant.served),
        grouped(tenant.tokens),
        percent(tenant.share),
        seconds(tenant.wait.p50_s),
        seconds(tenant.wait.worst_s),
    ]
}

/// What to make of it.
fn verdict(column: &Column, style: Style) -> String {
    let sum = Sum::of(&column.runs);
    let broken: Vec<&String> = column.runs.iter().flat_map(|run| &run.violations).collect();
    if let Some(first) = broken.first() {
        return style.red(&format!(
            "{}: BROKEN: {}",
            column.sender.name(),
            plain(first)
        ));
    }
    let refused = sum.first.0 + sum.later.0;
    let clean = refused == 0 && sum.unserved == 0;
    let mut words = vec![match refused {
        0 => "never refused".to_owned(),
        _ => format!("refused {}", counted(refused, "time")),
    }];
    words.push(match sum.unserved {
        0 => "every request served".to_owned(),
        lost => unserved(column, lost),
    });
    let waited = mean(column.runs.iter().filter_map(|run| run.use_while_waiting));
    if let Some(used) = waited {
        words.push(format!(
            "{} of the quota used while somebody waited",
            percent(used)
        ));
    }
    if sum.unserved == 0
        && let Some(late) = behind_the_best(&column.runs)
    {
        words.push(late);
    }
    if column.runs.len() > 1 {
        let calm = |run: &&Report| run.refused.first_minute + run.refused.later == 0;
        let calm = column.runs.iter().filter(calm).count();
        words.push(format!(
            "{calm} of {} seeds without a 429",
            column.runs.len()
        ));
    }
    let overloaded: u64 = column.runs.iter().map(|run| run.overloaded).sum();
    if overloaded > 0 {
        words.push(format!(
            "{} at an overloaded provider",
            counted(overloaded, "attempt")
        ));
    }
    if let Some(unmet) = column.runs.iter().find_map(|run| run.unmet.first()) {
        words.push(style.red(&format!("NOT AS EXPECTED: {}", plain(unmet))));
    }
    let name = column.sender.name();
    let name = if clean {
        style.green(name)
    } else {
        style.red(name)
    };
    format!("{name}: {}", words.join(", "))
}

fn unserved(column: &Column, lost: u64) -> String {
    let sum = |of: fn(&Report) -> u64| column.runs.iter().map(of).sum::<u64>();
    let parts = [
        (sum(|run| run.failed), "failed"),
        (sum(|run| run.turned_away), "turned away"),
        (sum(|run| run.unfinished), "still waiting at the end"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    format!(
        "{} not served ({})",
        counted(lost, "request"),
        parts.join(", ")
    )
}

/// How much longer a finite job took than it had to.
fn behind_the_best(runs: &[Report]) -> Option<String> {
    let pairs: Vec<(f64, f64)> = runs
        .iter()
        .filter_map(|run| Some((run.last_admission_s?, run.best_last_admission_s?)))
        .collect();
    let last = mean(pairs.iter().map(|(last, _)| *last))?;
    let best = mean(pairs.iter().map(|(_, best)| *best))?;
    Some(format!(
        "the last request admitted after {} ({} at the best)",
        seconds(last),
        seconds(best)
    ))
}
