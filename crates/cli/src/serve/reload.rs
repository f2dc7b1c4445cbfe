//! SIGHUP: the configuration is read again, and what is sound in it takes effect.

use paceline_config::{Secret, Settings, Store, Telemetry, Webhook};
use paceline_gateway::Gateway;

use crate::load::{SettingsArgs, environment};

/// Reads the configuration again from where it was read at the start.
#[derive(Debug)]
pub(super) struct Reloader {
    args: SettingsArgs,
    /// What the process was started with; some of it stays as long as it runs.
    started: Settings,
}

impl Reloader {
    pub(super) fn new(args: SettingsArgs, started: Settings) -> Self {
        Self { args, started }
    }

    /// Puts the settings in force that the file holds now, or logs why they are not.
    pub(super) fn reload(&self, gateway: &Gateway) {
        let loaded = match self.args.load(environment()) {
            Ok(loaded) => loaded,
            Err(problems) => {
                for problem in problems.iter() {
                    tracing::error!("{problem}");
                }
                let count = problems.len();
                tracing::error!(
                    count,
                    "configuration not reloaded; the old settings stay in force"
                );
                return;
            }
        };
        for notice in &loaded.notices {
            tracing::warn!("{notice}");
        }
        let settings = loaded.settings;
        let fixed = changed(&self.started, &settings);
        if let Err(error) = gateway.reload(settings) {
            tracing::error!(%error, "configuration not reloaded; the old settings stay in force");
            return;
        }
        if !fixed.is_empty() {
            let keys = fixed.join(", ");
            tracing::warn!(
                keys,
                "changed in the configuration, but only a restart applies it"
            );
        }
        match &self.args.config {
            Some(file) => tracing::info!(file = %file.display(), "configuration reloaded"),
            None => tracing::info!("configuration reloaded; there is no file (--config)"),
        }
    }
}

/// The settings that differ and that a running process cannot change.
fn changed(started: &Settings, now: &Settings) -> Vec<&'static str> {
    let token = |settings: &Settings| {
        let token = settings.admin.token.as_ref();
        token.map(Secret::expose).map(str::to_owned)
    };
    let database = |settings: &Settings| {
        let database = settings.ledger.database.as_ref();
        database.map(Secret::expose).map(str::to_owned)
    };
    let same = [
        ("server.listen", started.server.listen == now.server.listen),
        (
            "server.threads",
            started.server.threads == now.server.threads,
        ),
        ("admin.enabled", started.admin.enabled == now.admin.enabled),
        ("admin.listen", started.admin.listen == now.admin.listen),
        (
            "admin.state_dir",
            started.admin.state_dir == now.admin.state_dir,
        ),
        ("admin.token", token(started) == token(now)),
        ("log.format", started.log.format == now.log.format),
        ("log.level", started.log.level == now.log.level),
        (
            "telemetry",
            same_telemetry(started.telemetry.as_ref(), now.telemetry.as_ref()),
        ),
        (
            "ledger.enabled",
            started.ledger.enabled == now.ledger.enabled,
        ),
        ("ledger.database", database(started) == database(now)),
        ("batches", same_batches(started, now)),
    ];
    let store = same_store(started.store.as_ref(), now.store.as_ref());
    let webhook = same_webhook(started.webhook.as_ref(), now.webhook.as_ref());
    let all = same.into_iter().chain(store).chain(webhook);
    all.filter(|(_, same)| !same).map(|(key, _)| key).collect()
}

/// What is asked beforehand is answered by the present settings; the rest stays as it was.
fn same_batches(started: &Settings, now: &Settings) -> bool {
    let mut started = started.batches.clone();
    started.preflight_within = now.batches.preflight_within;
    started == now.batches
}

/// Whether each setting of the store is the same; without an address the others do not matter.
fn same_store(started: Option<&Store>, now: Option<&Store>) -> [(&'static str, bool); 6] {
    let url = |store: Option<&Store>| store.map(|store| store.url.expose().to_owned());
    let both = started.zip(now);
    let same = |same: fn(&Store, &Store) -> bool| both.is_none_or(|(a, b)| same(a, b));
    [
        ("store.url", url(started) == url(now)),
        ("store.prefix", same(|a, b| a.prefix == b.prefix)),
        ("store.time_box", same(|a, b| a.time_box == b.time_box)),
        ("store.lease", same(|a, b| a.lease == b.lease)),
        ("store.ca_file", same(|a, b| a.ca_file == b.ca_file)),
        (
            "store.first_share",
            same(|a, b| a.first_share_ppm == b.first_share_ppm),
        ),
    ]
}

/// Whether alerts go to the same address, signed under the same secret.
fn same_webhook(started: Option<&Webhook>, now: Option<&Webhook>) -> [(&'static str, bool); 2] {
    let url = |webhook: Option<&Webhook>| webhook.map(|webhook| webhook.url.expose().to_owned());
    let secret = |webhook: Option<&Webhook>| {
        let secret = webhook.and_then(|webhook| webhook.secret.as_ref());
        secret.map(|secret| secret.expose().to_owned())
    };
    [
        ("alerts.webhook", url(started) == url(now)),
        ("alerts.webhook_secret", secret(started) == secret(now)),
    ]
}

/// Whether the collector and what it is sent are the same.
fn same_telemetry(started: Option<&Telemetry>, now: Option<&Telemetry>) -> bool {
    let told = |telemetry: &Telemetry| {
        let headers = telemetry.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.clone(), value.expose().to_owned()))
            .collect();
        let named = (telemetry.endpoint.clone(), telemetry.service_name.clone());
        let switches = (telemetry.traces, telemetry.metrics, telemetry.tags);
        let rates = (telemetry.metrics_interval, telemetry.sample.to_bits());
        (headers, named, switches, rates)
    };
    started.map(told) == now.map(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use paceline_config::{SourceFile, Sources};

    fn settings(toml: &str) -> Settings {
        let env = [("HOME".to_owned(), "/home/ada".to_owned())].into();
        let file = Some(SourceFile {
            name: "paceline.toml".into(),
            content: toml.as_bytes().to_vec(),
        });
        let overrides = paceline_config::Overrides::default();
        let sources = Sources {
            file,
            env: &env,
            overrides,
        };
        Settings::load(sources).unwrap().settings
    }

    #[test]
    fn only_what_a_running_process_cannot_change_needs_a_restart() {
        let started = settings("");
        assert_eq!(changed(&started, &started), [""; 0]);
        let limits = settings("[limits]\ntokens_per_minute = 1000\n[queue]\nmax_wait = \"1m\"\n");
        assert_eq!(changed(&started, &limits), [""; 0]);
        let fixed = settings(
            "[server]\nlisten = \"127.0.0.1:1\"\nthreads = 3\n\
             [admin]\nenabled = false\nlisten = \"127.0.0.1:2\"\nstate_dir = \"/x\"\n\
             token = \"0123456789abcdef\"\n[log]\nlevel = \"warn\"\nformat = \"json\"\n\
             [telemetry]\notlp_endpoint = \"http://127.0.0.1:4318\"\n",
        );
        // Files and batches are in the state folder, where nothing else is said.
        assert_eq!(changed(&started, &fixed).len(), 10);
    }

    #[test]
    fn the_ledger_and_the_webhook_stay_those_of_the_start() {
        let started = settings("[ledger]\ndatabase = \"postgres://u:a@h/d\"\n");
        let other = "[ledger]\ndatabase = \"postgres://u:b@h/d\"\nrecords_days = 9\n";
        assert_eq!(changed(&started, &settings(other)), ["ledger.database"]);
        let off = "[ledger]\nenabled = false\n";
        assert_eq!(
            changed(&started, &settings(off)),
            ["ledger.enabled", "ledger.database"]
        );
        let told = |secret: &str| {
            let webhook = "[alerts]\nwebhook = \"https://h/a\"\nwebhook_secret = ";
            settings(&format!("{webhook}\"0123456789abcde{secret}\"\n"))
        };
        assert_eq!(
            changed(&settings(""), &told("f")),
            ["alerts.webhook", "alerts.webhook_secret"]
        );
        assert_eq!(changed(&told("f"), &told("0")), ["alerts.webhook_secret"]);
        assert_eq!(changed(&told("f"), &told("f")), [""; 0]);
    }

    #[test]
    fn the_store_stays_the_one_of_the_start() {
        let alone = settings("[store]\nprefix = \"a:\"\n");
        let shared = settings("[store]\nurl = \"redis://:a@h\"\n");
        assert_eq!(changed(&alone, &settings("")), [""; 0]);
        assert_eq!(changed(&alone, &shared), ["store.url"]);
        assert_eq!(changed(&shared, &alone), ["store.url"]);
        let away = "[store]\nurl = \"redis://:a@h\"\n[limits]\nwhen_store_is_away = \"open\"\n";
        assert_eq!(changed(&shared, &settings(away)), [""; 0]);
        let other = settings(
            "[store]\nurl = \"redis://:b@h\"\nprefix = \"a:\"\ntime_box = \"1s\"\n\
             lease = \"1m\"\nca_file = \"a.pem\"\nfirst_share = 0.5\n",
        );
        assert_eq!(
            changed(&shared, &other),
            [
                "store.url",
                "store.prefix",
                "store.time_box",
                "store.lease",
                "store.ca_file",
                "store.first_share"
            ]
        );
    }
}
