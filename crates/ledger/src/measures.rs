//! What is added up: each measure as it is taken from a record, and as SQL takes it from a row.

use std::sync::LazyLock;

use crate::entry::{Entry, Outcome};
use crate::table::{Column, Merge};
use crate::value::Kind;

/// The upper ends of the slots that waits and times are counted in, in milliseconds; the last slot
/// is open. A time on the border belongs to the slot above.
pub const SLOT_ENDS_MS: [u64; 19] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000,
    200_000, 500_000, 1_000_000,
];

/// How many slots.
pub(crate) const SLOTS: usize = SLOT_ENDS_MS.len() + 1;

/// How many measures there are besides the slots.
pub(crate) const TOTALS: usize = 32;

/// How many columns of measures a roll-up has: totals, then the slots of waits, of times to the
/// first byte, and of durations.
pub(crate) const MEASURES: usize = TOTALS + 3 * SLOTS;

/// The measures of some calls, in the order of the columns.
pub(crate) type Sums = [i64; MEASURES];

/// A measure.
#[derive(Debug)]
pub(crate) struct Measure {
    /// Its column.
    pub(crate) name: String,
    /// How two values become one.
    pub(crate) merge: Merge,
    /// Its value for the row `e` of the table of records, as SQL.
    pub(crate) of_row: String,
}

/// All of them, in the order of the columns.
pub(crate) static ALL: LazyLock<Vec<Measure>> = LazyLock::new(|| {
    let totals = TOTAL_MEASURES.iter().map(|(name, merge, of_row)| Measure {
        name: (*name).to_owned(),
        merge: *merge,
        of_row: of_row.replace("{estimated}", ESTIMATED),
    });
    let slots = [
        ("wait_slot", "e.wait_ms"),
        ("first_byte_slot", "e.first_byte_ms"),
        ("duration_slot", "e.duration_ms"),
    ];
    let slots = slots.into_iter().flat_map(|(prefix, column)| {
        (0..SLOTS).map(move |slot| Measure {
            name: format!("{prefix}_{slot}"),
            merge: Merge::Sum,
            of_row: slot_of_row(column, slot),
        })
    });
    totals.chain(slots).collect()
});

/// Those of a brief answer: sums alone, none of which is a largest value.
const BRIEF: [&str; 15] = [
    "calls",
    "sent",
    "input_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_in_tokens",
    "audio_out_tokens",
    "image_in_tokens",
    "image_out_tokens",
    "images",
    "audio_ms",
    "cost_nanousd",
    "unpriced",
];

/// The places of the measures that an answer has: of all, or of the brief ones, and of the slots where
/// times are wanted.
pub(crate) fn places(brief: bool, with_slots: bool) -> Vec<usize> {
    let is_wanted = |place: &usize| match *place < TOTALS {
        true => {
            !brief
                || ALL
                    .get(*place)
                    .is_some_and(|one| BRIEF.contains(&&*one.name))
        }
        false => with_slots,
    };
    (0..MEASURES).filter(is_wanted).collect()
}

const ESTIMATED: &str = "e.outcome = 0 AND e.input_tokens > 0 AND e.estimate_tokens > 0";

/// What a row `e` of the table of records cost, with its second attempt.
pub(crate) const COST_OF_ROW: &str =
    "coalesce(e.cost_nanousd, 0) + coalesce(e.hedge_cost_nanousd, 0)";

/// Whether that cost lacks something.
pub(crate) const UNPRICED_OF_ROW: &str = "\
    CASE WHEN (e.cost_nanousd IS NULL AND e.attempts > 0) \
    OR (e.hedged IS NOT NULL AND e.hedge_cost_nanousd IS NULL) THEN 1 ELSE 0 END";

/// The columns of a roll-up that hold them.
pub(crate) fn columns() -> impl Iterator<Item = Column> {
    let all = ALL.iter();
    all.map(|measure| Column::new(measure.name.clone(), Kind::Integer, measure.merge))
}

/// The measures of one record.
pub(crate) fn of_entry(entry: &Entry) -> Sums {
    let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let estimated =
        entry.outcome == Outcome::Ok && entry.input_tokens > 0 && entry.estimate_tokens > 0;
    let if_estimated = |count: u64| if estimated { whole(count) } else { 0 };
    let error = entry.estimate_tokens.abs_diff(entry.input_tokens);
    let sent = entry.attempts > 0;
    let totals: [i64; TOTALS] = [
        1,
        i64::from(sent),
        whole(entry.input_tokens),
        whole(entry.cached_tokens),
        whole(entry.cache_write_tokens),
        whole(entry.output_tokens),
        whole(entry.reasoning_tokens),
        whole(entry.audio_in_tokens),
        whole(entry.audio_out_tokens),
        whole(entry.image_in_tokens),
        whole(entry.image_out_tokens),
        whole(entry.images),
        whole(entry.audio_ms),
        whole(entry.whole_cost_nanousd()),
        i64::from(entry.is_unpriced()),
        i64::from(estimated),
        if_estimated(entry.estimate_tokens),
        if_estimated(entry.input_tokens),
        if_estimated(error),
        i64::from(estimated && error.saturating_mul(20) <= entry.input_tokens),
        i64::from(estimated && error.saturating_mul(5) <= entry.input_tokens),
        whole(entry.charge_tokens),
        whole(entry.wait_ms),
        i64::from(entry.wait_ms > 0),
        i64::from(entry.binding_limit.is_some()),
        whole(entry.attempts.saturating_sub(1)),
        whole(entry.duration_ms),
        whole(entry.first_byte_ms.unwrap_or(0)),
        i64::from(entry.first_byte_ms.is_some()),
        whole(entry.input_tokens),
        whole(entry.wait_ms),
        whole(entry.duration_ms),
    ];
    let mut sums = [0; MEASURES];
    sums[..TOTALS].copy_from_slice(&totals);
    let times = [
        Some(entry.wait_ms),
        entry.first_byte_ms,
        Some(entry.duration_ms),
    ];
    for (index, ms) in times.into_iter().enumerate() {
        if let Some(ms) = ms {
            let slot = SLOT_ENDS_MS.partition_point(|end| *end <= ms);
            sums[TOTALS + index * SLOTS + slot] = 1;
        }
    }
    sums
}

/// Adds `more` to `sums`, each measure in its way.
pub(crate) fn merge(sums: &mut Sums, more: &Sums) {
    for ((sum, more), measure) in sums.iter_mut().zip(more).zip(ALL.iter()) {
        *sum = match measure.merge {
            Merge::Max => (*sum).max(*more),
            _ => sum.saturating_add(*more),
        };
    }
}

fn slot_of_row(column: &str, slot: usize) -> String {
    let mut conditions = Vec::new();
    if let Some(start) = slot
        .checked_sub(1)
        .and_then(|before| SLOT_ENDS_MS.get(before))
    {
        conditions.push(format!("{column} >= {start}"));
    }
    if let Some(end) = SLOT_ENDS_MS.get(slot) {
        conditions.push(format!("{column} < {end}"));
    }
    format!("CASE WHEN {} THEN 1 ELSE 0 END", conditions.join(" AND "))
}

const TOTAL_MEASURES: [(&str, Merge, &str); TOTALS] = [
    ("calls", Merge::Sum, "1"),
    (
        "sent",
        Merge::Sum,
        "CASE WHEN e.attempts > 0 THEN 1 ELSE 0 END",
    ),
    ("input_tokens", Merge::Sum, "e.input_tokens"),
    ("cached_tokens", Merge::Sum, "e.cached_tokens"),
    ("cache_write_tokens", Merge::Sum, "e.cache_write_tokens"),
    ("output_tokens", Merge::Sum, "e.output_tokens"),
    ("reasoning_tokens", Merge::Sum, "e.reasoning_tokens"),
    ("audio_in_tokens", Merge::Sum, "e.audio_in_tokens"),
    ("audio_out_tokens", Merge::Sum, "e.audio_out_tokens"),
    ("image_in_tokens", Merge::Sum, "e.image_in_tokens"),
    ("image_out_tokens", Merge::Sum, "e.image_out_tokens"),
    ("images", Merge::Sum, "e.images"),
    ("audio_ms", Merge::Sum, "e.audio_ms"),
    ("cost_nanousd", Merge::Sum, COST_OF_ROW),
    ("unpriced", Merge::Sum, UNPRICED_OF_ROW),
    (
        "estimated_calls",
        Merge::Sum,
        "CASE WHEN {estimated} THEN 1 ELSE 0 END",
    ),
    (
        "estimate_tokens",
        Merge::Sum,
        "CASE WHEN {estimated} THEN e.estimate_tokens ELSE 0 END",
    ),
    (
        "estimated_input_tokens",
        Merge::Sum,
        "CASE WHEN {estimated} THEN e.input_tokens ELSE 0 END",
    ),
    (
        "estimate_error_tokens",
        Merge::Sum,
        "CASE WHEN {estimated} THEN abs(e.estimate_tokens - e.input_tokens) ELSE 0 END",
    ),
    (
        "estimate_within_5",
        Merge::Sum,
        "CASE WHEN {estimated} AND abs(e.estimate_tokens - e.input_tokens) * 20 <= e.input_tokens \
         THEN 1 ELSE 0 END",
    ),
    (
        "estimate_within_20",
        Merge::Sum,
        "CASE WHEN {estimated} AND abs(e.estimate_tokens - e.input_tokens) * 5 <= e.input_tokens \
         THEN 1 ELSE 0 END",
    ),
    ("charge_tokens", Merge::Sum, "e.charge_tokens"),
    ("wait_ms", Merge::Sum, "e.wait_ms"),
    (
        "waited",
        Merge::Sum,
        "CASE WHEN e.wait_ms > 0 THEN 1 ELSE 0 END",
    ),
    (
        "limited",
        Merge::Sum,
        "CASE WHEN e.binding_limit IS NULL THEN 0 ELSE 1 END",
    ),
    (
        "retries",
        Merge::Sum,
        "CASE WHEN e.attempts > 1 THEN e.attempts - 1 ELSE 0 END",
    ),
    ("duration_ms", Merge::Sum, "e.duration_ms"),
    ("first_byte_ms", Merge::Sum, "coalesce(e.first_byte_ms, 0)"),
    (
        "first_bytes",
        Merge::Sum,
        "CASE WHEN e.first_byte_ms IS NULL THEN 0 ELSE 1 END",
    ),
    ("max_input_tokens", Merge::Max, "e.input_tokens"),
    ("max_wait_ms", Merge::Max, "e.wait_ms"),
    ("max_duration_ms", Merge::Max, "e.duration_ms"),
];
