//! `paceline prices`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;

use crate::command::{Ended, run};

/// Where the state folder of the tests has the user's prices.
const OWN: &str = ".local/state/paceline/prices.toml";

fn entry(model: &str, as_of: &str, input: &str) -> String {
    format!(
        "[[price]]\nprovider = \"openai\"\nmodels = [\"{model}\"]\neffective_from = 2026-01-01\n\
         as_of = {as_of}\nsource = \"https://intranet.example/contract\"\ninput = {input}\n\
         output = 9\n"
    )
}

fn write(home: &Path, name: &str, entries: &[String]) {
    let path = home.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("format = 1\n{}", entries.concat())).unwrap();
}

fn json(shown: &Ended) -> Vec<Value> {
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    serde_json::from_str(&shown.out).unwrap()
}

#[test]
fn the_list_shows_rates_days_and_sources() {
    let home = tempfile::tempdir().unwrap();
    let args = [
        "prices",
        "list",
        "--model",
        "gpt-4o-mini",
        "--date",
        "2026-11-01",
    ];
    let shown = run(home.path(), &args);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    for words in [
        "openai: gpt-4o-mini ?",
        "0.15",
        "0.075",
        "0.60",
        "2024-07-18  2026-10-04",
        "batch, priority",
        "audio_input 3.00",
        "source 1: https://developers.openai.com/api/docs/pricing",
        "? openai/gpt-4o-mini from 2024-07-18: a discount on cached input in batches",
    ] {
        assert!(shown.out.contains(words), "{words}\n{}", shown.out);
    }
    let all = run(home.path(), &["prices", "list"]);
    assert_eq!(all.code, Some(0), "{}", all.err);
    assert!(all.out.lines().count() > 50, "{}", all.out);
    let none = run(home.path(), &["prices", "list", "--model", "no-such"]);
    assert_eq!(none.code, Some(1));
    assert!(none.err.contains("no price is known"), "{}", none.err);
}

#[test]
fn the_list_as_json_is_exact_and_tells_revisions_apart() {
    let home = tempfile::tempdir().unwrap();
    let list = |args: &[&str]| {
        let args: Vec<&str> = ["prices", "list", "--json", "--model", "gpt-5.6-sol"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        json(&run(home.path(), &args))
    };
    let now = list(&["--date", "2026-11-01"]);
    assert_eq!(now.len(), 1);
    assert_eq!(now[0]["effective_from"], "2026-08-21");
    let tier = |tier: &str, path: &str| now[0]["tiers"][tier].pointer(path).cloned();
    assert_eq!(tier("standard", "/rates_usd/input"), Some("4.00".into()));
    assert_eq!(tier("batch", "/rates_usd/output"), Some("10.00".into()));
    let long = "/long_context/rates_usd/output";
    assert_eq!(tier("standard", long), Some("30.00".into()));
    assert_eq!(
        tier("priority", "/long_context/rates_usd"),
        Some(Value::Null)
    );
    assert_eq!(
        list(&["--date", "2026-08-20"])[0]["effective_from"],
        "2026-07-09"
    );
    assert_eq!(list(&["--all"]).len(), 2);
}

#[test]
fn the_users_file_is_used_where_it_is_and_where_the_configuration_says() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), OWN, &[entry("gpt-5", "2026-11-01", "1.23")]);
    write(
        home.path(),
        "named.toml",
        &[entry("gpt-5", "2026-11-01", "4.56")],
    );
    fs::write(
        home.path().join("p.toml"),
        "[prices]\nfile = \"named.toml\"\n",
    )
    .unwrap();
    let input = |args: &[&str]| {
        let list = ["prices", "list", "--json", "--model", "gpt-5-2025-08-07"];
        let args: Vec<&str> = list.iter().chain(args).copied().collect();
        let found = json(&run(home.path(), &args));
        let own = found.iter().find(|price| price["from_own_file"] == true);
        own.unwrap()["tiers"]["standard"]["rates_usd"]["input"].clone()
    };
    assert_eq!(input(&[]), "1.23");
    assert_eq!(input(&["--config", "p.toml"]), "4.56");
    fs::remove_file(home.path().join("named.toml")).unwrap();
    let missing = run(home.path(), &["prices", "list", "--config", "p.toml"]);
    assert_eq!(missing.code, Some(3));
    assert!(
        missing.err.contains("cannot read named.toml"),
        "{}",
        missing.err
    );
}

#[test]
fn a_check_names_what_is_overridden_what_is_old_and_what_has_no_price() {
    let home = tempfile::tempdir().unwrap();
    let entries = [
        entry("gpt-5", "2026-01-02", "1"),
        entry("own-model", "2099-01-01", "0"),
    ];
    write(home.path(), "mine.toml", &entries);
    let config = "[[domains]]\nname = \"a\"\nmodels = [\"gpt-4o*\", \"gpt-99\", \"own-model\"]\n\
                  requests_per_minute = 1\n";
    fs::write(home.path().join("p.toml"), config).unwrap();
    let args = [
        "prices",
        "check",
        "mine.toml",
        "--config",
        "p.toml",
        "--days",
        "100",
    ];
    let checked = run(home.path(), &args);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    for words in [
        "price file is valid: mine.toml (2 prices)",
        "openai: gpt-5      2026-01-01  1.00 / 9.00     1.25 / 10.00",
        "openai: own-model  2026-01-01  0.00 / 9.00     no price",
        "warning: the configuration names gpt-99, for which no price of openai is known",
        "warning: the price of openai/gpt-5 was read ",
        "ago, on 2026-01-02",
    ] {
        assert!(checked.out.contains(words), "{words}\n{}", checked.out);
    }
    assert!(!checked.out.contains("names gpt-4o*"), "{}", checked.out);
    assert!(!checked.out.contains("names own-model"), "{}", checked.out);
    let strict: Vec<&str> = args.iter().copied().chain(["--strict"]).collect();
    assert_eq!(run(home.path(), &strict).code, Some(1));
}

#[test]
fn a_check_without_a_file_is_about_the_built_in_prices() {
    let home = tempfile::tempdir().unwrap();
    let checked = run(home.path(), &["prices", "check", "--strict"]);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert_eq!(checked.out, "no price file: the built-in prices hold\n");
}

#[test]
fn an_invalid_file_is_told_line_by_line() {
    let home = tempfile::tempdir().unwrap();
    write(
        home.path(),
        "bad.toml",
        &[entry("gpt-5", "2026-01-02", "-1\ncolour = 2")],
    );
    let checked = run(home.path(), &["prices", "check", "bad.toml"]);
    assert_eq!(checked.code, Some(3));
    assert!(
        checked
            .err
            .contains("bad.toml:8: price[0].input: must be a plain number")
            && checked
                .err
                .contains("bad.toml:9: price[0].colour: unknown key")
            && checked
                .err
                .contains("the price file is invalid: 2 problems"),
        "{}",
        checked.err
    );
}

#[test]
fn an_update_merges_into_the_users_file_and_shows_what_changes() {
    let home = tempfile::tempdir().unwrap();
    let own = home.path().join(OWN);
    write(
        home.path(),
        "a.toml",
        &[entry("gpt-5", "2026-11-10", "1.5")],
    );
    let dry = run(
        home.path(),
        &["prices", "update", "--from", "a.toml", "--dry-run"],
    );
    assert_eq!(dry.code, Some(0), "{}", dry.err);
    assert!(
        dry.out
            .contains("openai: gpt-5  2026-01-01  1.50 / 9.00     (new)"),
        "{}",
        dry.out
    );
    assert!(!own.exists());

    let first = run(home.path(), &["prices", "update", "--from", "a.toml"]);
    assert_eq!(first.code, Some(0), "{}", first.err);
    let folder = own.parent().unwrap();
    assert_eq!(
        fs::metadata(folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let again = run(home.path(), &["prices", "update", "--from", "a.toml"]);
    assert!(again.out.contains("has all of it already"), "{}", again.out);

    write(
        home.path(),
        "b.toml",
        &[
            entry("gpt-5", "2026-11-11", "1.25"),
            entry("gpt-4o", "2026-11-11", "2"),
        ],
    );
    fs::set_permissions(&own, fs::Permissions::from_mode(0o640)).unwrap();
    let second = run(home.path(), &["prices", "update", "--from", "b.toml"]);
    assert_eq!(second.code, Some(0), "{}", second.err);
    assert!(
        second.out.contains("1.25 / 9.00     1.50 / 9.00"),
        "{}",
        second.out
    );
    assert!(second.out.contains("(2 changes)"), "{}", second.out);
    assert_eq!(
        fs::metadata(&own).unwrap().permissions().mode() & 0o777,
        0o640
    );
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    let listed = json(&run(
        home.path(),
        &["prices", "list", "--json", "--provider", "openai"],
    ));
    let own = listed.iter().filter(|price| price["from_own_file"] == true);
    assert_eq!(own.count(), 2);
}

#[test]
fn an_older_file_is_refused_unless_it_is_forced() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), OWN, &[entry("own-model", "2026-11-10", "1.5")]);
    write(
        home.path(),
        "old.toml",
        &[entry("own-model", "2026-11-09", "1.4")],
    );
    let before = fs::read_to_string(home.path().join(OWN)).unwrap();
    let refused = run(home.path(), &["prices", "update", "--from", "old.toml"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused
            .err
            .contains("own-model: read on 2026-11-09, and what is known is of 2026-11-10")
            && refused.err.contains("--force"),
        "{}",
        refused.err
    );
    assert_eq!(fs::read_to_string(home.path().join(OWN)).unwrap(), before);
    let forced = run(
        home.path(),
        &["prices", "update", "--from", "old.toml", "--force"],
    );
    assert_eq!(forced.code, Some(0), "{}", forced.err);
    let after = fs::read_to_string(home.path().join(OWN)).unwrap();
    assert!(after.contains("input = 1.40"), "{after}");
}

#[test]
fn a_price_that_the_built_in_ones_know_newer_is_refused_too() {
    let home = tempfile::tempdir().unwrap();
    let old = entry("gpt-5", "2025-09-01", "1.4").replace("2026-01-01", "2025-08-07");
    write(home.path(), "old.toml", &[old]);
    let refused = run(home.path(), &["prices", "update", "--from", "old.toml"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.err.contains("what is known is of 2026-10-04"),
        "{}",
        refused.err
    );
}

#[test]
fn a_link_stays_a_link() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "kept/real.toml", &[]);
    symlink("kept/real.toml", home.path().join("linked.toml")).unwrap();
    fs::write(
        home.path().join("p.toml"),
        "[prices]\nfile = \"linked.toml\"\n",
    )
    .unwrap();
    write(
        home.path(),
        "a.toml",
        &[entry("gpt-5", "2026-11-10", "1.5")],
    );
    let args = ["prices", "update", "--from", "a.toml", "--config", "p.toml"];
    let updated = run(home.path(), &args);
    assert_eq!(updated.code, Some(0), "{}", updated.err);
    assert!(home.path().join("linked.toml").is_symlink());
    let real = fs::read_to_string(home.path().join("kept/real.toml")).unwrap();
    assert!(real.contains("input = 1.50"), "{real}");
}
