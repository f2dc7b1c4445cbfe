//! Limits that the gateway is told, and nothing else: then nothing may be refused and little may be
//! left.

use crate::{play, scenario};

fn told(kind: &str, knows: &str, refund: bool) -> String {
    format!(
        "duration_s = 420
drain_s = 0
[gateway]
knows = \"{knows}\"
guard_ms = 400
settle = \"at_admission\"
[delay]
to_provider_ms = [20, 400]
[provider]
headers = \"none\"
refund = {refund}
[[provider.quota]]
metric = \"tokens\"
amount = 600000
kind = {kind}
[[provider.quota]]
metric = \"requests\"
amount = 5000
[[workload]]
arrivals.job = {{ requests = 1000000, concurrency = 800 }}
prompt_tokens.lognormal = {{ mean = 1360, max = 8000 }}
output_tokens.fixed = 100
"
    )
}

#[test]
fn a_limit_that_is_known_is_never_exceeded_and_nearly_all_of_it_is_used() {
    for (kind, least) in [
        ("\"bucket\"", 0.97),
        ("\"fixed\"", 0.95),
        ("\"from_first_use\"", 0.95),
        ("\"sliding\"", 0.95),
        ("{ quantised = { quantum_ms = 5000 } }", 0.9),
        ("{ bucket_burst = { burst = 100000 } }", 0.97),
    ] {
        let kind = kind.replace("from_first_use", "fixed_from_first_use");
        for seed in 1..=2 {
            let run = play(&scenario(&told(&kind, "everything", false)), seed);
            let report = &run.report;
            assert_eq!(report.refused.first_minute, 0, "{kind}, seed {seed}");
            assert_eq!(report.refused.later, 0, "{kind}, seed {seed}");
            let used = report.use_while_waiting.unwrap();
            assert!(used >= least, "{kind}, seed {seed}: {used}");
            assert!(used <= 1.02, "{kind}, seed {seed}: {used}");
        }
    }
}

#[test]
fn a_limit_of_unknown_keeping_is_never_exceeded_either() {
    for kind in [
        "\"bucket\"",
        "\"fixed\"",
        "\"fixed_from_first_use\"",
        "\"sliding\"",
    ] {
        let report = play(&scenario(&told(kind, "amounts", false)), 3).report;
        let refused = report.refused.first_minute + report.refused.later;
        assert_eq!(refused, 0, "{kind}");
        assert!(report.use_while_waiting.unwrap() > 0.9, "{kind}");
    }
}

#[test]
fn a_finite_job_tells_how_far_from_the_best_possible_it_was() {
    let text = told("\"bucket\"", "everything", false).replace(
        "{ requests = 1000000, concurrency = 800 }",
        "{ requests = 1000 }",
    );
    let report = play(&scenario(&text), 4).report;
    let best_s = report.best_last_admission_s.unwrap();
    let last_s = report.last_admission_s.unwrap();
    // About 1,360,000 tokens against a bucket that holds 600,000 and refills as much a minute.
    assert!((50.0..110.0).contains(&best_s), "{best_s}");
    assert!(
        last_s >= best_s && last_s < best_s + 5.0,
        "{last_s} for {best_s}"
    );
    assert_eq!(report.served, 1_000);
}

#[test]
fn what_is_given_back_is_used_again() {
    let text = told("\"bucket\"", "everything", true)
        .replace(
            "output_tokens.fixed = 100",
            "output_tokens.fixed = 100\nmax_tokens = 4000",
        )
        .replace("at_admission", "actual");
    let report = play(&scenario(&text), 5).report;
    assert_eq!(report.refused.later, 0);
    // Every request reserves 4,000 tokens or more and uses about 1,450.
    assert!(report.use_while_waiting.unwrap() > 0.9, "{report:?}");
    assert!(report.served > 3_000, "{}", report.served);
}

#[test]
fn tenants_with_a_backlog_share_by_weight() {
    // A bucket that holds little: what goes at once in the beginning is whoever's came first.
    let kind = "{ bucket_burst = { burst = 20000 } }";
    let text = told(kind, "everything", false).replace(
        "[[workload]]",
        "[[workload]]
tenant = \"heavy\"
weight = 3
arrivals.job = { requests = 1000000, concurrency = 800 }
prompt_tokens.lognormal = { mean = 1360, max = 8000 }
output_tokens.fixed = 100
[[workload]]
tenant = \"light\"",
    );
    let report = play(&scenario(&text), 6).report;
    let [heavy, light] = report.tenants.as_slice() else {
        panic!("{:?}", report.tenants);
    };
    assert_eq!(
        (heavy.tenant.as_str(), light.tenant.as_str()),
        ("heavy", "light")
    );
    let ratio = heavy.tokens as f64 / light.tokens as f64;
    assert!((2.5..3.5).contains(&ratio), "{ratio}");
}
