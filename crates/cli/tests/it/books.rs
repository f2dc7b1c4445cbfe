//! The ledger against the provider's own books, in small; the example `books` of the test kit does it with
//! ten thousand calls.

use paceline_testkit::{BooksReport, BooksRun, CallKind, Rule};

async fn run(kill: bool) -> BooksReport {
    let run = BooksRun {
        binary: env!("CARGO_BIN_EXE_paceline").into(),
        // Long enough that there are answers more than a second before the middle.
        calls: if kill { 600 } else { 300 },
        at_once: 16,
        kill,
    };
    let report = run.run().await.unwrap();
    assert!(report.twice.is_empty(), "{:?}", report.twice);
    assert!(report.unexplained.is_empty(), "{:#?}", report.unexplained);
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_has_what_the_provider_billed_or_a_rule_says_why_not() {
    let report = run(false).await;
    assert!(report.missing.is_empty(), "{:?}", report.missing);
    let exact = report.total(Rule::Exact);
    assert_eq!(exact.billed, exact.kept);
    assert!(exact.calls >= 240, "{}", report.table());
    assert!(exact.kept.cached > 0 && exact.kept.reasoning > 0 && exact.kept.images > 0);
    let lost = report.total(Rule::LostAnswer);
    assert_eq!(lost.calls, 9, "{}", report.table());
    assert_eq!(lost.billed.cost_nanousd, 2 * lost.kept.cost_nanousd);
    let cut = report.tallies[&(CallKind::CutStream, Rule::Estimated)];
    let input_error = cut.kept.input.abs_diff(cut.billed.input);
    assert!(5 * input_error <= cut.billed.input, "{}", report.table());
    assert!(cut.kept.output > 0, "{}", report.table());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_gateway_keeps_the_record_of_every_call_it_had_answered() {
    let report = run(true).await;
    let killed = report.killed.unwrap();
    assert_eq!(killed.missing_of_before, 0, "{killed:?}");
    assert_eq!(killed.missing_of_after, 0, "{killed:?}");
    assert!(killed.answered_before > 0, "{killed:?}");
    let exact = report.total(Rule::Exact);
    assert_eq!(exact.billed, exact.kept);
}
