//! What every store has to do. Each case gets an empty ledger.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use paceline_ledger::{
    CallId, Cursor, Dimension, Entry, Filter, Format, Ledger, Order, Outcome, Period, Query,
    QueryError, Retention, Scope, SpenderKind, TAGS_MAX,
};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::generate::{self, HOSTILE, MIDNIGHT_MS};
use crate::model::Model;

const DAY_MS: i64 = 86_400_000;

/// Hands records in and waits until they are committed.
pub(crate) async fn fill(ledger: &Ledger, entries: &[Entry]) {
    let writer = ledger.writer();
    for entry in entries {
        writer.record(entry.clone()).unwrap();
    }
    writer.flush().await;
    let health = ledger.health();
    assert!(
        health.is_well() && health.lost == 0 && health.spilled == 0,
        "{health:?}"
    );
}

/// The same records and questions as the model: the same answers.
pub(crate) async fn answers_are_those_of_the_model(ledger: &Ledger, runner: &mut TestRunner) {
    let entries = some_entries(runner);
    fill(ledger, &entries).await;
    // Once more: nothing may change.
    fill(ledger, &entries).await;
    answers_agree(ledger, &entries, runner).await;
}

/// Records with names and times that meet often.
pub(crate) fn some_entries(runner: &mut TestRunner) -> Vec<Entry> {
    Draw(runner).one(&generate::entries())
}

/// A ledger of these records and the model answer the same.
pub(crate) async fn answers_agree(ledger: &Ledger, entries: &[Entry], runner: &mut TestRunner) {
    let mut draw = Draw(runner);
    let model = Model::new(entries);
    for _ in 0..30 {
        let query = draw.one(&generate::query());
        let answer = ledger.query(&query).await.unwrap();
        assert_eq!(
            answer.groups,
            model.query(&query),
            "{query:#?} of {entries:#?}"
        );
    }
    for _ in 0..20 {
        let (scope, since) = (draw.one(&generate::scope()), draw.one(&generate::time()));
        let spent = ledger.spent(&scope, since).await.unwrap();
        assert_eq!(spent, model.spent(&scope, since), "{scope:?} since {since}");
    }
    for kind in [
        SpenderKind::Tenant,
        SpenderKind::Key,
        SpenderKind::Session,
        SpenderKind::Tag,
    ] {
        let spenders = ledger.top_spenders(kind, None, None, 3).await.unwrap();
        assert_eq!(spenders, model.top_spenders(kind, 3), "{kind:?}");
    }
    for _ in 0..10 {
        let filter = draw.one(&generate::filter());
        let mut wanted = model.entries(&filter);
        let exported = exported(ledger, &filter).await;
        assert_eq!(exported, wanted, "{filter:?}");
        wanted.reverse();
        assert_eq!(listed(ledger, &filter, 7).await, wanted, "{filter:?}");
    }
}

struct Draw<'a>(&'a mut TestRunner);

impl Draw<'_> {
    fn one<S: Strategy>(&mut self, strategy: &S) -> S::Value {
        strategy.new_tree(self.0).unwrap().current()
    }
}

async fn listed(ledger: &Ledger, filter: &Filter, limit: usize) -> Vec<Entry> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = ledger.entries(filter, after, limit).await.unwrap();
        assert!(page.entries.len() <= limit);
        all.extend(page.entries);
        match page.next {
            // As a caller has it: by way of a text.
            Some(next) => after = Some(next.to_string().parse::<Cursor>().unwrap()),
            None => return all,
        }
    }
}

async fn exported(ledger: &Ledger, filter: &Filter) -> Vec<Entry> {
    let mut export = ledger.export(filter.clone(), Format::JsonLines);
    let mut text = String::new();
    while let Some(piece) = export.next().await.unwrap() {
        text.push_str(&piece);
    }
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

pub(crate) fn entry(id: u128, at_ms: i64) -> Entry {
    let mut entry = Entry::new(CallId(id), at_ms, "acme");
    entry.model = "gpt-4o".to_owned();
    entry.route = "chat.completions".to_owned();
    entry.session = Some("s".to_owned());
    entry.tags = vec!["blue".to_owned()];
    (entry.input_tokens, entry.output_tokens, entry.attempts) = (100, 10, 1);
    entry.cost_nanousd = Some(1_000);
    entry
}

/// Every field that callers can fill holds SQL, quotes, formulas and control characters.
pub(crate) async fn hostile_names_are_only_names(ledger: &Ledger) {
    let hostile = || HOSTILE.to_owned();
    let mut entries = Vec::new();
    for (id, text) in [
        (1, hostile()),
        (2, format!("=cmd|'{HOSTILE}'!A0")),
        (3, "\0\n\r\u{1b}[2J".into()),
    ] {
        let some = || Some(text.clone());
        let mut entry = entry(id, MIDNIGHT_MS);
        (entry.tenant, entry.route, entry.provider) = (text.clone(), text.clone(), text.clone());
        (entry.model, entry.instance) = (text.clone(), text.clone());
        (entry.session, entry.key_id, entry.model_answered) = (some(), some(), some());
        (entry.service_tier, entry.priority, entry.price_version) = (some(), some(), some());
        (entry.error_code, entry.binding_limit, entry.pool) = (some(), some(), some());
        (entry.lane, entry.passed, entry.hedged) = (some(), some(), some());
        entry.tags = vec![text.clone(), "plain".to_owned()];
        entries.push(entry);
    }
    fill(ledger, &entries).await;
    let model = Model::new(&entries);
    let filter = |name: &str| {
        let some = || Some(name.to_owned());
        Filter {
            tenant: some(),
            session: some(),
            key_id: some(),
            model: some(),
            provider: some(),
            route: some(),
            tag: some(),
            lane: some(),
            ..Filter::default()
        }
    };
    for name in [HOSTILE, "' OR '1'='1", "%", "_", "\\"] {
        let query = Query::total(filter(name))
            .by(Dimension::Tag)
            .by(Dimension::Tenant);
        let answer = ledger.query(&query).await.unwrap();
        assert_eq!(answer.groups, model.query(&query), "{name}");
        assert_eq!(answer.groups.len(), usize::from(name == HOSTILE));
        assert_eq!(
            listed(ledger, &filter(name), 2).await,
            model.entries(&filter(name))
        );
        let scopes = [
            Scope::Tenant(name.into()),
            Scope::Key(name.into()),
            Scope::Tag(name.into()),
        ];
        for scope in scopes {
            let spent = ledger.spent(&scope, MIDNIGHT_MS - 7).await.unwrap();
            assert_eq!(spent.requests, u64::from(name == HOSTILE));
        }
    }
    let mut export = ledger.export(Filter::default(), Format::Csv);
    let text = export.next().await.unwrap().unwrap();
    assert_eq!(
        text.matches("\r\n").count(),
        4,
        "a header and a line for each: {text}"
    );
    assert!(
        text.contains(",'=cmd|") || text.contains(",\"'=cmd|"),
        "{text}"
    );
}

/// The same call handed in again, in the same batch and later, alone and among others.
pub(crate) async fn a_call_is_counted_once_however_often_it_comes(ledger: &Ledger) {
    let entries: Vec<Entry> = (0..20).map(|id| entry(id % 10, MIDNIGHT_MS)).collect();
    fill(ledger, &entries).await;
    fill(ledger, &entries[..3]).await;
    fill(ledger, &[entry(3, MIDNIGHT_MS), entry(10, MIDNIGHT_MS)]).await;
    let answer = ledger.query(&Query::default()).await.unwrap();
    assert_eq!(answer.groups[0].usage.calls, 11);
    let spent = ledger.spent(&Scope::Tag("blue".into()), 0).await.unwrap();
    assert_eq!((spent.requests, spent.cost_nanousd), (11, 11_000));
}

/// Sums of what is no longer there in detail, and answers that say how far back they reach.
pub(crate) async fn sums_outlive_the_records_they_are_of(ledger: &Ledger) {
    let times = [-500, -40, -39, -9, -8, -1].map(|days| MIDNIGHT_MS + days * DAY_MS + 61_001);
    let entries: Vec<Entry> = times
        .iter()
        .enumerate()
        .map(|(id, at)| entry(id as u128, *at))
        .collect();
    fill(ledger, &entries).await;
    let pruned = ledger
        .prune(MIDNIGHT_MS, &Retention::default())
        .await
        .unwrap();
    assert_eq!(pruned.records, 3);
    assert!(pruned.sums > 0 && pruned.spending > 0, "{pruned:?}");
    let calls = async |from_ms: i64, until_ms: i64| {
        let filter = Filter {
            from_ms: Some(from_ms),
            until_ms: Some(until_ms),
            ..Filter::default()
        };
        let answer = ledger.query(&Query::total(filter)).await.unwrap();
        (
            answer.groups[0].usage.calls,
            answer.from_ms,
            answer.until_ms,
        )
    };
    let all = calls(0, MIDNIGHT_MS).await;
    assert_eq!(all, (6, 0, MIDNIGHT_MS));
    let exact = calls(times[5], times[5] + 1).await;
    assert_eq!(exact, (1, times[5], times[5] + 1));
    let by_minute_no_more = calls(times[2] + 1, times[2] + 2).await;
    let hour = MIDNIGHT_MS - 39 * DAY_MS;
    assert_eq!(by_minute_no_more, (1, hour, hour + 3_600_000));
    let by_hour_no_more = calls(times[0], times[0] + 1).await;
    let day = MIDNIGHT_MS - 500 * DAY_MS;
    assert_eq!(by_hour_no_more, (1, day, day + DAY_MS));
    let tenant = Scope::Tenant("acme".into());
    assert_eq!(ledger.spent(&tenant, 0).await.unwrap().requests, 6);
    let session = Scope::Session {
        tenant: "acme".into(),
        session: "s".into(),
    };
    assert_eq!(
        ledger.spent(&session, 0).await.unwrap().requests,
        5,
        "sessions go after 90 days"
    );
    let again = ledger
        .prune(MIDNIGHT_MS, &Retention::default())
        .await
        .unwrap();
    assert_eq!((again.records, again.sums, again.spending), (0, 0, 0));
}

/// Days go as well where that is asked for, and with them the names that only they knew.
pub(crate) async fn what_is_kept_for_a_time_goes_after_it(ledger: &Ledger) {
    let mut old = entry(1, MIDNIGHT_MS - 600 * DAY_MS);
    old.model = "of-old".to_owned();
    fill(ledger, &[old, entry(2, MIDNIGHT_MS)]).await;
    let retention = Retention {
        days_days: Some(500),
        ..Retention::default()
    };
    ledger.prune(MIDNIGHT_MS, &retention).await.unwrap();
    let query = Query::default().by(Dimension::Model);
    let answer = ledger.query(&query).await.unwrap();
    assert_eq!(answer.groups.len(), 1);
    assert_eq!(answer.groups[0].names, ["gpt-4o"]);
    assert_eq!(answer.from_ms, MIDNIGHT_MS - 500 * DAY_MS);
}

/// Prompts, sessions and costs, as they are shown.
pub(crate) async fn reports_tell_what_records_hold(ledger: &Ledger) {
    let mut entries: Vec<Entry> = (0..10)
        .map(|id| entry(id, MIDNIGHT_MS + id as i64))
        .collect();
    for large in &mut entries[..5] {
        (large.input_tokens, large.model) = (900, "o3".to_owned());
        (large.cost_nanousd, large.estimate_tokens) = (Some(50_000), 990);
        large.wait_ms = 150;
    }
    entries[9].session = None;
    entries[9].outcome = Outcome::Refused;
    entries[9].attempts = 0;
    fill(ledger, &entries).await;
    let sizes = ledger.prompt_sizes(Filter::default(), 10).await.unwrap();
    assert_eq!(sizes.len(), 2);
    assert_eq!(
        (sizes[0].model.as_str(), sizes[0].average_input_tokens),
        ("o3", 900)
    );
    assert_eq!((sizes[0].max_input_tokens, sizes[0].calls), (900, 5));
    assert!(sizes[0].above_average_tokens > 1_000, "{sizes:?}");
    let report = ledger.session_report("s", Some("acme")).await.unwrap();
    assert_eq!(
        (report.usage.calls, report.first_ms),
        (9, Some(MIDNIGHT_MS))
    );
    assert_eq!(report.last_ms, Some(MIDNIGHT_MS + 8));
    assert_eq!(report.by_model[0].names, ["o3"]);
    let kept = ledger.entry(entries[2].call_id).await.unwrap();
    assert_eq!(kept, Some(entries[2].clone().bounded()));
    assert_eq!(ledger.entry(CallId(u128::MAX)).await, Ok(None));
    let of_nobody = Filter {
        tenant: Some("nobody".to_owned()),
        ..Filter::default()
    };
    assert_eq!(ledger.first_and_last(&of_nobody).await, Ok(None));
    assert_eq!(report.usage.estimates.relative_error(), Some(0.1));
    assert!((100..=200).contains(&report.latency.wait.quantile_ms(900).unwrap()));
    assert_eq!(
        ledger
            .session_report("s", Some("other"))
            .await
            .unwrap()
            .usage
            .calls,
        0
    );
    let costs = ledger
        .cost_breakdown(Filter::default(), Dimension::Outcome, 5)
        .await
        .unwrap();
    assert_eq!(costs.groups[0].usage.cost_nanousd, 254_000);
    assert_eq!(costs.groups[1].names, ["refused"]);
}

/// Which lane a call took, over which it came, and what a second attempt cost.
pub(crate) async fn lanes_are_told_and_asked_for(ledger: &Ledger) {
    let mut entries: Vec<Entry> = (0..6)
        .map(|id| entry(id, MIDNIGHT_MS + id as i64))
        .collect();
    let (openai, claude) = ("upstream/gpt-4o-mini", "claude/claude-haiku-4-5");
    for (entry, lane) in entries
        .iter_mut()
        .zip([openai, openai, openai, claude, claude])
    {
        entry.lane = Some(lane.to_owned());
    }
    entries[3].passed = Some(format!("{openai};overload, second/gpt-4o-mini;error"));
    entries[4].hedged = Some(openai.to_owned());
    entries[4].hedge_cost_nanousd = Some(500);
    entries[2].hedged = Some(claude.to_owned());
    entries[4].tenant = "globex".to_owned();
    fill(ledger, &entries).await;

    let of_lane = |lane: &str| Filter {
        lane: Some(lane.to_owned()),
        ..Filter::default()
    };
    let of_tenant = Filter {
        tenant: Some("globex".to_owned()),
        ..of_lane(claude)
    };
    for (filter, places) in [
        (of_lane(openai), &[0, 1, 2][..]),
        (of_lane(claude), &[3, 4]),
        (of_lane("claude/"), &[]),
        (of_tenant, &[4]),
    ] {
        let wanted: Vec<Entry> = places.iter().map(|place| entries[*place].clone()).collect();
        assert_eq!(exported(ledger, &filter).await, wanted, "{filter:?}");
        let mut latest_first = wanted;
        latest_first.reverse();
        assert_eq!(listed(ledger, &filter, 1).await, latest_first, "{filter:?}");
        let total = ledger.query(&Query::total(filter)).await.unwrap();
        assert_eq!(total.groups[0].usage.calls, places.len() as u64);
    }

    let by_lane = Query::default().by(Dimension::Lane).top(Order::Cost, 0);
    let told = ledger.query(&by_lane).await.unwrap();
    let told = told.groups.iter().map(|group| {
        let usage = &group.usage;
        (&*group.names[0], usage.cost_nanousd, usage.unpriced)
    });
    let wanted = [(openai, 3_000, 1), (claude, 2_500, 0), ("", 1_000, 0)];
    assert_eq!(told.collect::<Vec<_>>(), wanted);

    // The same from records, from sums, and as budgets have it.
    let globex = Scope::Tenant("globex".to_owned());
    for since_ms in [0, MIDNIGHT_MS + 4] {
        let spent = ledger.spent(&globex, since_ms).await.unwrap();
        assert_eq!((spent.cost_nanousd, spent.unpriced), (1_500, 0));
    }
    let all = ledger.query(&Query::default()).await.unwrap();
    let usage = &all.groups[0].usage;
    assert_eq!((usage.cost_nanousd, usage.unpriced), (6_500, 1));

    let mut export = ledger.export(of_lane(claude), Format::Csv);
    let csv = export.next().await.unwrap().unwrap();
    let mut lines = csv.lines();
    let header = lines.next().unwrap();
    assert!(
        header.ends_with(",lane,passed,hedged,hedge_cost_nanousd"),
        "{header}"
    );
    let first = format!(",{claude},\"{openai};overload, second/gpt-4o-mini;error\",,");
    assert!(lines.next().unwrap().ends_with(&first), "{csv}");
    let second = format!(",{claude},,{openai},500");
    assert!(lines.next().unwrap().ends_with(&second), "{csv}");
}

/// What cannot be asked is refused in words.
pub(crate) async fn a_question_without_sense_is_refused(ledger: &Ledger) {
    let three = Query::default()
        .by(Dimension::Tag)
        .by(Dimension::Key)
        .by(Dimension::Model);
    assert_eq!(ledger.query(&three).await, Err(QueryError::Dimensions(3)));
    let far = Query::default().over(Period::Day, i32::MIN);
    assert_eq!(ledger.query(&far).await, Err(QueryError::Offset(i32::MIN)));
    let reversed = Filter {
        from_ms: Some(i64::MAX),
        until_ms: Some(i64::MIN),
        ..Filter::default()
    };
    let answer = ledger.query(&Query::total(reversed.clone())).await.unwrap();
    assert_eq!(answer.groups[0].usage.calls, 0);
    assert_eq!(listed(ledger, &reversed, 1).await, []);
}

/// More rows than are wanted are said to be there.
pub(crate) async fn answers_have_an_end(ledger: &Ledger) {
    let entries: Vec<Entry> = (0..30)
        .map(|id| {
            let mut entry = entry(id, MIDNIGHT_MS);
            entry.model = format!("m{id:02}");
            entry.tags = (0..40).map(|tag| format!("t{tag:02}")).collect();
            entry
        })
        .collect();
    fill(ledger, &entries).await;
    let some = Query::default().by(Dimension::Model).top(Order::Calls, 10);
    let answer = ledger.query(&some).await.unwrap();
    assert_eq!((answer.groups.len(), answer.truncated), (10, true));
    let all = Query::default().by(Dimension::Model);
    let answer = ledger.query(&all).await.unwrap();
    assert_eq!((answer.groups.len(), answer.truncated), (30, false));
    let tags = Query::default().by(Dimension::Tag);
    assert_eq!(ledger.query(&tags).await.unwrap().groups.len(), TAGS_MAX);
}

/// Many hand in at once; each is told when its record is there, and it is.
pub(crate) async fn what_is_acknowledged_is_there(ledger: &Ledger) -> Result<()> {
    let writer = ledger.writer();
    let durable: Vec<_> = (0..500)
        .map(|id| writer.record_durably(entry(id, MIDNIGHT_MS)))
        .collect();
    for done in durable {
        done.await?;
    }
    let ids: BTreeSet<u128> = exported(ledger, &Filter::default())
        .await
        .iter()
        .map(|entry| entry.call_id.0)
        .collect();
    ensure!(ids.len() == 500, "only {} are there", ids.len());
    let health = ledger.health();
    ensure!(health.committed == 500 && health.queued == 0, "{health:?}");
    Ok(())
}
