//! Which settings of the configuration a simulation knows, and what they are.

use std::fmt::Write as _;
use std::time::Duration;

use paceline_admin_api::{
    PresetSetting, SettingsPreset, SimulatedGateway, SimulatedKind, SimulatedMetric,
    SimulationRequest,
};
use paceline_config::{
    DomainRule, PresetSettings, Settings, Tier, about_setting, parse_duration, presets,
};

/// The configuration's own defaults.
const SHARES_PERCENT: [u32; 3] = [50, 25, 5];

/// Keys of the configuration that a simulation knows, as far as a preset may set them.
const OF_PRESETS: [&str; 5] = [
    "retry.retries_max",
    "retry.stabilisation",
    "queue.max_wait",
    "queue.waiting_max",
    "queue.waiting_per_tenant_max",
];

/// The presets, with what a simulation knows of them.
pub(super) fn all_presets() -> Vec<SettingsPreset> {
    let told = |preset: PresetSettings| SettingsPreset {
        name: preset.name.to_owned(),
        about: preset.about.to_owned(),
        settings: preset
            .settings
            .into_iter()
            .map(|(key, value)| PresetSetting {
                about: about_setting(&key).unwrap_or_default(),
                simulated: OF_PRESETS.contains(&&*key),
                key,
                value,
            })
            .collect(),
        toml: format!("preset = \"{}\"\n", preset.name),
    };
    presets().into_iter().map(told).collect()
}

/// The guaranteed shares of interactive, standard and batch requests.
pub(super) fn shares_percent(gateway: &SimulatedGateway) -> [u32; 3] {
    let [interactive, standard, batch] = SHARES_PERCENT;
    [
        gateway.interactive_percent.unwrap_or(interactive),
        gateway.standard_percent.unwrap_or(standard),
        gateway.batch_percent.unwrap_or(batch),
    ]
}

/// Fills in what the preset says where nothing else was asked for.
pub(super) fn with_preset(gateway: &SimulatedGateway) -> SimulatedGateway {
    let mut filled = gateway.clone();
    let named = |preset: &PresetSettings| Some(preset.name) == gateway.preset.as_deref();
    let Some(preset) = presets().into_iter().find(named) else {
        return filled;
    };
    let text = |key: &str| {
        let found = preset.settings.iter().find(|(known, _)| known == key)?;
        Some(found.1.trim_matches('"'))
    };
    let seconds = |key| Some(parse_duration(text(key)?)?.as_secs());
    let number = |key| text(key)?.parse::<u64>().ok();
    let retries = number("retry.retries_max").and_then(|count| u32::try_from(count).ok());
    filled.retries_max = filled.retries_max.or(retries);
    let stabilisation_s = filled.stabilisation_s;
    filled.stabilisation_s = stabilisation_s.or_else(|| seconds("retry.stabilisation"));
    filled.max_wait_s = filled.max_wait_s.or_else(|| seconds("queue.max_wait"));
    filled.waiting_max = filled.waiting_max.or_else(|| number("queue.waiting_max"));
    let per_tenant = filled.waiting_per_tenant_max;
    filled.waiting_per_tenant_max = per_tenant.or_else(|| number("queue.waiting_per_tenant_max"));
    filled
}

/// The settings in force, as a simulated gateway has them. Headroom is off the limits already.
pub(super) fn in_force(settings: &Settings, rule: &DomainRule) -> SimulatedGateway {
    let queue = &settings.queue;
    let percent = |tier| Some(percent(queue.tiers.of(tier).guaranteed_share));
    SimulatedGateway {
        preset: None,
        knows_limits: !rule.limits.is_empty(),
        headroom_percent: 0,
        guard_ms: whole_ms(rule.guard),
        concurrency: rule.concurrency_max,
        spacing_ms: whole_ms(rule.spacing),
        penalty_tokens: rule.penalty_tokens,
        probe_concurrency: rule.probe_concurrency,
        retries_max: Some(settings.retry.retries_max),
        stabilisation_s: Some(settings.retry.stabilisation.as_secs()),
        max_wait_s: Some(queue.max_wait.as_secs()),
        waiting_max: Some(queue.waiting_max as u64),
        waiting_per_tenant_max: Some(queue.waiting_per_tenant_max as u64),
        interactive_percent: percent(Tier::Interactive),
        standard_percent: percent(Tier::Standard),
        batch_percent: percent(Tier::Batch),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to lie between 0 and 1"
)]
fn percent(share: f64) -> u32 {
    (share * 100.0).round() as u32
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What the configuration file would say, by section: keys and values.
fn entries(gateway: &SimulatedGateway) -> Vec<(&'static str, &'static str, String)> {
    let mut all = Vec::new();
    let defaults = SimulatedGateway::default();
    let mut put = |section, key, value: Option<String>| {
        all.extend(value.map(|value| (section, key, value)));
    };
    let changed = |is: bool, value: String| is.then_some(value);
    let headroom = f64::from(gateway.headroom_percent) / 100.0;
    put(
        "limits",
        "headroom",
        changed(gateway.headroom_percent > 0, format!("{headroom}")),
    );
    let ms = |value: u64| format!("\"{value}ms\"");
    let seconds = |value: u64| format!("\"{value}s\"");
    let is_other = gateway.guard_ms != defaults.guard_ms;
    put("limits", "guard", changed(is_other, ms(gateway.guard_ms)));
    let concurrency = gateway.concurrency.map(|count| count.to_string());
    put("limits", "concurrency", concurrency);
    let is_other = gateway.spacing_ms != defaults.spacing_ms;
    put(
        "limits",
        "spacing",
        changed(is_other, ms(gateway.spacing_ms)),
    );
    let is_other = gateway.penalty_tokens != defaults.penalty_tokens;
    let penalty = gateway.penalty_tokens.to_string();
    put("limits", "penalty_tokens", changed(is_other, penalty));
    let is_other = gateway.probe_concurrency != defaults.probe_concurrency;
    let probe = gateway.probe_concurrency.to_string();
    put("limits", "probe_concurrency", changed(is_other, probe));
    let retries = gateway.retries_max.map(|count| count.to_string());
    put("retry", "retries_max", retries);
    let stabilisation = gateway.stabilisation_s.map(seconds);
    put("retry", "stabilisation", stabilisation);
    put("queue", "max_wait", gateway.max_wait_s.map(seconds));
    let waiting = gateway.waiting_max.map(|count| count.to_string());
    put("queue", "waiting_max", waiting);
    let waiting = gateway
        .waiting_per_tenant_max
        .map(|count| count.to_string());
    put("queue", "waiting_per_tenant_max", waiting);
    for (section, percent) in [
        ("queue.tiers.interactive", gateway.interactive_percent),
        ("queue.tiers.standard", gateway.standard_percent),
        ("queue.tiers.batch", gateway.batch_percent),
    ] {
        let share = percent.map(|percent| format!("{}", f64::from(percent) / 100.0));
        put(section, "guaranteed_share", share);
    }
    all
}

/// The settings that a simulation knows, with what they are here.
pub(super) fn listed(gateway: &SimulatedGateway) -> Vec<PresetSetting> {
    let told = |(section, key, value): (&str, &str, String)| {
        let key = format!("{section}.{key}");
        PresetSetting {
            about: about_setting(&key).unwrap_or_default(),
            key,
            value,
            simulated: true,
        }
    };
    entries(gateway).into_iter().map(told).collect()
}

/// What was asked for, as the configuration file would have it.
pub(super) fn toml(request: &SimulationRequest) -> String {
    let gateway = &request.gateway;
    let mut text = String::new();
    if let Some(preset) = &gateway.preset {
        // Nothing fails that writes to a string.
        let _ = writeln!(text, "preset = \"{preset}\"");
    }
    let mut all = Vec::new();
    if gateway.knows_limits {
        all.extend(limits(request));
    }
    all.extend(entries(gateway));
    let mut open = "";
    for (section, key, value) in all {
        if section != open {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}[{section}]");
            open = section;
        }
        let _ = writeln!(text, "{key} = {value}");
    }
    text
}

/// The limits as the file would name them. One kind of window holds for all of them there: it is the
/// first one's.
fn limits(request: &SimulationRequest) -> Vec<(&'static str, &'static str, String)> {
    let mut custom = Vec::new();
    let mut found = Vec::new();
    for quota in &request.quota {
        let (metric, [second, minute, hour, day]) = match quota.metric {
            SimulatedMetric::Requests => (
                "requests",
                [
                    "requests_per_second",
                    "requests_per_minute",
                    "requests_per_hour",
                    "requests_per_day",
                ],
            ),
            SimulatedMetric::Tokens => (
                "tokens",
                [
                    "tokens_per_second",
                    "tokens_per_minute",
                    "tokens_per_hour",
                    "tokens_per_day",
                ],
            ),
        };
        let amount = quota.amount;
        let key = match quota.window_s {
            1 => Some(second),
            60 => Some(minute),
            3_600 => Some(hour),
            86_400 => Some(day),
            _ => None,
        };
        match key {
            Some(key) => found.push(("limits", key, amount.to_string())),
            None => custom.push(format!(
                "{{ metric = \"{metric}\", amount = {amount}, period = \"{}s\" }}",
                quota.window_s
            )),
        }
    }
    if !custom.is_empty() {
        found.push(("limits", "custom", format!("[{}]", custom.join(", "))));
    }
    if let Some(first) = request.quota.first() {
        let window = match first.kind {
            SimulatedKind::Bucket => "bucket",
            SimulatedKind::Fixed => "fixed",
            SimulatedKind::FixedFromFirstUse => "fixed_from_first_use",
            SimulatedKind::Sliding => "sliding",
            SimulatedKind::Quantised => "quantised",
        };
        found.push(("limits", "window", format!("\"{window}\"")));
        if let (SimulatedKind::Bucket, Some(burst)) = (first.kind, first.burst) {
            found.push(("limits", "burst", burst.to_string()));
        }
        if let (SimulatedKind::Quantised, Some(quantum)) = (first.kind, first.quantum_ms) {
            found.push(("limits", "quantum", format!("\"{quantum}ms\"")));
        }
    }
    found
}
