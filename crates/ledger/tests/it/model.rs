//! A ledger that is obviously right: a list that is gone through for every question.

use std::collections::{BTreeMap, BTreeSet};

use paceline_ledger::{
    Dimension, Distribution, Entry, Estimates, Filter, Group, Latency, Order, Outcome, Query,
    SLOT_ENDS_MS, Scope, Spender, SpenderKind, Spent, Usage,
};

pub(crate) struct Model {
    entries: Vec<Entry>,
}

impl Model {
    pub(crate) fn new(entries: &[Entry]) -> Self {
        let mut seen = BTreeSet::new();
        let entries = entries.iter().cloned().map(Entry::bounded);
        let mut entries: Vec<Entry> = entries.filter(|e| seen.insert(e.call_id)).collect();
        entries.sort_by_key(|entry| (entry.ended_at_ms, entry.call_id));
        Self { entries }
    }

    /// Those that a filter lets through, the oldest first.
    pub(crate) fn entries(&self, filter: &Filter) -> Vec<Entry> {
        let passing = self.entries.iter().filter(|entry| passes(filter, entry));
        passing.cloned().collect()
    }

    pub(crate) fn query(&self, query: &Query) -> Vec<Group> {
        let mut groups: BTreeMap<(Option<i64>, Vec<String>), Vec<&Entry>> = BTreeMap::new();
        if query.group_by.is_empty() && query.buckets.is_none() {
            groups.insert((None, Vec::new()), Vec::new());
        }
        for entry in self
            .entries
            .iter()
            .filter(|entry| passes(&query.filter, entry))
        {
            let bucket = query.buckets.map(|buckets| {
                let offset = i64::from(buckets.offset_minutes) * 60_000;
                let length = buckets.period.length_ms();
                (entry.ended_at_ms + offset).div_euclid(length) * length - offset
            });
            for names in names(query, entry) {
                groups.entry((bucket, names)).or_default().push(entry);
            }
        }
        let mut groups: Vec<Group> = groups
            .into_iter()
            .map(|((bucket_ms, names), entries)| Group {
                names: readable(query, names),
                bucket_ms,
                usage: match query.brief {
                    true => brief(usage(&entries)),
                    false => usage(&entries),
                },
                latency: query.with_latency.then(|| latency(&entries)),
            })
            .collect();
        // Sorting is stable: those that are equal stay in the order of their names.
        groups.sort_by_key(|group| {
            std::cmp::Reverse(match query.order {
                Order::Names => 0,
                Order::Cost => group.usage.cost_nanousd,
                Order::Tokens => group.usage.tokens(),
                Order::Calls => group.usage.calls,
                Order::InputTokens => group.usage.input_tokens,
            })
        });
        if query.limit > 0 {
            groups.truncate(query.limit);
        }
        groups
    }

    pub(crate) fn spent(&self, scope: &Scope, since_ms: i64) -> Spent {
        let entries = self
            .entries
            .iter()
            .filter(|entry| entry.ended_at_ms >= since_ms);
        spent(entries.filter(|entry| is_of(entry, scope)))
    }

    pub(crate) fn top_spenders(&self, kind: SpenderKind, limit: usize) -> Vec<Spender> {
        let mut scopes: Vec<Scope> = Vec::new();
        for entry in &self.entries {
            let (tenant, session) = (entry.tenant.clone(), entry.session.clone());
            let session = session.map(|session| Scope::Session {
                tenant: tenant.clone(),
                session,
            });
            let found: Vec<Scope> = match kind {
                SpenderKind::Tenant => vec![Scope::Tenant(tenant)],
                SpenderKind::Key => entry.key_id.clone().map(Scope::Key).into_iter().collect(),
                SpenderKind::Session => session.into_iter().collect(),
                SpenderKind::Tag => entry.tags.iter().cloned().map(Scope::Tag).collect(),
            };
            for scope in found {
                if !scopes.contains(&scope) {
                    scopes.push(scope);
                }
            }
        }
        let mut spenders: Vec<Spender> = scopes
            .into_iter()
            .map(|scope| Spender {
                spent: self.spent(&scope, 0),
                scope,
            })
            .collect();
        spenders.sort_by_key(|spender| {
            let name = match &spender.scope {
                Scope::Tenant(name) => (name.clone(), String::new()),
                Scope::Key(name) | Scope::Tag(name) => (String::new(), name.clone()),
                Scope::Session { tenant, session } => (tenant.clone(), session.clone()),
            };
            let spent = spender.spent;
            (
                std::cmp::Reverse((spent.cost_nanousd, spent.tokens())),
                name,
            )
        });
        spenders.truncate(limit);
        spenders
    }
}

fn is_of(entry: &Entry, scope: &Scope) -> bool {
    match scope {
        Scope::Tenant(tenant) => entry.tenant == *tenant,
        Scope::Key(key) => entry.key_id.as_ref() == Some(key),
        Scope::Session { tenant, session } => {
            entry.tenant == *tenant && entry.session.as_ref() == Some(session)
        }
        Scope::Tag(tag) => entry.tags.contains(tag),
    }
}

fn cost(entry: &Entry) -> u64 {
    entry.cost_nanousd.unwrap_or(0) + entry.hedge_cost_nanousd.unwrap_or(0)
}

fn is_unpriced(entry: &Entry) -> bool {
    let of_hedge = entry.hedged.is_some() && entry.hedge_cost_nanousd.is_none();
    of_hedge || (entry.attempts > 0 && entry.cost_nanousd.is_none())
}

fn spent<'a>(entries: impl Iterator<Item = &'a Entry>) -> Spent {
    let mut spent = Spent::default();
    for entry in entries {
        spent.requests += u64::from(entry.attempts > 0);
        spent.input_tokens += entry.input_tokens;
        spent.output_tokens += entry.output_tokens;
        spent.cost_nanousd += cost(entry);
        spent.unpriced += u64::from(is_unpriced(entry));
    }
    spent
}

fn passes(filter: &Filter, entry: &Entry) -> bool {
    let is = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
    let key_id = entry.key_id.as_deref().unwrap_or("");
    filter.from_ms.is_none_or(|from| entry.ended_at_ms >= from)
        && filter
            .until_ms
            .is_none_or(|until| entry.ended_at_ms < until)
        && is(&filter.tenant, &entry.tenant)
        && filter
            .session
            .as_ref()
            .is_none_or(|wanted| entry.session.as_ref() == Some(wanted))
        && is(&filter.key_id, key_id)
        && is(&filter.model, &entry.model)
        && is(&filter.provider, &entry.provider)
        && is(&filter.route, &entry.route)
        && filter
            .lane
            .as_ref()
            .is_none_or(|wanted| entry.lane.as_ref() == Some(wanted))
        && filter
            .tag
            .as_ref()
            .is_none_or(|tag| entry.tags.contains(tag))
        && filter
            .outcome
            .is_none_or(|outcome| entry.outcome == outcome)
}

/// The groups that a call is in. Outcomes by their place in the list, which is their order.
/// What a brief answer tells.
fn brief(usage: Usage) -> Usage {
    Usage {
        estimates: Estimates::default(),
        charge_tokens: 0,
        wait_ms: 0,
        waited: 0,
        limited: 0,
        retries: 0,
        duration_ms: 0,
        first_byte_ms: 0,
        first_bytes: 0,
        max_input_tokens: 0,
        max_wait_ms: 0,
        max_duration_ms: 0,
        ..usage
    }
}

fn names(query: &Query, entry: &Entry) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    for dimension in &query.group_by {
        let names = match dimension {
            Dimension::Tenant => vec![entry.tenant.clone()],
            Dimension::Key => vec![entry.key_id.clone().unwrap_or_default()],
            Dimension::Session => vec![entry.session.clone().unwrap_or_default()],
            Dimension::Tag => match &query.filter.tag {
                Some(tag) => vec![tag.clone()],
                None => entry.tags.clone(),
            },
            Dimension::Model => vec![entry.model.clone()],
            Dimension::Provider => vec![entry.provider.clone()],
            Dimension::Route => vec![entry.route.clone()],
            Dimension::Lane => vec![entry.lane.clone().unwrap_or_default()],
            Dimension::Outcome => {
                let place = Outcome::ALL.iter().position(|o| *o == entry.outcome);
                vec![place.unwrap().to_string()]
            }
        };
        let longer = all.iter().flat_map(|start: &Vec<String>| {
            let more = names
                .iter()
                .map(|name| [start.clone(), vec![name.clone()]].concat());
            more.collect::<Vec<_>>()
        });
        all = longer.collect();
    }
    all
}

fn readable(query: &Query, mut names: Vec<String>) -> Vec<String> {
    for (name, dimension) in names.iter_mut().zip(&query.group_by) {
        if *dimension == Dimension::Outcome {
            *name = Outcome::ALL[name.parse::<usize>().unwrap()]
                .name()
                .to_owned();
        }
    }
    names
}

fn usage(entries: &[&Entry]) -> Usage {
    let sum = |of: fn(&Entry) -> u64| entries.iter().map(|entry| of(entry)).sum();
    let most = |of: fn(&Entry) -> u64| entries.iter().map(|entry| of(entry)).max().unwrap_or(0);
    Usage {
        calls: entries.len() as u64,
        sent: sum(|e| u64::from(e.attempts > 0)),
        input_tokens: sum(|e| e.input_tokens),
        cached_tokens: sum(|e| e.cached_tokens),
        cache_write_tokens: sum(|e| e.cache_write_tokens),
        output_tokens: sum(|e| e.output_tokens),
        reasoning_tokens: sum(|e| e.reasoning_tokens),
        audio_in_tokens: sum(|e| e.audio_in_tokens),
        audio_out_tokens: sum(|e| e.audio_out_tokens),
        image_in_tokens: sum(|e| e.image_in_tokens),
        image_out_tokens: sum(|e| e.image_out_tokens),
        images: sum(|e| e.images),
        audio_ms: sum(|e| e.audio_ms),
        cost_nanousd: sum(cost),
        unpriced: sum(|e| u64::from(is_unpriced(e))),
        estimates: estimates(entries),
        charge_tokens: sum(|e| e.charge_tokens),
        wait_ms: sum(|e| e.wait_ms),
        waited: sum(|e| u64::from(e.wait_ms > 0)),
        limited: sum(|e| u64::from(e.binding_limit.is_some())),
        retries: sum(|e| e.attempts.max(1) - 1),
        duration_ms: sum(|e| e.duration_ms),
        first_byte_ms: sum(|e| e.first_byte_ms.unwrap_or(0)),
        first_bytes: sum(|e| u64::from(e.first_byte_ms.is_some())),
        max_input_tokens: most(|e| e.input_tokens),
        max_wait_ms: most(|e| e.wait_ms),
        max_duration_ms: most(|e| e.duration_ms),
    }
}

fn estimates(entries: &[&Entry]) -> Estimates {
    let mut estimates = Estimates::default();
    for entry in entries {
        if entry.outcome != Outcome::Ok || entry.input_tokens == 0 || entry.estimate_tokens == 0 {
            continue;
        }
        let error = entry.input_tokens.abs_diff(entry.estimate_tokens);
        estimates.calls += 1;
        estimates.estimate_tokens += entry.estimate_tokens;
        estimates.input_tokens += entry.input_tokens;
        estimates.error_tokens += error;
        estimates.within_5_percent += u64::from(error * 100 <= entry.input_tokens * 5);
        estimates.within_20_percent += u64::from(error * 100 <= entry.input_tokens * 20);
    }
    estimates
}

fn latency(entries: &[&Entry]) -> Latency {
    let distribution = |of: fn(&Entry) -> Option<u64>| {
        let mut counts = vec![0; SLOT_ENDS_MS.len() + 1];
        for ms in entries.iter().filter_map(|entry| of(entry)) {
            let slot = SLOT_ENDS_MS.iter().position(|end| ms < *end);
            counts[slot.unwrap_or(SLOT_ENDS_MS.len())] += 1;
        }
        Distribution { counts }
    };
    Latency {
        wait: distribution(|e| Some(e.wait_ms)),
        first_byte: distribution(|e| e.first_byte_ms),
        duration: distribution(|e| Some(e.duration_ms)),
    }
}
