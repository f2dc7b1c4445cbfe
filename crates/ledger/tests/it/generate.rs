//! Records and questions, with names and times that meet often.

use paceline_ledger::{
    Buckets, CallId, Dimension, Entry, Filter, Order, Outcome, Period, Query, Scope,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// The time around which everything happens: midnight, UTC.
pub(crate) const MIDNIGHT_MS: i64 = 20_000 * 86_400_000;

/// A name that is not just any name to a database.
pub(crate) const HOSTILE: &str = "'; DROP TABLE paceline_entry; --\\%_\"$1?";

pub(crate) fn time() -> impl Strategy<Value = i64> {
    let day = 86_400_000;
    let near_a_border = (
        select(vec![60_000, 3_600_000, day]),
        -40_i64..40,
        -2_i64..=2,
    );
    prop_oneof![
        MIDNIGHT_MS - 3 * day..MIDNIGHT_MS + 3 * day,
        near_a_border.prop_map(|(length, count, off)| MIDNIGHT_MS + length * count + off),
    ]
}

fn name() -> impl Strategy<Value = String> {
    select(vec!["", "a", "B", "ä", "gpt-4o", HOSTILE]).prop_map(str::to_owned)
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1_u64..3, 0_u64..100_000, 0_u64..4_000_000_000]
}

fn length() -> impl Strategy<Value = u64> {
    prop_oneof![
        select(vec![0, 1, 2, 9, 10, 11, 999_999, 1_000_000]),
        0_u64..100_000
    ]
}

type Names = (
    String,
    Option<String>,
    Option<String>,
    Vec<String>,
    String,
    String,
    String,
);

fn names() -> impl Strategy<Value = Names> {
    let tags = vec(name(), 0..3);
    (
        name(),
        option::of(name()),
        option::of(name()),
        tags,
        name(),
        name(),
        name(),
    )
}

fn tokens() -> impl Strategy<Value = Vec<u64>> {
    vec(count(), 12)
}

type Course = (
    u64,
    u64,
    Option<u64>,
    u64,
    Outcome,
    Option<String>,
    Option<u64>,
);

fn course() -> impl Strategy<Value = Course> {
    let outcome = select(Outcome::ALL.to_vec());
    let cost = option::of(count());
    (
        length(),
        0_u64..4,
        option::of(length()),
        length(),
        outcome,
        option::of(name()),
        cost,
    )
}

/// The lane, the lanes before, that of a second attempt, and what it cost.
type Lanes = (Option<String>, Option<String>, Option<String>, Option<u64>);

fn lanes() -> impl Strategy<Value = Lanes> {
    let passed = vec(name(), 0..3).prop_map(|lanes| lanes.join(";error, "));
    (
        option::of(name()),
        option::of(passed),
        option::weighted(0.3, name()),
        option::weighted(0.2, count()),
    )
}

/// A record; few enough ids that some come twice.
pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    (0_u128..500, time(), names(), tokens(), course(), lanes()).prop_map(
        |(id, at, names, tokens, course, lanes)| {
            let mut entry = Entry::new(CallId(id), at, names.0);
            (entry.session, entry.key_id, entry.tags) = (names.1, names.2, names.3);
            (entry.route, entry.provider, entry.model) = (names.4, names.5, names.6);
            entry.input_tokens = tokens[0];
            // Near the truth, so that it is within all bounds now and then.
            entry.estimate_tokens = tokens[0] - tokens[0] / (1 + tokens[1] % 40);
            entry.cached_tokens = tokens[2];
            entry.output_tokens = tokens[3];
            entry.reasoning_tokens = tokens[4];
            entry.cache_write_tokens = tokens[5];
            entry.audio_in_tokens = tokens[6];
            entry.audio_out_tokens = tokens[7];
            (entry.image_in_tokens, entry.image_out_tokens) = (tokens[8], tokens[9]);
            (entry.images, entry.audio_ms) = (tokens[10], tokens[11]);
            entry.charge_tokens = tokens[0] + tokens[3];
            (entry.wait_ms, entry.attempts, entry.first_byte_ms) = (course.0, course.1, course.2);
            (entry.duration_ms, entry.outcome) = (course.3, course.4);
            (entry.binding_limit, entry.cost_nanousd) = (course.5, course.6);
            (entry.lane, entry.passed) = (lanes.0, lanes.1);
            (entry.hedged, entry.hedge_cost_nanousd) = (lanes.2, lanes.3);
            entry
        },
    )
}

pub(crate) fn entries() -> impl Strategy<Value = Vec<Entry>> {
    vec(entry(), 1..80)
}

pub(crate) fn filter() -> impl Strategy<Value = Filter> {
    let seldom = || proptest::option::weighted(0.15, name());
    let names = (
        seldom(),
        seldom(),
        seldom(),
        seldom(),
        seldom(),
        seldom(),
        seldom(),
        seldom(),
    );
    let outcome = proptest::option::weighted(0.15, select(Outcome::ALL.to_vec()));
    (option::of(time()), option::of(time()), names, outcome).prop_map(
        |(from, until, names, outcome)| {
            let (from_ms, until_ms) = match (from, until) {
                (Some(from), Some(until)) => (Some(from.min(until)), Some(from.max(until))),
                other => other,
            };
            Filter {
                from_ms,
                until_ms,
                tenant: names.0,
                session: names.1,
                key_id: names.2,
                model: names.3,
                provider: names.4,
                route: names.5,
                // Nobody has an empty tag.
                tag: names.6.filter(|tag| !tag.is_empty()),
                outcome,
                lane: names.7,
            }
        },
    )
}

pub(crate) fn query() -> impl Strategy<Value = Query> {
    let dimensions = vec![
        Dimension::Tenant,
        Dimension::Key,
        Dimension::Session,
        Dimension::Tag,
        Dimension::Model,
        Dimension::Provider,
        Dimension::Route,
        Dimension::Outcome,
        Dimension::Lane,
    ];
    let offset = select(vec![0, 60, -480, 330, 345, 7, 1440, -1440]);
    let buckets = (select(Period::ALL.to_vec()), offset);
    let buckets = buckets.prop_map(|(period, offset_minutes)| Buckets {
        period,
        offset_minutes,
    });
    let orders = vec![
        Order::Names,
        Order::Cost,
        Order::Tokens,
        Order::Calls,
        Order::InputTokens,
    ];
    let limit = prop_oneof![Just(0_usize), 1_usize..5];
    let group_by = vec_of_distinct(dimensions);
    (
        filter(),
        group_by,
        option::of(buckets),
        select(orders),
        limit,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(filter, group_by, buckets, order, limit, with_latency, brief)| Query {
                filter,
                group_by,
                buckets,
                order,
                limit,
                with_latency,
                brief,
            },
        )
}

fn vec_of_distinct(dimensions: Vec<Dimension>) -> impl Strategy<Value = Vec<Dimension>> {
    proptest::sample::subsequence(dimensions, 0..=2).prop_shuffle()
}

pub(crate) fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        name().prop_map(Scope::Tenant),
        name().prop_map(Scope::Key),
        name().prop_map(Scope::Tag),
        (name(), name()).prop_map(|(tenant, session)| Scope::Session { tenant, session }),
    ]
}
