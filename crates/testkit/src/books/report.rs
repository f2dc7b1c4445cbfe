//! What a comparison found, as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::audit::{Rule, Sums, Tally};
use super::kind::CallKind;

/// What a run found.
#[derive(Clone, Debug)]
pub struct BooksReport {
    /// Calls that were made.
    pub calls: usize,
    /// Records in the ledger.
    pub records: usize,
    /// Calls by kind, and by the rule that explains their records.
    pub tallies: BTreeMap<(CallKind, Rule), Tally>,
    /// Calls without a record.
    pub missing: Vec<String>,
    /// Calls with several records.
    pub twice: Vec<String>,
    /// Calls whose record no rule explains.
    pub unexplained: Vec<String>,
    /// What the kill cost, where there was one.
    pub killed: Option<KilledReport>,
}

/// Records around a kill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KilledReport {
    /// Calls answered in full more than a second before it, and how many of their records are missing.
    pub answered_before: u64,
    /// Must be 0.
    pub missing_of_before: u64,
    /// Calls answered in the second before it.
    pub answered_in_last_second: u64,
    /// Their records that were still in memory.
    pub missing_of_last_second: u64,
    /// Calls answered after the restart.
    pub answered_after: u64,
    /// Must be 0.
    pub missing_of_after: u64,
    /// Calls without an answer and without a record: those that the kill ended.
    pub under_way: u64,
}

impl BooksReport {
    /// All calls that a rule explains, together.
    pub fn total(&self, rule: Rule) -> Tally {
        let mut total = Tally::default();
        for (_, tally) in self.tallies.iter().filter(|((_, of), _)| *of == rule) {
            total.calls += tally.calls;
            total.billed.add(&tally.billed);
            total.kept.add(&tally.kept);
        }
        total
    }

    /// A table: a row for each kind and rule, and one for each rule.
    pub fn table(&self) -> String {
        let mut table =
            "| calls | rule | count | input: billed, ledger | output: billed, ledger | \
                         dollars: billed, ledger |\n|---|---|---|---|---|---|\n"
                .to_owned();
        for ((kind, rule), tally) in &self.tallies {
            push_row(&mut table, kind.name(), *rule, tally);
        }
        for rule in Rule::ALL {
            push_row(&mut table, "**all**", rule, &self.total(rule));
        }
        table
    }
}

fn push_row(table: &mut String, name: &str, rule: Rule, tally: &Tally) {
    let rule = match rule {
        Rule::Exact => "exact",
        Rule::LostAnswer => "lost answer",
        Rule::Estimated => "estimated",
        Rule::Unheard => "unheard",
    };
    let (billed, kept) = (&tally.billed, &tally.kept);
    let _ = writeln!(
        table,
        "| {name} | {rule} | {} | {} | {} | {} |",
        tally.calls,
        pair(billed.input, kept.input),
        pair(billed.output, kept.output),
        pair_of_costs(billed, kept),
    );
}

fn pair(billed: u64, kept: u64) -> String {
    if billed == kept {
        format!("{billed}")
    } else {
        format!("{billed}, {kept}")
    }
}

fn pair_of_costs(billed: &Sums, kept: &Sums) -> String {
    let dollars = |sums: &Sums| format!("{:.6}", sums.cost_nanousd as f64 / 1e9);
    if billed.cost_nanousd == kept.cost_nanousd {
        dollars(billed)
    } else {
        format!("{}, {}", dollars(billed), dollars(kept))
    }
}
