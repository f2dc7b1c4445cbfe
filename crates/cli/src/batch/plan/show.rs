//! A plan for people: what it costs, how long it takes, what binds, on a screen of 80 columns.

use std::time::Duration;

use paceline_batch::plan::{
    Bind, Change, Course, DeadlinePlan, LimitsSource, ModelPlan, OutputBasis, Plan, PoolPlan, Share,
};

use super::{Made, PlanArgs};
use crate::figures::{bar, counted, dollars, grouped, per, percent, share, span_ms};
use crate::table::{Side, Table};
use crate::terminal::{Style, plain};

/// Models that are shown; the dearest come first.
const MODELS_SHOWN: usize = 12;

/// Pools that are shown.
const POOLS_SHOWN: usize = 6;

/// Parts of the time that are shown.
const BINDS_SHOWN: usize = 3;

/// Cells of a bar.
const BAR: usize = 16;

/// The widest name of a model.
const NAME: usize = 22;

/// Narrower than this nothing is broken into lines.
const WIDTH_MIN: usize = 40;

pub(super) fn lines(made: &Made, args: &PlanArgs, (width, style): (usize, Style)) -> Vec<String> {
    let plan = &made.plan;
    let mut lines = vec![style.bold(&headline(made, args)), String::new()];
    lines.extend(models(plan));
    lines.push(String::new());
    let mut add = |name: &str, text: &str| lines.extend(wrapped(name, text, width.max(WIDTH_MIN)));
    add("time", &time(plan));
    if !plan.course.binds.is_empty() {
        add("binds", &binds(&plan.course));
    }
    for line in pools(plan) {
        add("limit", &line);
    }
    if let Some(deadline) = &plan.deadline {
        add("in time", &by_then(deadline));
    }
    for note in notes(made, args) {
        add("note", &note);
    }
    lines
}

fn headline(made: &Made, args: &PlanArgs) -> String {
    let mut text = format!(
        "{}: {} to send",
        plain(&args.title()),
        counted(made.plan.requests, "request")
    );
    if let Some(done) = &made.done {
        text.push_str(&format!(", {} done before", grouped(done.lines)));
    }
    text
}

fn models(plan: &Plan) -> Vec<String> {
    let mut table = Table::new(&[
        ("model", Side::Left),
        ("requests", Side::Right),
        ("input", Side::Right),
        ("output", Side::Right),
        ("cost", Side::Right),
        ("low", Side::Right),
        ("high", Side::Right),
    ]);
    for model in plan.models.iter().take(MODELS_SHOWN) {
        table.row(row(&name(plan, model), model));
    }
    if let Some(rest) = plan
        .models
        .get(MODELS_SHOWN..)
        .filter(|rest| !rest.is_empty())
    {
        table.row(row(&format!("{} more", rest.len()), &sum(rest)));
    }
    if plan.models.len() > 1 {
        table.row(row("together", &sum(&plan.models)));
    }
    table.lines()
}

fn sum(models: &[ModelPlan]) -> ModelPlan {
    let mut sum = ModelPlan::default();
    models.iter().for_each(|model| sum.include(model));
    sum
}

/// A model's name, with its path where there are several.
fn name(plan: &Plan, model: &ModelPlan) -> String {
    let alike = plan
        .models
        .iter()
        .filter(|other| other.model == model.model);
    let name = match alike.count() {
        0 | 1 => plain(&model.model),
        _ => {
            let path = model.url.rsplit('/').next().unwrap_or_default();
            plain(&format!("{} {path}", model.model))
        }
    };
    match name.chars().count() > NAME {
        true => name.chars().take(NAME - 1).chain(['…']).collect(),
        false => name,
    }
}

fn row(name: &str, model: &ModelPlan) -> [String; 7] {
    let cost = &model.cost;
    let unknown = cost.unpriced == model.requests && model.requests > 0;
    let money = |nanousd| match unknown {
        true => "?".to_owned(),
        false => short_dollars(nanousd),
    };
    [
        name.to_owned(),
        grouped(model.requests),
        short(model.input_tokens),
        short(model.output_tokens.expected),
        money(cost.expected_nanousd),
        money(cost.low_nanousd),
        money(cost.high_nanousd),
    ]
}

/// `950`, `12.3k`, `4.56M`: three digits that matter.
fn short(number: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let number_f = number as f64;
    let (scaled, unit) = match number {
        0..1_000 => return number.to_string(),
        1_000..999_500 => (number_f / 1e3, "k"),
        999_500..999_500_000 => (number_f / 1e6, "M"),
        _ => (number_f / 1e9, "G"),
    };
    match scaled {
        s if s < 9.995 => format!("{s:.2}{unit}"),
        s if s < 99.95 => format!("{s:.1}{unit}"),
        s => format!("{s:.0}{unit}"),
    }
}

/// Dollars: cents from one dollar on, whole ones from a thousand on.
fn short_dollars(nanousd: u64) -> String {
    const DOLLAR: u64 = 1_000_000_000;
    match nanousd {
        0..DOLLAR => format!("${}", dollars(nanousd)),
        _ if nanousd < 1_000 * DOLLAR => {
            let cents = (nanousd + DOLLAR / 200) / (DOLLAR / 100);
            format!("${}.{:02}", cents / 100, cents % 100)
        }
        _ => format!("${}", grouped((nanousd + DOLLAR / 2) / DOLLAR)),
    }
}

fn time(plan: &Plan) -> String {
    let (expected, high) = (plan.course.wall_ms, plan.course_with_high_output.wall_ms);
    let mut text = format!("{} at least", span_ms(expected));
    // A difference of some percent is none.
    if high > expected + expected / 50 {
        text.push_str(&format!(", {} with long answers", span_ms(high)));
    }
    text
}

fn binds(course: &Course) -> String {
    let shown = course.binds.iter().take(BINDS_SHOWN);
    let shown = shown.filter(|share| share.share >= 0.005);
    let parts = shown.map(|Share { bind, share }| {
        format!("{} {} of the time", bind_name(bind), percent(*share))
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn bind_name(bind: &Bind) -> String {
    match bind {
        Bind::Limit {
            metric,
            amount,
            window_ms,
            ..
        } => format!(
            "{} {} {}",
            grouped(*amount),
            plain(metric),
            per(Duration::from_millis(*window_ms))
        ),
        Bind::Concurrency => "the number of requests at once".to_owned(),
        Bind::Spacing => "the time between launches".to_owned(),
        Bind::Latency => "the last answers".to_owned(),
    }
}

fn pools(plan: &Plan) -> Vec<String> {
    let several = plan.pools.len() > 1;
    let (known, unknown): (Vec<_>, Vec<_>) = plan
        .pools
        .iter()
        .partition(|pool| pool.source != LimitsSource::Unknown);
    let shown = known.iter().take(POOLS_SHOWN);
    let mut lines: Vec<_> = shown.flat_map(|pool| pool_lines(pool, several)).collect();
    let more = known.len().saturating_sub(POOLS_SHOWN);
    if more > 0 {
        lines.push(format!("{} more", counted(more as u64, "pool")));
    }
    let requests: u64 = unknown.iter().map(|pool| pool.requests).sum();
    if requests > 0 {
        let whose = match known.is_empty() {
            true => String::new(),
            false => format!(" for {}", counted(requests, "request")),
        };
        lines.push(format!(
            "none is known{whose}: the time is that of the answers alone; give limits with --tpm and \
             --rpm"
        ));
    }
    lines
}

fn pool_lines(pool: &PoolPlan, several: bool) -> Vec<String> {
    let source = match pool.source {
        LimitsSource::Given => "as given",
        LimitsSource::Configured => "configured",
        LimitsSource::Learned => "learned by earlier runs",
        LimitsSource::Gateway => "as the gateway tells",
        LimitsSource::Unknown => "",
    };
    let name = match several {
        true => format!("{}: ", plain(&pool.name)),
        false => String::new(),
    };
    let line = |limit: &paceline_batch::plan::LimitUse| {
        format!(
            "{} {:>5} of {} {} {}, {name}{source}",
            bar(limit.utilisation, BAR),
            percent(limit.utilisation),
            short(limit.amount),
            plain(&limit.metric),
            per(Duration::from_millis(limit.window_ms)),
        )
    };
    pool.limits.iter().map(line).collect()
}

fn by_then(deadline: &DeadlinePlan) -> String {
    let spare = span_ms(deadline.spare_ms.unsigned_abs());
    if deadline.met {
        let high = match deadline.met_with_high_output {
            true => "",
            false => "; not with long answers",
        };
        return format!("yes, {spare} before{high}");
    }
    let needed = match deadline.needed.as_deref() {
        Some([]) | None => "nothing of what is planned with here would change that".to_owned(),
        Some(changes) => {
            let changes: Vec<_> = changes.iter().map(change).collect();
            format!("enough would be {}", changes.join(" and "))
        }
    };
    format!("no, {spare} late; {needed}")
}

fn change(change: &Change) -> String {
    match &change.bind {
        Bind::Limit {
            metric, window_ms, ..
        } => format!(
            "{} {} {} instead of {}",
            grouped(change.to),
            plain(metric),
            per(Duration::from_millis(*window_ms)),
            grouped(change.from)
        ),
        _ => format!("--concurrency {}", change.to),
    }
}

fn notes(made: &Made, args: &PlanArgs) -> Vec<String> {
    let plan = &made.plan;
    let mut notes = vec![input_note(plan), output_note(plan)];
    if plan.cost.unpriced > 0 {
        let unpriced = counted(plan.cost.unpriced, "request");
        notes.push(format!("{unpriced} without a known price: not in the cost"));
    }
    if made.input.invalid > 0 {
        let invalid = counted(made.input.invalid.into(), "line");
        notes.push(format!(
            "{invalid} cannot be sent, and would go to the errors"
        ));
    }
    let unreadable = &plan.unreadable;
    if let Some((line, what)) = unreadable.first.first() {
        notes.push(format!(
            "{} would be refused, the first in line {}: {}",
            counted(unreadable.count, "request"),
            grouped(*line),
            plain(what)
        ));
    }
    for pool in plan.pools.iter().filter(|pool| pool.too_large.count > 0) {
        let lines = pool.too_large.lines.iter().map(u64::to_string);
        notes.push(format!(
            "{} larger than a whole window holds would be refused: {} (line {})",
            counted(pool.too_large.count, "request"),
            plain(pool.too_large.first.as_deref().unwrap_or_default()),
            lines.collect::<Vec<_>>().join(", ")
        ));
    }
    if args.reads_stdin() && args.output.is_some() {
        let note = "standard input can be read only once: what is done already is not left out";
        notes.push(note.to_owned());
    }
    notes
}

fn input_note(plan: &Plan) -> String {
    let all = sum(&plan.models);
    if all.counted == all.requests {
        return "input is counted with the vocabularies of the models".to_owned();
    }
    let errors = plan.models.iter().filter_map(|model| model.input_error);
    let error = match errors.reduce(f64::max) {
        Some(error) => format!("answers so far: {} off on average", percent(error)),
        None => "no answers have told yet how far it is off, usually some percent".to_owned(),
    };
    match all.counted {
        0 => format!("input is estimated; {error}"),
        counted => format!(
            "input of {} of the requests is counted, the rest estimated; {error}",
            percent(share(counted, all.requests))
        ),
    }
}

fn output_note(plan: &Plan) -> String {
    let OutputBasis {
        learned,
        bounded,
        assumed,
        none,
    } = sum(&plan.models).output_basis;
    let parts = [
        (learned, "by answers of earlier runs"),
        (bounded, "assumed, up to the request's own bound"),
        (assumed, "assumed, as nothing bounds it"),
        (none, "none"),
    ];
    let all = learned + bounded + assumed + none;
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, what)| match *count == all {
            true => (*what).to_owned(),
            false => format!("{} {what}", percent(share(*count, all))),
        })
        .collect();
    match parts.is_empty() {
        true => "there is nothing to send".to_owned(),
        false => format!("length of answers: {}", parts.join(", ")),
    }
}

/// Text under a heading at the left, broken at spaces.
fn wrapped(name: &str, text: &str, width: usize) -> Vec<String> {
    const INDENT: usize = 11;
    let mut lines = vec![format!("  {name:<9}")];
    for word in text.split(' ') {
        let last = lines.last_mut();
        let Some(last) = last else { break };
        let columns = last.chars().count();
        if columns > INDENT && columns + 1 + word.chars().count() > width {
            lines.push(format!("{:INDENT$}{word}", ""));
            continue;
        }
        if columns > INDENT {
            last.push(' ');
        }
        last.push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_matter() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1.00k"),
            (12_345, "12.3k"),
            (999_499, "999k"),
            (1_234_567, "1.23M"),
            (5_000_000_000, "5.00G"),
        ] {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn money_has_as_many_digits_as_matter() {
        for (nanousd, text) in [
            (0, "$0.00"),
            (12_345_678, "$0.0123"),
            (1_234_999_999, "$1.23"),
            (999_999_999_999, "$1000.00"),
            (1_234_500_000_000, "$1,235"),
        ] {
            assert_eq!(short_dollars(nanousd), text);
        }
    }

    #[test]
    fn long_text_is_broken_and_stands_under_its_beginning() {
        let lines = wrapped("note", "one two three four five six seven eight nine", 30);
        assert_eq!(lines[0], "  note     one two three four");
        assert!(
            lines.len() > 1
                && lines[1..]
                    .iter()
                    .all(|line| line.starts_with("           "))
        );
        assert!(lines.iter().all(|line| line.chars().count() <= 30));
    }
}
