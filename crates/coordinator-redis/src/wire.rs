//! Messages as the script reads and writes them: flat arrays of MessagePack, in the script's order.

use paceline_coordinator::{
    Answer, Ask, CountKind, End, Epoch, Grant, InstanceId, Knowledge, Level, LimitId, Terms,
    TicketId,
};
use paceline_limiter::{Charge, Metric, Tier};

use crate::pack::{Packer, Unpacker};

/// How many values the script expects for each of these.
const TERMS: usize = 11;
const CLOSED: usize = 7;
const CORRECTION: usize = 5;
const HEAD: usize = 14;

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
    out.array(18);
    out.text(&ask.instance.to_string());
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
    match &ask.teaches {
        Some(text) => out.text(text),
        None => out.nothing(),
    }
    out.number(u64::from(ask.leaves));
    out.array(ask.terms.len() * TERMS);
    for terms in &ask.terms {
        encode_terms(&mut out, terms);
    }
    encode_news(&mut out, ask);
    encode_heads(&mut out, ask);
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
            out.nothing();
            out.nothing();
        }
    }
    out.number(terms.used);
}

fn encode_charge(out: &mut Packer, charge: &Charge) {
    for metric in Metric::ALL {
        out.number(charge.get(metric));
    }
}

fn encode_news(out: &mut Packer, ask: &Ask) {
    out.array(ask.closed.len() * CLOSED);
    for closed in &ask.closed {
        out.text(&closed.id.0.to_string());
        match &closed.end {
            End::Charged(charge) => {
                out.number(1);
                encode_charge(out, charge);
            }
            End::NotSent => {
                out.number(0);
                encode_charge(out, &Charge::ZERO);
            }
        }
    }
    out.array(ask.corrections.len() * CORRECTION);
    for correction in &ask.corrections {
        out.number(place(&Metric::ALL, &correction.id.metric));
        out.number(correction.id.window_ms);
        out.signed(correction.step);
        out.signed(correction.corrected);
        out.number(correction.generation);
    }
}

fn encode_heads(out: &mut Packer, ask: &Ask) {
    out.array(ask.heads.len() * HEAD);
    for head in &ask.heads {
        out.text(&head.id.0.to_string());
        out.text(&head.tenant.to_string());
        out.number(place(&Tier::ALL, &head.tier));
        out.number(u64::from(head.weight));
        encode_charge(out, &head.charge);
        encode_charge(out, &head.behind);
    }
}

/// `None`: this is not an answer of the script.
pub(crate) fn decode(bytes: &[u8]) -> Option<Answer> {
    let mut from = Unpacker::new(bytes);
    if from.array()? != 12 {
        return None;
    }
    let epoch = Epoch(whole(from.number()?));
    let now_us = whole(from.number()?);
    let learning_us = whole(from.number()?);
    let wake = from.number()?;
    let in_flight = small(from.number()?);
    let share_ppm = small(from.number()?);
    let instances = small(from.number()?);
    let version = whole(from.number()?);
    let text = from.text()?.map(str::to_owned);
    let grants = decode_grants(&mut from)?;
    let count = from.array()?;
    let levels: Option<Vec<Level>> = (0..count).map(|_| decode_level(&mut from)).collect();
    let count = from.array()?;
    let wakes: Option<Vec<InstanceId>> = (0..count).map(|_| decode_instance(&mut from)).collect();
    Some(Answer {
        epoch,
        now_us,
        learning_us,
        grants,
        wake_us: (wake >= 0.0).then(|| whole(wake)),
        levels: levels?,
        in_flight,
        share_ppm,
        instances,
        wakes: wakes?,
        knowledge: text.map(|text| Knowledge { version, text }),
    })
}

fn decode_grants(from: &mut Unpacker<'_>) -> Option<Vec<Grant>> {
    let count = from.array()?;
    let grant = |_| {
        let used = from.array()?.checked_sub(1)?;
        let id = TicketId(from.text()??.parse().ok()?);
        let used: Option<Vec<u64>> = (0..used).map(|_| Some(whole(from.number()?))).collect();
        Some(Grant { id, used: used? })
    };
    (0..count).map(grant).collect()
}

fn decode_level(from: &mut Unpacker<'_>) -> Option<Level> {
    if from.array()? != 9 {
        return None;
    }
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
    u64::from_str_radix(from.text()??, 16).ok().map(InstanceId)
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
