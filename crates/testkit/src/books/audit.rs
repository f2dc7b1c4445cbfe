//! Record by record: what the ledger has, what the provider billed, and by which rule they may differ.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use paceline_ledger::{Entry, Outcome};
use paceline_simulator::BilledRequest;
use paceline_tokens::prices::{BilledUsage, Date, PriceBook};

use super::kind::CallKind;
use super::load::Called;
use super::report::KilledReport;

/// Why a record says what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The provider told its usage, or nothing was used: both have the same.
    Exact,
    /// An attempt was billed whose answer was lost on its way. Nobody was told of it; the ledger has the
    /// attempt that was answered.
    LostAnswer,
    /// The answer was cut off, by either side, before it told its usage: the ledger has an estimate.
    Estimated,
    /// The caller left before the gateway had read who it is: there is no record, and nothing was sent.
    Unheard,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Exact,
        Self::LostAnswer,
        Self::Estimated,
        Self::Unheard,
    ];
}

/// Sums of calls of one kind that one rule explains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls.
    pub calls: u64,
    /// What the provider billed.
    pub billed: Sums,
    /// What the ledger has.
    pub kept: Sums,
}

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Input tokens.
    pub input: u64,
    /// Cached ones among them.
    pub cached: u64,
    /// Output tokens.
    pub output: u64,
    /// Those of reasoning among them.
    pub reasoning: u64,
    /// Images.
    pub images: u64,
    /// Billionths of a dollar.
    pub cost_nanousd: u64,
}

impl Sums {
    /// Adds `more`.
    pub fn add(&mut self, more: &Self) {
        self.input += more.input;
        self.cached += more.cached;
        self.output += more.output;
        self.reasoning += more.reasoning;
        self.images += more.images;
        self.cost_nanousd += more.cost_nanousd;
    }

    fn of_record(record: &Entry) -> Self {
        Self {
            input: record.input_tokens,
            cached: record.cached_tokens,
            output: record.output_tokens,
            reasoning: record.reasoning_tokens,
            images: record.images,
            cost_nanousd: record.cost_nanousd.unwrap_or(0),
        }
    }

    fn of_line(line: &BilledRequest, prices: &PriceBook, day: Date) -> Self {
        let billed = BilledUsage {
            input_tokens: line.input_tokens,
            cached_tokens: line.cached_tokens,
            output_tokens: line.output_tokens,
            image_output_tokens: if line.images > 0 {
                line.output_tokens
            } else {
                0
            },
            images: line.images,
            requests: 1,
            ..BilledUsage::default()
        };
        let price = prices.price_at("openai", &line.model, day);
        let cost = price.and_then(|price| price.cost(&billed).ok());
        Self {
            input: line.input_tokens,
            cached: line.cached_tokens,
            output: line.output_tokens,
            reasoning: line.reasoning_tokens,
            images: line.images,
            cost_nanousd: cost.map_or(0, |cost| cost.nanousd),
        }
    }
}

/// The comparison.
#[derive(Debug, Default)]
pub(super) struct Audit {
    pub(super) tallies: BTreeMap<(CallKind, Rule), Tally>,
    /// Calls without a record.
    pub(super) missing: Vec<String>,
    /// Calls with more than one.
    pub(super) twice: Vec<String>,
    /// Calls whose record no rule explains, with the record and the lines.
    pub(super) unexplained: Vec<String>,
}

impl Audit {
    pub(super) fn of(called: &[Called], records: &[Entry], book: &[BilledRequest]) -> Self {
        let prices = PriceBook::built_in();
        let mut of_call: HashMap<&str, (Vec<&Entry>, Vec<&BilledRequest>)> = HashMap::new();
        for record in records {
            let name = record.session.as_deref().unwrap_or_default();
            of_call.entry(name).or_default().0.push(record);
        }
        for line in book {
            of_call.entry(&line.request).or_default().1.push(line);
        }
        let mut audit = Self::default();
        for call in called {
            let found = of_call.remove(&*call.name).unwrap_or_default();
            match found.0.as_slice() {
                [] if call.left_early() && found.1.is_empty() => {
                    audit
                        .tallies
                        .entry((call.kind, Rule::Unheard))
                        .or_default()
                        .calls += 1;
                }
                [] => audit.missing.push(call.name.clone()),
                [record] => audit.compare(call, record, &found.1, &prices),
                _ => audit.twice.push(call.name.clone()),
            }
        }
        // What nobody called for.
        audit
            .unexplained
            .extend(of_call.into_keys().map(str::to_owned));
        audit
    }

    fn compare(
        &mut self,
        call: &Called,
        record: &Entry,
        lines: &[&BilledRequest],
        prices: &PriceBook,
    ) {
        let day = Date::of_unix_seconds(record.ended_at_ms.unsigned_abs() / 1_000);
        let sums = |served: bool| {
            let mut sums = Sums::default();
            for line in lines.iter().filter(|line| line.served == served) {
                sums.add(&Sums::of_line(line, prices, day));
            }
            sums
        };
        let (answered, unanswered) = (sums(true), sums(false));
        let kept = Sums::of_record(record);
        let is_priced = record.cost_nanousd.is_some();
        let mut billed = answered;
        billed.add(&unanswered);
        let rule = match record.outcome {
            _ if kept == billed && is_priced => Rule::Exact,
            Outcome::Ok if kept == answered && is_priced => Rule::LostAnswer,
            // An answer may have come to its end at the provider while its caller was leaving.
            Outcome::CallerGone | Outcome::UpstreamFailed if is_priced => Rule::Estimated,
            _ => {
                let text = format!(
                    "{} ({:?}): {record:?}; billed {lines:?}",
                    call.name, call.kind
                );
                return self.unexplained.push(text);
            }
        };
        let tally = self.tallies.entry((call.kind, rule)).or_default();
        tally.calls += 1;
        tally.billed.add(&billed);
        tally.kept.add(&kept);
    }

    /// What a kill may have cost: the records of calls that were under way, or answered just before.
    pub(super) fn after_kill(
        &self,
        called: &[Called],
        killed_at: Instant,
        grace: Duration,
    ) -> KilledReport {
        let missing: HashSet<&str> = self.missing.iter().map(String::as_str).collect();
        let mut report = KilledReport::default();
        for call in called {
            let is_missing = missing.contains(&*call.name);
            match call.answered_at {
                None if is_missing => report.under_way += 1,
                None => {}
                Some(at) if at + grace < killed_at => {
                    report.answered_before += 1;
                    report.missing_of_before += u64::from(is_missing);
                }
                Some(at) if at <= killed_at => {
                    report.answered_in_last_second += 1;
                    report.missing_of_last_second += u64::from(is_missing);
                }
                Some(_) => {
                    report.answered_after += 1;
                    report.missing_of_after += u64::from(is_missing);
                }
            }
        }
        report
    }
}
