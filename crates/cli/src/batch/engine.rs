//! What a batch is sent through: a running gateway, or one in this process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use paceline_batch::Target;
use paceline_config::{KeyUse, Secret, Settings};
use paceline_gateway::Gateway;
use paceline_telemetry::Metrics;
use url::Url;

use super::arguments::RunArgs;
use crate::admin;
use crate::exit::{self, Failure};
use crate::serve::{failure, store};

/// The longest that a line may wait for a turn in this process: as long as the configuration can say.
const PATIENCE: Duration = Duration::from_secs(7 * 86_400);

/// Where lines go, and whom to ask about limits.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) target: Target,
    /// The admin plane; `None` where there is no token for it.
    pub(super) admin: Option<admin::Gateway>,
    own: Option<Gateway>,
}

impl Engine {
    /// The gateway at `via`, or one of this process with the settings' limits, store, budgets and
    /// ledger.
    pub(super) fn start(
        args: &RunArgs,
        via: Option<&Url>,
        settings: Settings,
    ) -> Result<Self, Failure> {
        match via {
            Some(address) => Self::via(args, address, &settings),
            None => Self::own(args, settings),
        }
    }

    fn via(args: &RunArgs, address: &Url, settings: &Settings) -> Result<Self, Failure> {
        let key = args.key.as_ref().or(settings.upstream.api_key.as_ref());
        let admin = admin_of(address, settings).and_then(Result::ok);
        Ok(Self {
            target: target(args, address.clone(), key)?,
            admin,
            own: None,
        })
    }

    fn own(args: &RunArgs, mut settings: Settings) -> Result<Self, Failure> {
        // The key goes with each line, so that nobody else can use it through the port.
        let configured = settings.upstream.api_key.take();
        let key = args.key.clone().or(configured);
        if key.is_none() && settings.upstream.base_url.host_str() == Some("api.openai.com") {
            let message = "there is no key to send: set OPENAI_API_KEY, give --key, or name a gateway that \
                           has one with --via";
            return Err(Failure::new(exit::CONFIGURATION, message));
        }
        settings.upstream.api_key_use = KeyUse::Replace;
        settings.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        settings.admin.listen = None;
        settings.admin.enabled = true;
        settings.queue.max_wait = PATIENCE;
        let token = one_time_token()?;
        let connect = settings.store.as_ref().map(store::connect);
        let is_shared = settings.store.is_some();
        let folder = settings.admin.state_dir.display().to_string();
        let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
        let gateway = Gateway::start_for_own_use(settings, metrics, token.clone(), connect)
            .map_err(|error| failure(&error))?;
        if gateway.has_neighbour() && !is_shared && !args.alone {
            gateway.stop();
            return Err(beside_another(&folder));
        }
        let address = gateway.address();
        let base_url = Url::parse(&format!("http://{address}/v1"))
            .map_err(|error| Failure::other(format!("http://{address}/v1: {error}")))?;
        Ok(Self {
            target: target(args, base_url, key.as_ref())?,
            admin: Some(admin::Gateway::at(address, token)),
            own: Some(gateway),
        })
    }

    /// Lets a gateway of this process settle and write down what it knows.
    pub(super) fn stop(self) {
        if let Some(gateway) = self.own {
            gateway.stop();
        }
    }
}

/// The admin plane of the gateway at an address; `None` where that is not spoken to in the clear.
pub(super) fn admin_of(
    address: &Url,
    settings: &Settings,
) -> Option<Result<admin::Gateway, Failure>> {
    let host = address.host_str().unwrap_or_default();
    let port = address.port_or_known_default().unwrap_or(80);
    let authority = format!("http://{host}:{port}");
    (address.scheme() == "http").then(|| admin::Gateway::find_at(Some(&authority), settings))
}

fn beside_another(folder: &str) -> Failure {
    let message = format!(
        "another paceline works with the state folder {folder}: together they would pass the quota \
         that each of them counts for itself. Send through it with --via http://127.0.0.1:4100/v1 \
         (or wherever it listens), share the quota with --redis in both, or run beside it with --alone \
         if it uses another quota"
    );
    Failure::new(exit::CONFIGURATION, message)
}

fn target(args: &RunArgs, base_url: Url, key: Option<&Secret>) -> Result<Target, Failure> {
    let caller = &args.caller;
    let mut headers = HeaderMap::new();
    let mut insert = |name: HeaderName, option: &str, text: &str| {
        let value = HeaderValue::from_str(text);
        let value = value.map_err(|_| {
            Failure::other(format!(
                "{option} holds characters that no header can carry"
            ))
        })?;
        headers.insert(name, value);
        Ok::<_, Failure>(())
    };
    let own = HeaderName::from_static;
    insert(
        own("x-paceline-priority"),
        "--priority",
        caller.priority.name(),
    )?;
    for (name, option, text) in [
        ("x-paceline-tenant", "--tenant", &caller.tenant),
        ("x-paceline-session", "--session", &caller.session),
        ("x-paceline-tags", "--tags", &caller.tags),
    ] {
        if let Some(text) = text {
            insert(own(name), option, text)?;
        }
    }
    if let Some(key) = key {
        insert(
            AUTHORIZATION,
            "the key",
            &format!("Bearer {}", key.expose()),
        )?;
    }
    if let Some(value) = headers.get_mut(AUTHORIZATION) {
        value.set_sensitive(true);
    }
    Ok(Target {
        base_url,
        headers,
        ca_file: None,
    })
}

fn one_time_token() -> Result<Secret, Failure> {
    let random =
        || getrandom::u64().map_err(|error| Failure::other(format!("no random bytes: {error}")));
    Ok(Secret::new(format!("{:016x}{:016x}", random()?, random()?)))
}
