//! Plans of small files, reckoned by hand.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use paceline_limiter::{
    Charge, ChargeFormula, Combine, DomainSettings, Limit, Metric, Timestamp, WindowModel,
};
use paceline_tokens::prices::PriceBook;
use paceline_tokens::{Calibrations, OutputKey, OutputLengths};
use proptest::prelude::*;

use super::course::{Entries, Entry};
use super::*;
use crate::LineId;

fn settings() -> PlanSettings {
    PlanSettings {
        pricing: Pricing {
            book: Arc::new(PriceBook::built_in()),
            provider: "openai".into(),
        },
        calibrations: Calibrations::default(),
        output_lengths: OutputLengths::default(),
        default_output_tokens: 1_000,
        exact: true,
        concurrency: Concurrency::Fixed(10),
        latency: Latency::default(),
        start: Timestamp::ZERO,
    }
}

fn pool(limits: Vec<Limit>) -> Pool {
    Pool {
        name: "default".to_owned(),
        source: LimitsSource::Given,
        settings: DomainSettings {
            limits,
            ..DomainSettings::default()
        },
        charge: ChargeFormula {
            combine: Combine::Max,
            ..ChargeFormula::CAUTIOUS
        },
        settle: Settle::AsReserved,
        used: Charge::ZERO,
    }
}

fn per_minute(metric: Metric, amount: u64) -> Limit {
    Limit {
        metric,
        amount,
        window: Duration::from_secs(60),
        model: WindowModel::Bucket { burst: amount },
        guard: Duration::ZERO,
    }
}

fn item(number: u32, url: &str, body: &str) -> Item {
    Item {
        id: LineId(number),
        line: u64::from(number) + 1,
        custom_id: format!("line-{number}"),
        url: url.to_owned(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

const CHAT: &str = "/v1/chat/completions";

fn planned(limits: Vec<Limit>, settings: PlanSettings, items: &[(&str, &str)]) -> Planner {
    let mut planner = Planner::new(settings, move |_| pool(limits.clone()));
    for (number, (url, body)) in (0..).zip(items) {
        planner.add(&item(number, url, body));
    }
    planner
}

const HELLO: &str =
    r#"{"model":"gpt-4o","max_tokens":100,"messages":[{"role":"user","content":"Hello there"}]}"#;

#[test]
fn costs_are_those_that_can_be_reckoned_by_hand() {
    let mut settings = settings();
    settings.default_output_tokens = 40;
    let items = [
        (CHAT, HELLO),
        (CHAT, HELLO),
        (
            "/v1/embeddings",
            r#"{"model":"text-embedding-3-small","input":"Hello there"}"#,
        ),
        (
            CHAT,
            r#"{"model":"nobodys","messages":[{"role":"user","content":"Hello there"}]}"#,
        ),
    ];
    let plan = planned(Vec::new(), settings, &items).plan(None).unwrap();
    let of = |model: &str| plan.models.iter().find(|plan| plan.model == model).unwrap();
    let chat = of("gpt-4o");
    // 3 and 1 frame the message, 2 are its text, 3 open the answer.
    assert_eq!((chat.requests, chat.counted, chat.input_tokens), (2, 2, 18));
    let output = TokenRange {
        low: 2,
        expected: 80,
        high: 200,
    };
    assert_eq!(chat.output_tokens, output);
    assert_eq!(chat.output_basis.bounded, 2);
    // $2.50 and $10 a million: each 9 * 2,500 and 1, 40 or 100 times 10,000.
    let cost = CostRange {
        low_nanousd: 2 * (22_500 + 10_000),
        expected_nanousd: 2 * (22_500 + 400_000),
        high_nanousd: 2 * (22_500 + 1_000_000),
        unpriced: 0,
    };
    assert_eq!(chat.cost, cost);
    let embeddings = of("text-embedding-3-small");
    // $0.02 a million.
    assert_eq!(embeddings.cost.expected_nanousd, 2 * 20);
    assert_eq!(embeddings.output_tokens, TokenRange::default());
    let unknown = of("nobodys");
    assert_eq!((unknown.cost.unpriced, unknown.counted), (1, 0));
    assert_eq!(unknown.output_tokens.high, 160);
    assert_eq!(plan.cost.expected_nanousd, cost.expected_nanousd + 40);
    assert_eq!((plan.requests, plan.cost.unpriced), (4, 1));
}

#[test]
fn what_was_learned_of_answers_is_what_is_expected() {
    let mut settings = settings();
    for length in (1..=99).cycle().take(2_000) {
        let key = OutputKey {
            model: "gpt-4o",
            route: "chat_completions",
            max_output_tokens: Some(100),
        };
        settings.output_lengths.observe(key, length);
    }
    let plan = planned(Vec::new(), settings, &[(CHAT, HELLO)])
        .plan(None)
        .unwrap();
    let output = plan.output_tokens;
    assert!((45..=75).contains(&output.expected), "{output:?}");
    assert!(
        output.low < output.expected && output.expected < output.high,
        "{output:?}"
    );
    assert!((90..=100).contains(&output.high), "{output:?}");
    assert_eq!(plan.models[0].output_basis.learned, 1);
}

#[test]
fn without_limits_the_time_is_that_of_the_answers() {
    let mut settings = settings();
    settings.latency = Latency {
        first: Duration::from_secs(2),
        tokens_per_second: 0.0,
    };
    let items = vec![(CHAT, HELLO); 25];
    let plan = planned(Vec::new(), settings, &items).plan(None).unwrap();
    // Ten at once: three rounds of two seconds.
    assert_eq!(plan.course.wall_ms, 6_000);
    let binds: Vec<_> = plan.course.binds.iter().map(|share| &share.bind).collect();
    assert_eq!(binds, [&Bind::Concurrency, &Bind::Latency]);
}

#[test]
fn a_limit_that_binds_is_named_with_its_part_of_the_time() {
    let items = vec![(CHAT, HELLO); 660];
    let limits = vec![
        per_minute(Metric::Requests, 60),
        per_minute(Metric::Tokens, 1_000_000),
    ];
    let plan = planned(limits, settings(), &items).plan(None).unwrap();
    // 60 go at once and 600 follow at one a second; the last answer takes some seconds.
    assert!(
        (595_000..=610_000).contains(&plan.course.wall_ms),
        "{:?}",
        plan.course
    );
    let first = &plan.course.binds[0];
    assert!(
        matches!(&first.bind, Bind::Limit { metric, .. } if metric == "requests"),
        "{first:?}"
    );
    assert!(first.share > 0.9, "{first:?}");
    let [requests, tokens] = &plan.pools[0].limits[..] else {
        panic!("{:?}", plan.pools)
    };
    assert!((requests.units, tokens.units) == (660, 66_000) && tokens.utilisation < 0.01);
    assert!(requests.utilisation > 0.95, "{requests:?}");
}

#[test]
fn a_deadline_is_judged_and_what_would_meet_it_is_enough() {
    let items = vec![(CHAT, HELLO); 660];
    let requests = |amount| vec![per_minute(Metric::Requests, amount)];
    let available = Duration::from_secs(120);
    let plan = planned(requests(60), settings(), &items)
        .plan(Some(available))
        .unwrap();
    let deadline = plan.deadline.unwrap();
    assert!(
        !deadline.met && deadline.spare_ms < -400_000,
        "{deadline:?}"
    );
    let needed = deadline.needed.unwrap();
    let mut better = settings();
    let mut amount = 60;
    for change in &needed {
        match change.bind {
            Bind::Limit { .. } => amount = change.to,
            _ => better.concurrency = Concurrency::Fixed(change.to as usize),
        }
    }
    assert!(amount > 200, "{needed:?}");
    let plan = planned(requests(amount), better, &items)
        .plan(Some(available))
        .unwrap();
    assert!(plan.deadline.unwrap().met, "{needed:?}");
    // Nothing makes a single answer faster.
    let impossible = planned(requests(60), settings(), &items[..1])
        .plan(Some(Duration::from_millis(10)))
        .unwrap();
    assert_eq!(impossible.deadline.unwrap().needed, None);
}

#[test]
fn what_is_used_already_makes_it_longer() {
    let items = vec![(CHAT, HELLO); 30];
    let wall = |used: u64| {
        let mut pool = pool(vec![per_minute(Metric::Requests, 60)]);
        pool.used = Charge::ZERO.with(Metric::Requests, used);
        let mut planner = Planner::new(settings(), move |_| pool.clone());
        for (number, (url, body)) in (0..).zip(&items) {
            planner.add(&item(number, url, body));
        }
        planner.plan(None).unwrap().course.wall_ms
    };
    assert!(wall(60) >= wall(0) + 20_000, "{} {}", wall(60), wall(0));
}

#[test]
fn what_no_window_can_hold_is_told_with_its_line() {
    let large = format!(
        r#"{{"model":"gpt-4o","messages":[{{"role":"user","content":"{}"}}]}}"#,
        "word ".repeat(10_000)
    );
    let limits = vec![per_minute(Metric::Tokens, 1_000)];
    let plan = planned(limits, settings(), &[(CHAT, HELLO), (CHAT, &large)])
        .plan(None)
        .unwrap();
    let too_large = &plan.pools[0].too_large;
    assert_eq!((too_large.count, &too_large.lines), (1, &vec![2]));
    assert_eq!(
        too_large.first.as_deref(),
        Some("12500 tokens of at most 1000")
    );
}

#[test]
fn hostile_bodies_are_counted_or_planned_and_nothing_breaks() {
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let items = [
        (CHAT, r#"{"model":7}"#),
        (
            CHAT,
            r#"{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"max_tokens":100000000,"n":1024}"#,
        ),
        (
            CHAT,
            r#"{"model":"gpt-4o","messages":"no list","max_tokens":-1}"#,
        ),
        (
            "/v1/embeddings",
            r#"{"model":"text-embedding-3-small","input":[[1,2,3],[]]}"#,
        ),
        ("/nowhere", "{}"),
        (CHAT, &deep),
        (CHAT, "\u{0}"),
    ];
    let limits = vec![
        per_minute(Metric::Tokens, u64::MAX),
        per_minute(Metric::Requests, 1),
    ];
    let plan = planned(limits, settings(), &items)
        .plan(Some(Duration::ZERO))
        .unwrap();
    assert_eq!(plan.requests + plan.unreadable.count, items.len() as u64);
    assert!(plan.unreadable.count >= 3, "{:?}", plan.unreadable);
    assert_eq!(plan.unreadable.first[0].0, 1);
}

#[test]
fn names_in_a_file_do_not_fill_the_memory() {
    let mut planner = Planner::new(settings(), |model| Pool {
        name: model.to_owned(),
        ..pool(Vec::new())
    });
    for number in 0..3_000 {
        let body = format!(r#"{{"model":"made-up-{number}","messages":[]}}"#);
        planner.add(&item(number, CHAT, &body));
    }
    let plan = planner.plan(None).unwrap();
    assert!(plan.models.len() <= 1_001 && plan.pools.len() <= 1_000);
    assert_eq!(plan.requests, 3_000);
    assert_eq!(
        plan.pools.iter().map(|pool| pool.requests).sum::<u64>(),
        3_000
    );
}

#[test]
fn of_many_requests_the_shape_of_some_is_enough() {
    let texts = [
        "Hello there, how are you?",
        "x = f(1) + [2, 3]; // 12345",
        "ÄÖÜ größer als 名前",
    ];
    let body = |number: usize| {
        let text = texts[number / 7 % texts.len()];
        format!(r#"{{"model":"gpt-4o","messages":[{{"role":"user","content":"{text}"}}]}}"#)
    };
    let settings = || PlanSettings {
        exact: false,
        ..settings()
    };
    let input = |count: usize| {
        let mut planner = Planner::new(settings(), |_| pool(Vec::new()));
        for number in 0..count {
            planner.add(&item(number as u32, CHAT, &body(number)));
        }
        let plans = planner.sums.into_plans(&Calibrations::default());
        plans[0].input_tokens as f64
    };
    // The text of all of the first ones is looked at; those after them are like them.
    let (all, some) = (input(9_996), input(29_988));
    assert!((some / all / 3.0 - 1.0).abs() < 0.02, "{all} {some}");
}

#[test]
fn a_million_requests_are_added_up_without_changing_the_sums_or_the_time() {
    let entry = |number: u64| Entry {
        pool: number.is_multiple_of(3).into(),
        group: Group(number.is_multiple_of(3).into()),
        count: 1,
        tokens: 100 + number % 50,
        output_reserved: 7,
        images: 0,
        input: 60,
        output: 20,
        output_high: 40,
    };
    let mut entries = Entries::default();
    (0..1_000_000).for_each(|number| entries.push(entry(number)));
    assert!(
        entries.entries.len() <= 1 << 18,
        "{}",
        entries.entries.len()
    );
    for pool in [0, 1] {
        let alike = entries.entries.iter().filter(|known| known.pool == pool);
        let sum = alike.fold((0, 0), |(count, tokens), known| {
            (count + u64::from(known.count), tokens + known.tokens)
        });
        let single = (0..1_000_000).map(entry).filter(|known| known.pool == pool);
        let expected = single.fold((0, 0), |(count, tokens), known| {
            (count + 1, tokens + known.tokens)
        });
        assert_eq!(sum, expected);
    }
}

#[test]
fn requests_that_go_as_one_take_as_long_as_one_by_one() {
    let alone: Vec<Entry> = (0..12_000)
        .map(|number| Entry {
            pool: 0,
            group: Group(0),
            count: 1,
            tokens: 400 + number % 100,
            output_reserved: 0,
            images: 0,
            input: 100,
            output: 60,
            output_high: 60,
        })
        .collect();
    let together: Vec<Entry> = alone
        .chunks(8)
        .map(|some| {
            let mut sum = some[0];
            some[1..].iter().for_each(|entry| sum.add(entry));
            sum
        })
        .collect();
    for (amount, concurrency) in [(600_000, 512), (100_000_000, 160)] {
        let play = play::Play {
            pools: vec![pool(vec![per_minute(Metric::Tokens, amount)])],
            concurrency: Concurrency::Fixed(concurrency),
            latency: Latency::default(),
            start: Timestamp::ZERO,
            high: false,
        };
        let one = play.play(&alone).unwrap().wall.as_secs_f64();
        let other = play.play(&together).unwrap().wall.as_secs_f64();
        assert!((other / one - 1.0).abs() < 0.02, "{one} {other}");
    }
}

#[test]
fn a_model_that_waits_holds_no_other_back_unless_a_number_was_asked_for() {
    let body = |model: &str| {
        format!(
            r#"{{"model":"{model}","max_tokens":10,"messages":[{{"role":"user","content":"x"}}]}}"#
        )
    };
    let wall_s = |concurrency| {
        let settings = PlanSettings {
            concurrency,
            ..settings()
        };
        let mut planner = Planner::new(settings, |model| {
            let amount = if model == "slow" { 20 } else { 300 };
            Pool {
                name: model.to_owned(),
                ..pool(vec![per_minute(Metric::Requests, amount)])
            }
        });
        for number in 0..640 {
            let model = if number < 40 { "slow" } else { "quick" };
            planner.add(&item(number, CHAT, &body(model)));
        }
        planner.plan(None).unwrap().course.wall_ms / 1_000
    };
    // Each takes a minute by itself: what one minute brings beside the first window's worth.
    let beside = wall_s(Concurrency::default());
    assert!((60..66).contains(&beside), "{beside}");
    // In the order of the input the slow ones are first, and most of the time all eight are theirs.
    let in_order = wall_s(Concurrency::Fixed(8));
    assert!(in_order > 85, "{in_order}");
}

proptest! {
    #[test]
    fn parts_of_an_entry_add_up_to_it(count in 1_u32..1_000, part in 0_u32..1_200, tokens: u64) {
        let whole = Entry {
            pool: 0, group: Group(0), count, tokens, output_reserved: 3, images: 1, input: tokens / 2, output: 9, output_high: 11,
        };
        let mut rest = whole;
        let mut sum = rest.split(part);
        sum.add(&rest);
        prop_assert_eq!(sum, whole);
    }
}
