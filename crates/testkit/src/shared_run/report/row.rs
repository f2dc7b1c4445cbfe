//! A report as a row of a Markdown table.

use std::fmt::Write;

use super::{SharedReport, SharedRun, TenantShare, Waits};

const COLUMNS: [&str; 17] = [
    "provider",
    "TPM",
    "limits",
    "fault",
    "answered",
    "429",
    "first minute",
    "during",
    "after",
    "used after the first minute",
    "lost",
    "twice or unmatched",
    "highest level",
    "back after",
    "wait p50, p99",
    "during the fault",
    "tenants",
];

/// The last column is as wide as the fault is long.
const LAST_COLUMN: &str = "used in 5 s slices, the fault in brackets";

impl SharedReport {
    /// The two lines above rows.
    pub fn head() -> String {
        let names = COLUMNS.join(" | ");
        let rule = "---|".repeat(COLUMNS.len() + 1);
        format!("| {names} | {LAST_COLUMN} |\n|{rule}")
    }

    /// The cells that say which run it is.
    pub fn name(run: &SharedRun) -> String {
        format!(
            "| {} | {} | {} | {} |",
            run.counting.name(),
            run.tokens_per_minute,
            if run.learned { "learned" } else { "configured" },
            run.fault.name()
        )
    }

    /// The cells after these.
    pub fn row(&self) -> String {
        let refused = &self.refused;
        let cells = [
            self.answered.to_string(),
            refused.total.to_string(),
            refused.first_minute.to_string(),
            self.where_fault(refused.during.to_string()),
            refused.after.to_string(),
            percent(self.used_part),
            self.lost_cell(),
            self.unmatched_cell(),
            self.peak_cell(),
            self.where_fault(self.back_cell()),
            waits_cell(self.waits_before),
            waits_cell(self.waits_during),
            self.tenants_cell(),
            self.slices_cell(),
        ];
        format!(" {} |", cells.join(" | "))
    }

    fn where_fault(&self, cell: String) -> String {
        if self.had_fault { cell } else { String::new() }
    }

    fn lost_cell(&self) -> String {
        let mut cell = self.lost.values().sum::<u64>().to_string();
        for (kind, count) in &self.lost {
            // Writing to a string does not fail.
            let _written = write!(cell, "; {count} × {kind}");
        }
        if self.died > 0 {
            let _written = write!(cell, "; {} with their gateway", self.died);
        }
        cell
    }

    /// Zero where every request was let in, settled and answered once.
    fn unmatched_cell(&self) -> String {
        let counts = [
            (self.admitted_twice, "admitted twice"),
            (self.settled_twice, "settled twice"),
            (self.answered_unadmitted, "answered, not admitted"),
            (self.admitted_unanswered, "admitted, not answered"),
        ];
        let found = counts.iter().filter(|(count, _)| *count > 0);
        let found: Vec<_> = found
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if found.is_empty() {
            return "0".to_owned();
        }
        found.join("; ")
    }

    fn peak_cell(&self) -> String {
        let [tokens, requests] = &self.peaks;
        let mut cell = percent(tokens.part);
        for (peak, what) in [(tokens, "tokens"), (requests, "requests")] {
            if peak.over > 0 {
                let _written = write!(cell, "; {} {what} TOO MANY", peak.over);
            }
        }
        cell
    }

    fn back_cell(&self) -> String {
        match self.back_after {
            Some(time) => format!("{} s", time.as_secs()),
            None => "not within the run".to_owned(),
        }
    }

    fn tenants_cell(&self) -> String {
        let cell = |tenant: &TenantShare| {
            let share = percent(tenant.share);
            format!("{} {share} of {}", tenant.name, percent(tenant.entitled))
        };
        self.shares.iter().map(cell).collect::<Vec<_>>().join(", ")
    }

    fn slices_cell(&self) -> String {
        let mut cell = String::new();
        let mut inside = false;
        for slice in &self.slices {
            if slice.had_fault != inside {
                cell.push_str(if slice.had_fault { "[ " } else { "] " });
                inside = slice.had_fault;
            }
            let _written = write!(cell, "{:.0} ", slice.part * 100.0);
        }
        cell.trim_end().to_owned()
    }
}

fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

fn waits_cell(waits: Option<Waits>) -> String {
    waits.map_or_else(String::new, |waits| {
        let (p50, p99) = (waits.p50.as_secs_f64(), waits.p99.as_secs_f64());
        format!("{p50:.2} s, {p99:.2} s")
    })
}
