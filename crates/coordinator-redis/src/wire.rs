//! Messages as the script reads and writes them: numbers and short texts, in the script's order.

use paceline_coordinator::{
    Answer, Ask, CountKind, End, Epoch, Grant, Head, InstanceId, Knowledge, Level, LimitId, Terms,
};
use paceline_limiter::{Charge, Metric, Tier};

use crate::pack::{Packer, Unpacker};

const KINDS: [CountKind; 5] = [
    CountKind::Bucket,
    CountKind::Fixed,
    CountKind::FixedFromFirstUse,
    CountKind::Sliding,
    CountKind::Unknown,
];

/// Values that the script counts from one.
fn place<T: PartialEq>(all: &[T], one: &T) -> u64 {
    let index = all.iter().position(|other| other == one);
    index.unwrap_or_default() as u64 + 1
}

pub(crate) fn encode(ask: &Ask) -> Vec<u8> {
    let mut out = Packer::default();
    out.bare(&ask.instance.to_string());
    out.number(ask.sequence);
    match ask.epoch {
        Some(epoch) => out.number(epoch.0),
        None => out.signed(-1),
    }
    for number in [ask.lease_us, ask.pause_us, ask.spacing_us] {
        out.number(number);
    }
    out.signed(ask.in_flight_max.map_or(-1, i64::from));
    out.number(ask.demand);
    for share in ask.shares_ppm {
        out.number(u64::from(share));
    }
    out.number(ask.knows);
    out.number(u64::from(ask.teaches.is_some()));
    out.number(u64::from(ask.leaves));
    for length in [
        ask.terms.len(),
        ask.closed.len(),
        ask.corrections.len(),
        ask.heads.len(),
    ] {
        out.number(length as u64);
    }
    for terms in &ask.terms {
        encode_terms(&mut out, terms);
    }
    encode_news(&mut out, ask);
    for head in &ask.heads {
        encode_head(&mut out, ask.instance, head);
    }
    out.bare(ask.teaches.as_deref().unwrap_or_default());
    out.into_bytes()
}

fn encode_terms(out: &mut Packer, terms: &Terms) {
    out.number(place(&Metric::ALL, &terms.id.metric));
    out.number(terms.id.window_ms);
    out.number(terms.amount);
    out.number(place(&KINDS, &terms.kind));
    for number in [terms.since_us, terms.burst, terms.guard_us, terms.reserve] {
        out.number(number);
    }
    match terms.ends_us {
        Some((earliest, latest)) => {
            out.number(earliest);
            out.number(latest);
        }
        None => {
            out.signed(-1);
            out.signed(-1);
        }
    }
    out.number(terms.used);
    out.number(terms.spent);
}

fn encode_charge(out: &mut Packer, charge: &Charge) {
    for metric in Metric::ALL {
        out.number(charge.get(metric));
    }
}

fn encode_news(out: &mut Packer, ask: &Ask) {
    for closed in &ask.closed {
        out.short(format!("o{}{}", ask.instance, closed.id.0).as_bytes());
        match &closed.end {
            End::Charged(charge) => encode_charge(out, charge),
            End::NotSent => encode_charge(out, &Charge::ZERO),
        }
    }
    for correction in &ask.corrections {
        out.number(place(&Metric::ALL, &correction.id.metric));
        out.number(correction.id.window_ms);
        out.signed(correction.step);
        out.signed(correction.corrected);
        out.number(correction.generation);
    }
}

fn encode_head(out: &mut Packer, instance: InstanceId, head: &Head) {
    let tier = place(&Tier::ALL, &head.tier);
    out.short(format!("o{instance}{}", head.id.0).as_bytes());
    out.short(format!("t{tier}{}", head.tenant).as_bytes());
    out.number(tier);
    out.number(u64::from(head.weight));
    encode_charge(out, &head.charge);
    let mut behind = Packer::default();
    if !head.behind.is_zero() {
        encode_charge(&mut behind, &head.behind);
    }
    out.short(&behind.into_bytes());
}

/// `None`: this is not the script's answer to `ask`.
pub(crate) fn decode(ask: &Ask, bytes: &[u8]) -> Option<Answer> {
    let mut from = Unpacker::new(bytes);
    let epoch = Epoch(whole(from.number()?));
    let now_us = whole(from.number()?);
    let learning_us = whole(from.number()?);
    let wake = from.number()?;
    let in_flight = small(from.number()?);
    let share_ppm = small(from.number()?);
    let instances = small(from.number()?);
    let version = whole(from.number()?);
    let (grants, levels, wakes) = (from.count()?, from.count()?, from.count()?);
    let grants: Option<Vec<Grant>> = (0..grants).map(|_| decode_grant(ask, &mut from)).collect();
    let levels: Option<Vec<Level>> = (0..levels).map(|_| decode_level(&mut from)).collect();
    let wakes: Option<Vec<InstanceId>> = (0..wakes).map(|_| decode_instance(&mut from)).collect();
    let text = from.rest()?;
    Some(Answer {
        epoch,
        now_us,
        learning_us,
        grants: grants?,
        wake_us: (wake >= 0.0).then(|| whole(wake)),
        levels: levels?,
        in_flight,
        share_ppm,
        instances,
        wakes: wakes?,
        knowledge: (version > 0).then(|| Knowledge {
            version,
            text: text.to_owned(),
        }),
    })
}

fn decode_grant(ask: &Ask, from: &mut Unpacker<'_>) -> Option<Grant> {
    let used = from.byte()?;
    let head = usize::try_from(whole(from.number()?)).ok()?;
    let used: Option<Vec<u64>> = (0..used).map(|_| Some(whole(from.number()?))).collect();
    Some(Grant {
        id: ask.heads.get(head)?.id,
        used: used?,
    })
}

fn decode_level(from: &mut Unpacker<'_>) -> Option<Level> {
    let index = |value: f64| usize::try_from(whole(value)).ok()?.checked_sub(1);
    Some(Level {
        id: LimitId {
            metric: *Metric::ALL.get(index(from.number()?)?)?,
            window_ms: whole(from.number()?),
        },
        amount: whole(from.number()?),
        kind: *KINDS.get(index(from.number()?)?)?,
        used: whole(from.number()?),
        corrected: signed(from.number()?),
        generation: whole(from.number()?),
        taken: whole(from.number()?),
        in_flight: whole(from.number()?),
    })
}

fn decode_instance(from: &mut Unpacker<'_>) -> Option<InstanceId> {
    let text = from.text(16)?;
    u64::from_str_radix(text, 16).ok().map(InstanceId)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, as the rules do"
)]
const fn whole(value: f64) -> u64 {
    value as u64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates, as the rules do"
)]
const fn signed(value: f64) -> i64 {
    value as i64
}

fn small(value: f64) -> u32 {
    u32::try_from(whole(value)).unwrap_or(u32::MAX)
}
