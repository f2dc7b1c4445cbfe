//! What each tenant had.

use serde::Serialize;

use super::{Waits, waits};
use crate::scenario::Scenario;
use crate::sender::Fate;
use crate::world::{Call, Outcome};

/// What one tenant had.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TenantShare {
    /// Its name: the workload's, with a number where that has several tenants.
    pub tenant: String,
    /// Its weight.
    pub weight: u32,
    /// Requests that arrived.
    pub requests: u64,
    /// Requests that were served.
    pub served: u64,
    /// Tokens that the provider charged for it.
    pub tokens: u64,
    /// Its part of the tokens of all tenants.
    pub share: f64,
    /// Its waits.
    pub wait: Waits,
}

pub(super) fn shares(scenario: &Scenario, outcome: &Outcome) -> Vec<TenantShare> {
    let count: u32 = scenario
        .workload
        .iter()
        .map(|stream| stream.tenants.max(1))
        .sum();
    let mut calls: Vec<Vec<&Call>> = vec![Vec::new(); count as usize];
    for call in &outcome.calls {
        if let Some(mine) = calls.get_mut(call.tenant as usize) {
            mine.push(call);
        }
    }
    let total: u64 = outcome.calls.iter().map(|call| call.charge.tokens).sum();
    let names = scenario.workload.iter().flat_map(|stream| {
        (1..=stream.tenants.max(1)).map(move |number| {
            let name = match stream.tenants {
                0 | 1 => stream.tenant.clone(),
                _ => format!("{}-{number}", stream.tenant),
            };
            (name, stream.weight)
        })
    });
    let share = |((tenant, weight), calls): ((String, u32), &Vec<&Call>)| {
        let served = || calls.iter().filter(|call| call.fate == Some(Fate::Served));
        let tokens: u64 = calls.iter().map(|call| call.charge.tokens).sum();
        let waits_ns: Vec<u64> = served()
            .map(|call| call.sent_ns.saturating_sub(call.arrived_ns))
            .collect();
        TenantShare {
            tenant,
            weight,
            requests: calls.len() as u64,
            served: served().count() as u64,
            tokens,
            share: tokens as f64 / total.max(1) as f64,
            wait: waits(&waits_ns),
        }
    };
    names.zip(&calls).map(share).collect()
}
