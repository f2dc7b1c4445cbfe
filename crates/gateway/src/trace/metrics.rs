//! Histograms of calls, as OpenTelemetry's conventions for generative AI name them.

use std::borrow::Cow;
use std::sync::Arc;

use paceline_telemetry::otlp::{Instrument, Labels};

use super::describe::{clip, error, operation, provider};
use super::{Active, End};
use crate::exchange::Exchange;

const DURATION: usize = 0;
const TOKENS: usize = 1;
const FIRST_TOKEN: usize = 2;
const QUEUE_WAIT: usize = 3;

/// The bounds that the conventions advise for durations, in seconds.
const SECONDS: &[f64] = &[
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];

/// What is measured; bounds as the conventions advise where they do.
pub(super) static INSTRUMENTS: [Instrument; 4] = [
    Instrument {
        name: "gen_ai.client.operation.duration",
        unit: "s",
        description: "Time from the arrival of a call to the end of its answer, the wait included",
        bounds: SECONDS,
    },
    Instrument {
        name: "gen_ai.client.token.usage",
        unit: "{token}",
        description: "Tokens that the provider reported as used by a call",
        bounds: &[
            1.0,
            4.0,
            16.0,
            64.0,
            256.0,
            1_024.0,
            4_096.0,
            16_384.0,
            65_536.0,
            262_144.0,
            1_048_576.0,
            4_194_304.0,
            16_777_216.0,
            67_108_864.0,
        ],
    },
    Instrument {
        name: "gen_ai.server.time_to_first_token",
        unit: "s",
        description: "Time from the arrival of a call to the first piece of its stream",
        bounds: &[
            0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5,
            10.0,
        ],
    },
    Instrument {
        name: "paceline.queue.wait",
        unit: "s",
        description: "Time that a call waited for its turn",
        bounds: &[
            0.001, 0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0,
        ],
    },
];

/// Counts a call that has ended; calls that ask no model for anything are not counted.
pub(super) fn observe(exchange: &Exchange, active: &Active, end: &End) {
    let kind = exchange.endpoint.kind;
    let Some(operation) = operation(kind) else {
        return;
    };
    let labels = Labels {
        fixed: vec![
            ("gen_ai.operation.name", Cow::Borrowed(operation)),
            (
                "gen_ai.provider.name",
                Cow::Borrowed(provider(kind, &end.server)),
            ),
            ("server.address", Cow::Owned(end.server.address.clone())),
        ],
        chosen: exchange.model.as_ref().map(|model| {
            let clipped = clip(model);
            let model = match clipped.len() == model.len() {
                true => Arc::clone(model),
                false => Arc::from(clipped),
            };
            ("gen_ai.request.model", model)
        }),
    };
    let with = |name: &'static str, text: Cow<'static, str>| {
        let mut labels = labels.clone();
        labels.fixed.push((name, text));
        labels
    };
    let histograms = &active.telemetry.histograms;
    if let Some(usage) = &exchange.usage {
        let both = [
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
        ];
        for (word, tokens) in both.into_iter().filter(|(_, tokens)| *tokens > 0) {
            let labels = with("gen_ai.token.type", Cow::Borrowed(word));
            histograms.observe(TOKENS, labels, whole(tokens));
        }
    }
    let since_arrival = |moment: std::time::Instant| {
        let lasted = moment.saturating_duration_since(exchange.received);
        lasted.as_secs_f64()
    };
    if let Some(first) = active.first_piece {
        histograms.observe(FIRST_TOKEN, labels.clone(), since_arrival(first));
    }
    if exchange.pool.is_some() {
        let tier = Cow::Borrowed(exchange.caller.tier.name());
        let waited = exchange.waited.as_secs_f64();
        histograms.observe(QUEUE_WAIT, with("paceline.priority", tier), waited);
    }
    let labels = match error(exchange, end.ending) {
        Some(error) => with("error.type", error),
        None => labels,
    };
    histograms.observe(DURATION, labels, since_arrival(end.at));
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53 tokens in one call"
)]
fn whole(tokens: u64) -> f64 {
    tokens as f64
}
