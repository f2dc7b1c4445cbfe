//! All checks together: a table for people, one object for programs, and a verdict.

use std::time::Duration;

use serde_json::json;

use super::check::{Check, Verdict};
use crate::figures::{counted, span};
use crate::table::{Side, Table};
use crate::terminal::Style;

/// What was found.
#[derive(Debug)]
pub(super) struct Report {
    /// Who answered as the provider.
    pub(super) provider: String,
    /// The store, without its password.
    pub(super) store: Option<String>,
    pub(super) checks: Vec<Check>,
    pub(super) took: Duration,
}

impl Report {
    pub(super) fn has_failed(&self) -> bool {
        self.count(Verdict::Fail) > 0
    }

    fn count(&self, verdict: Verdict) -> u64 {
        let checks = self.checks.iter();
        checks.filter(|check| check.verdict == verdict).count() as u64
    }

    /// One object with everything.
    pub(super) fn json(&self) -> String {
        let took_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        let object = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "provider": self.provider,
            "store": self.store,
            "verdict": if self.has_failed() { Verdict::Fail } else { Verdict::Pass },
            "took_ms": took_ms,
            "passed": self.count(Verdict::Pass),
            "warnings": self.count(Verdict::Warning),
            "failed": self.count(Verdict::Fail),
            "skipped": self.count(Verdict::Skipped),
            "checks": self.checks,
        });
        format!("{object:#}")
    }

    /// The table, what is to be done, and the verdict.
    pub(super) fn lines(&self, style: Style) -> Vec<String> {
        let mut table = Table::new(&[
            ("check", Side::Left),
            ("found", Side::Left),
            ("bound", Side::Left),
            ("verdict", Side::Left),
        ]);
        for check in &self.checks {
            table.row([
                check.title.to_owned(),
                check.figure.clone(),
                check.bound.clone(),
                coloured(check.verdict, style),
            ]);
        }
        let mut lines = table.lines();
        let with_remedy = self.checks.iter().filter_map(|check| {
            let remedy = check.remedy.as_ref()?;
            Some(format!("{}: {remedy}", style.bold(check.title)))
        });
        let remedies: Vec<_> = with_remedy.collect();
        if !remedies.is_empty() {
            lines.push(String::new());
            lines.extend(remedies);
        }
        lines.push(String::new());
        lines.push(self.verdict(style));
        lines
    }

    fn verdict(&self, style: Style) -> String {
        let counts = [Verdict::Pass, Verdict::Warning, Verdict::Skipped].map(|verdict| {
            let count = self.count(verdict);
            let words = match verdict {
                Verdict::Pass => format!("{count} passed"),
                Verdict::Warning => counted(count, "warning"),
                _ => format!("{count} skipped"),
            };
            (count > 0).then_some(words)
        });
        let counts = counts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let took = span(self.took);
        if self.has_failed() {
            let failed = counted(self.count(Verdict::Fail), "check");
            let counts = if counts.is_empty() {
                "none passed"
            } else {
                &counts
            };
            style.red(&format!("{failed} failed ({counts}; {took})"))
        } else {
            style.green(&format!("nothing failed: {counts} ({took})"))
        }
    }
}

fn coloured(verdict: Verdict, style: Style) -> String {
    match verdict {
        Verdict::Pass => style.green(verdict.word()),
        Verdict::Fail => style.red(verdict.word()),
        Verdict::Warning => style.bold(verdict.word()),
        Verdict::Skipped => verdict.word().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Name;
    use super::*;

    fn report(verdicts: &[Verdict]) -> Report {
        let name = Name {
            key: "store_rights",
            title: "store: rights",
        };
        let check = |verdict: &Verdict| {
            Check::new(name, *verdict, "14 of 15 commands")
                .bound("all")
                .value("commands", 14)
                .remedy("give the user +hset")
        };
        Report {
            provider: "simulator".to_owned(),
            store: None,
            checks: verdicts.iter().map(check).collect(),
            took: Duration::from_secs(12),
        }
    }

    #[test]
    fn what_failed_is_told_with_its_remedy_and_a_verdict() {
        let report = report(&[Verdict::Fail, Verdict::Pass, Verdict::Skipped]);
        assert_eq!(
            report.lines(Style::default()),
            [
                "  check          found              bound  verdict",
                "  store: rights  14 of 15 commands  all    fail",
                "  store: rights  14 of 15 commands  all    pass",
                "  store: rights  14 of 15 commands  all    skipped",
                "",
                "store: rights: give the user +hset",
                "",
                "1 check failed (1 passed, 1 skipped; 12 s)",
            ]
        );
    }

    #[test]
    fn a_warning_is_no_failure() {
        let report = report(&[Verdict::Warning, Verdict::Pass]);
        assert!(!report.has_failed());
        let lines = report.lines(Style::default());
        assert_eq!(
            lines.last().map(String::as_str),
            Some("nothing failed: 1 passed, 1 warning (12 s)")
        );
    }

    #[test]
    fn every_check_is_in_the_object() {
        let report = report(&[
            Verdict::Pass,
            Verdict::Warning,
            Verdict::Fail,
            Verdict::Skipped,
        ]);
        let object: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(object["verdict"], "fail");
        assert_eq!(object["failed"], 1);
        assert_eq!(object["checks"].as_array().unwrap().len(), 4);
        assert_eq!(object["checks"][0]["name"], "store_rights");
        assert_eq!(object["checks"][0]["values"]["commands"], 14);
        assert_eq!(object["checks"][2]["remedy"], "give the user +hset");
        assert!(object["checks"][0].get("remedy").is_none());
    }
}
