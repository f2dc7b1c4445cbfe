//! Plans, and what they say against what happens: ten batches are planned, and then played by the proving
//! ground, whose provider, ways and answers know nothing of the plan.

mod draws;
mod played;
mod workloads;

use paceline_batch::plan::Bind;

use played::{Judged, judge};
use workloads::{Workload, all};

/// How far a plan may be off.
const TOLERANCE: f64 = 0.05;

#[expect(clippy::print_stdout, reason = "a line of the table in docs/batch.md")]
fn judged(name: &str) -> Judged {
    let workload = all().into_iter().find(|known| known.name == name).unwrap();
    let judged = judge(&workload);
    let Judged {
        planned_s,
        played_s,
        ..
    } = judged;
    let off = planned_s / played_s - 1.0;
    println!(
        "| {name} | {} | {played_s:.0} | {planned_s:.0} | {:+.1} % | {:?} |",
        workload.requests,
        off * 100.0,
        judged.binds
    );
    assert!(
        off.abs() <= TOLERANCE,
        "{name}: planned {planned_s:.1} s, played {played_s:.1} s: {:+.1} %",
        off * 100.0
    );
    judged
}

fn is_limit(judged: &Judged, metric: &str) -> bool {
    matches!(&judged.binds, Some(Bind::Limit { metric: bound, .. }) if bound == metric)
}

macro_rules! workload {
    ($test:ident, $name:literal, $is:expr) => {
        #[test]
        fn $test() {
            let judged = judged($name);
            let is: fn(&Judged) -> bool = $is;
            assert!(is(&judged), "{:?}", judged.binds);
        }
    };
}

workload!(
    short_answers_take_as_long_as_planned,
    "chat, short answers",
    |is| is_limit(is, "tokens")
);
workload!(
    long_answers_take_as_long_as_planned,
    "chat, long answers",
    |is| is_limit(is, "tokens")
);
workload!(embeddings_take_as_long_as_planned, "embeddings", |is| {
    is_limit(is, "tokens")
});
workload!(mixed_models_take_as_long_as_planned, "mixed models", |is| {
    is_limit(is, "tokens")
});
workload!(
    few_huge_requests_take_as_long_as_planned,
    "few huge requests",
    |is| is_limit(is, "tokens")
);
workload!(
    bound_by_requests_it_takes_as_long_as_planned,
    "request-bound",
    |is| is_limit(is, "requests")
);
workload!(
    with_charges_corrected_afterwards_it_takes_as_long_as_planned,
    "token-bound, corrected",
    |is| is_limit(is, "tokens")
);
workload!(
    bound_by_concurrency_it_takes_as_long_as_planned,
    "concurrency-bound",
    |is| is.binds == Some(Bind::Concurrency)
);
workload!(
    with_fixed_minutes_it_takes_as_long_as_planned,
    "fixed minutes",
    |is| is_limit(is, "requests")
);
workload!(
    with_a_daily_limit_it_takes_as_long_as_planned,
    "daily limit",
    |is| is_limit(is, "requests")
);

#[test]
fn there_are_ten_workloads_and_each_has_its_name() {
    let all: Vec<Workload> = all();
    let names: std::collections::BTreeSet<_> = all.iter().map(|known| known.name).collect();
    assert_eq!((all.len(), names.len()), (10, 10));
}
