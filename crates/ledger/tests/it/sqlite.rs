//! Every case against a file.

use paceline_ledger::{Ledger, Location};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tempfile::TempDir;

use crate::cases;

pub(crate) async fn open(folder: &TempDir) -> Ledger {
    let location = Location::Sqlite(folder.path().join("ledger.db"));
    Ledger::open(location).await.unwrap()
}

pub(crate) fn runner(seed: u8) -> TestRunner {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    TestRunner::new_with_rng(Config::default(), rng)
}

#[tokio::test]
async fn answers_are_those_of_the_model() {
    for seed in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(&folder).await;
        cases::answers_are_those_of_the_model(&ledger, &mut runner(seed)).await;
    }
}

#[tokio::test]
async fn hostile_names_are_only_names() {
    let folder = tempfile::tempdir().unwrap();
    cases::hostile_names_are_only_names(&open(&folder).await).await;
}

#[tokio::test]
async fn a_call_is_counted_once_however_often_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    cases::a_call_is_counted_once_however_often_it_comes(&open(&folder).await).await;
}

#[tokio::test]
async fn sums_outlive_the_records_they_are_of() {
    let folder = tempfile::tempdir().unwrap();
    cases::sums_outlive_the_records_they_are_of(&open(&folder).await).await;
}

#[tokio::test]
async fn what_is_kept_for_a_time_goes_after_it() {
    let folder = tempfile::tempdir().unwrap();
    cases::what_is_kept_for_a_time_goes_after_it(&open(&folder).await).await;
}

#[tokio::test]
async fn reports_tell_what_records_hold() {
    let folder = tempfile::tempdir().unwrap();
    cases::reports_tell_what_records_hold(&open(&folder).await).await;
}

#[tokio::test]
async fn lanes_are_told_and_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    cases::lanes_are_told_and_asked_for(&open(&folder).await).await;
}

#[tokio::test]
async fn a_question_without_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    cases::a_question_without_sense_is_refused(&open(&folder).await).await;
}

#[tokio::test]
async fn answers_have_an_end() {
    let folder = tempfile::tempdir().unwrap();
    cases::answers_have_an_end(&open(&folder).await).await;
}

#[tokio::test]
async fn what_is_acknowledged_is_there() {
    let folder = tempfile::tempdir().unwrap();
    cases::what_is_acknowledged_is_there(&open(&folder).await)
        .await
        .unwrap();
}
