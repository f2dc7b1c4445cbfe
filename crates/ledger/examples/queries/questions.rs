//! What the monitoring API and a dashboard ask.

use std::time::Instant;

use paceline_ledger::{
    Dimension, Filter, Format, Ledger, Order, Outcome, Period, Query, Scope, SpenderKind,
};

use crate::fill::{DAY_MS, END_MS, HOUR_MS, MINUTE_MS, START_MS};

/// All questions, each four times: the first time, and the best of the others.
pub(crate) async fn ask(ledger: &Ledger) {
    for (name, query) in sums().into_iter().chain(over_time()).chain(of_some()) {
        time(name, async || drop(ledger.query(&query).await.unwrap())).await;
    }
    records(ledger).await;
    reports(ledger).await;
}

async fn time(name: &str, question: impl AsyncFn()) {
    let mut times = Vec::new();
    for _ in 0..4 {
        let start = Instant::now();
        question().await;
        times.push(start.elapsed().as_millis());
    }
    let again = times[1..].iter().min().unwrap();
    println!("  {name}: {} ms, again {again} ms", times[0]);
}

/// A month with ends that lie on no border.
fn month() -> Filter {
    Filter {
        from_ms: Some(START_MS + MINUTE_MS + 1),
        until_ms: Some(END_MS - MINUTE_MS - 1),
        ..Filter::default()
    }
}

fn last(ms: i64) -> Filter {
    Filter {
        from_ms: Some(END_MS - ms + 1),
        until_ms: Some(END_MS),
        ..Filter::default()
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn sums() -> Vec<(&'static str, Query)> {
    let total = || Query::total(month());
    vec![
        ("a month in all", total()),
        ("a month in all, with times", total().with_latency()),
        (
            "a month by tenant",
            total().by(Dimension::Tenant).top(Order::Cost, 100),
        ),
        (
            "a month by key",
            total().by(Dimension::Key).top(Order::Tokens, 100),
        ),
        (
            "a month by tag",
            total().by(Dimension::Tag).top(Order::Cost, 100),
        ),
        (
            "a month by model, with times",
            total().by(Dimension::Model).with_latency(),
        ),
        (
            "a month by tenant and model",
            total().by(Dimension::Tenant).by(Dimension::Model),
        ),
        (
            "a month by tenant and model, with times",
            total()
                .by(Dimension::Tenant)
                .by(Dimension::Model)
                .with_latency(),
        ),
        (
            "a month by tag and model",
            total().by(Dimension::Tag).by(Dimension::Model),
        ),
        (
            "a day by session, the dearest",
            Query::total(last(DAY_MS))
                .by(Dimension::Session)
                .top(Order::Tokens, 100),
        ),
    ]
}

fn over_time() -> Vec<(&'static str, Query)> {
    let total = || Query::total(month());
    let days = |offset| total().over(Period::Day, offset).with_latency();
    let week = || Query::total(last(7 * DAY_MS - HOUR_MS));
    vec![
        ("a month by day of UTC, with times", days(0)),
        ("a month by local day (+2 h), with times", days(120)),
        ("a month by local day (-8 h), with times", days(-480)),
        ("a month by local day (+12 h), with times", days(720)),
        (
            "a week by local day (+5:30 h), with times",
            week().over(Period::Day, 330).with_latency(),
        ),
        (
            "a month by hour, with times",
            total().over(Period::Hour, 0).with_latency(),
        ),
        (
            "the last day by minute, with times",
            Query::total(last(DAY_MS))
                .over(Period::Minute, 0)
                .with_latency(),
        ),
        (
            "the last week by minute, with times",
            week().over(Period::Minute, 0).with_latency(),
        ),
        (
            "a month by local day (+2 h) and model",
            total().over(Period::Day, 120).by(Dimension::Model),
        ),
        (
            "a month by local day (+2 h), tenant and model, brief",
            total()
                .over(Period::Day, 120)
                .by(Dimension::Tenant)
                .by(Dimension::Model)
                .brief(),
        ),
        (
            "a month by local day (+2 h), tenant and model",
            total()
                .over(Period::Day, 120)
                .by(Dimension::Tenant)
                .by(Dimension::Model),
        ),
    ]
}

fn of_some() -> Vec<(&'static str, Query)> {
    let month_by_hour = |filter| Query::total(filter).over(Period::Hour, 0).with_latency();
    let week_by_minute = |filter: Filter| {
        let time = last(7 * DAY_MS - HOUR_MS);
        let filter = Filter {
            from_ms: time.from_ms,
            until_ms: time.until_ms,
            ..filter
        };
        Query::total(filter).over(Period::Minute, 0).with_latency()
    };
    let tenant = || Filter {
        tenant: some("tenant-3"),
        ..month()
    };
    let tenant_and_model = || Filter {
        model: some("model-1"),
        ..tenant()
    };
    let key = || Filter {
        key_id: some("key-3-1"),
        ..month()
    };
    let failed = || Filter {
        outcome: Some(Outcome::ProviderError),
        ..tenant()
    };
    let tag = || Filter {
        tag: some("tag-1"),
        ..month()
    };
    let tag_and_model = || Filter {
        model: some("model-1"),
        ..tag()
    };
    let tag_and_outcome = || Filter {
        outcome: Some(Outcome::ProviderError),
        ..tag()
    };
    vec![
        (
            "a month of a tenant by model",
            Query::total(tenant()).by(Dimension::Model),
        ),
        ("a month by hour, a tenant", month_by_hour(tenant())),
        ("a month by hour, a key", month_by_hour(key())),
        (
            "a month by hour, a tenant and model",
            month_by_hour(tenant_and_model()),
        ),
        (
            "a month by hour, a tenant's failures",
            month_by_hour(failed()),
        ),
        ("a month by hour, a tag", month_by_hour(tag())),
        (
            "a month by hour, a tag and model",
            month_by_hour(tag_and_model()),
        ),
        (
            "a month by hour, a tag's failures",
            month_by_hour(tag_and_outcome()),
        ),
        ("a week by minute, a tenant", week_by_minute(tenant())),
        (
            "a week by minute, a tenant and model",
            week_by_minute(tenant_and_model()),
        ),
        (
            "a week by minute, a tag and model",
            week_by_minute(tag_and_model()),
        ),
    ]
}

fn of_records() -> [(&'static str, Filter); 11] {
    [
        ("", month()),
        (
            ", a tenant",
            Filter {
                tenant: some("tenant-3"),
                ..month()
            },
        ),
        (
            ", a tag",
            Filter {
                tag: some("tag-1"),
                ..month()
            },
        ),
        (
            ", a tenant, model and tag",
            Filter {
                tenant: some("tenant-3"),
                model: some("model-1"),
                tag: some("tag-1"),
                ..month()
            },
        ),
        (
            ", a tenant that seldom calls",
            Filter {
                tenant: some("tenant-seldom"),
                ..month()
            },
        ),
        (
            ", a route that is seldom",
            Filter {
                route: some("embeddings"),
                ..month()
            },
        ),
        (
            ", a tenant and a model that it seldom uses",
            Filter {
                tenant: some("tenant-3"),
                model: some("model-seldom"),
                ..month()
            },
        ),
        (
            ", a tag on calls that are seldom",
            Filter {
                tag: some("tag-1"),
                route: some("embeddings"),
                ..month()
            },
        ),
        (
            ", an outcome that there is not",
            Filter {
                outcome: Some(Outcome::Refused),
                ..month()
            },
        ),
        (
            ", a session",
            Filter {
                session: some("session-500-7"),
                ..month()
            },
        ),
        (
            ", a session's failures of a tenant",
            Filter {
                session: some("session-500-7"),
                tenant: some("tenant-7"),
                ..month()
            },
        ),
    ]
}

async fn records(ledger: &Ledger) {
    for (name, filter) in of_records() {
        time(
            &format!("the latest 1000 records of a month{name}"),
            async || {
                drop(ledger.entries(&filter, None, 1_000).await.unwrap());
            },
        )
        .await;
        time(&format!("the first piece of an export{name}"), async || {
            let mut export = ledger.export(filter.clone(), Format::JsonLines);
            drop(export.next().await.unwrap());
        })
        .await;
    }
}

async fn reports(ledger: &Ledger) {
    time("prompt sizes of a month", async || {
        drop(ledger.prompt_sizes(month(), 100).await.unwrap());
    })
    .await;
    time("a session's report", async || {
        drop(ledger.session_report("session-500-7", None).await.unwrap());
    })
    .await;
    time("the first and the last call of a week", async || {
        let _ends = ledger.first_and_last(&last(7 * DAY_MS)).await.unwrap();
    })
    .await;
    time("what the ledger holds", async || {
        let _extent = ledger.extent().await.unwrap();
    })
    .await;
    let scope = Scope::Tenant("tenant-seldom".to_owned());
    time("spent by a tenant since a time", async || {
        let _spent = ledger
            .spent(&scope, START_MS + MINUTE_MS + 1)
            .await
            .unwrap();
    })
    .await;
    time("tenants that spent most in a month", async || {
        drop(
            ledger
                .top_spenders(SpenderKind::Tenant, None, None, 10)
                .await
                .unwrap(),
        );
    })
    .await;
}
