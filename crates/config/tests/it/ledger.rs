//! `[ledger]`: where records are kept, and that passwords stay secret.

use paceline_config::Secret;

use crate::loading::{notices, problems, settings};

#[test]
fn records_are_kept_in_a_file_for_a_month_unless_it_is_said_otherwise() {
    let ledger = settings("", &[]).ledger;
    assert!(ledger.enabled && ledger.database.is_none());
    assert_eq!((ledger.records_days, ledger.days_days), (30, None));
    let text = "[ledger]\nenabled = false\nrecords_days = 3\ndays_days = 1_000\n";
    let ledger = settings(text, &[]).ledger;
    assert!(!ledger.enabled);
    assert_eq!((ledger.records_days, ledger.days_days), (3, Some(1_000)));
}

#[test]
fn a_database_is_named_by_an_address_whose_password_is_not_shown() {
    let address = "postgres://app:canary@10.0.0.6/paceline";
    let variable = [("PACELINE_LEDGER_DATABASE", address)];
    let database = settings("", &variable).ledger.database;
    assert_eq!(database.as_ref().map(Secret::expose), Some(address));
    assert!(!format!("{database:?}").contains("canary"));
    let text = format!("[ledger]\ndatabase = \"{address}\"\n");
    let said = notices(&text, &[]).join("\n");
    assert!(
        said.contains("keeps it out") && !said.contains("canary"),
        "{said}"
    );
    let wrong = problems("[ledger]\ndatabase = \"mysql://app:canary@h\"\n", &[]);
    assert!(
        wrong.contains("ledger.database") && wrong.contains("postgres://"),
        "{wrong}"
    );
    assert!(!wrong.contains("canary"), "{wrong}");
}

#[test]
fn days_are_bounded() {
    for text in ["records_days = 0", "hours_days = 40_000", "days_days = 0"] {
        let wrong = problems(&format!("[ledger]\n{text}\n"), &[]);
        assert!(wrong.contains("must be at"), "{wrong}");
    }
}
