//! Every case against a real server, each in a database of its own.

use paceline_ledger::{Ledger, LedgerSettings, Location};
use paceline_testkit::PostgresServer;

use crate::cases;
use crate::sqlite::runner;

pub(crate) async fn open(url: String) -> Ledger {
    let settings = LedgerSettings {
        must_be_there: true,
        ..LedgerSettings::default()
    };
    Ledger::open_with(Location::Postgres(url), settings)
        .await
        .unwrap()
}

async fn fresh(server: &PostgresServer, name: &str) -> Ledger {
    open(server.create_database(name).unwrap()).await
}

#[tokio::test]
async fn answers_are_those_of_the_model() {
    let server = PostgresServer::start().unwrap();
    for seed in 0..5 {
        let ledger = fresh(&server, &format!("model{seed}")).await;
        cases::answers_are_those_of_the_model(&ledger, &mut runner(seed)).await;
    }
}

/// One server for all the others: starting one takes longer than they do.
#[tokio::test]
async fn all_cases_pass() {
    let server = PostgresServer::start().unwrap();
    cases::hostile_names_are_only_names(&fresh(&server, "hostile").await).await;
    cases::a_call_is_counted_once_however_often_it_comes(&fresh(&server, "once").await).await;
    cases::sums_outlive_the_records_they_are_of(&fresh(&server, "outlive").await).await;
    cases::what_is_kept_for_a_time_goes_after_it(&fresh(&server, "goes").await).await;
    cases::reports_tell_what_records_hold(&fresh(&server, "reports").await).await;
    cases::lanes_are_told_and_asked_for(&fresh(&server, "lanes").await).await;
    cases::a_question_without_sense_is_refused(&fresh(&server, "sense").await).await;
    cases::answers_have_an_end(&fresh(&server, "end").await).await;
    cases::what_is_acknowledged_is_there(&fresh(&server, "there").await)
        .await
        .unwrap();
}
