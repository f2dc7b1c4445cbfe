//! `[alerts]`: who is told of alerts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::Secret;
use crate::checker::Checker;
use crate::secret::RawSecret;

const WEBHOOK: &str = "alerts.webhook";
const SECRET: &str = "alerts.webhook_secret";

/// Secrets that are shorter can be guessed.
const SECRET_BYTES_MIN: usize = 16;

/// Where alerts are posted to.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The address. It may hold a key: it is not to be shown but for its host.
    pub url: Secret,
    /// Under which the messages are signed; `None`: they are not.
    pub secret: Option<Secret>,
}

/// Alerts are in the log, in metrics and in `/monitoring/alerts`; they can be posted somewhere as well.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawAlerts {
    /// Address that each alert is posted to as JSON. Left out: none is.
    #[schemars(extend("examples" = [{ "env": "ALERT_WEBHOOK" }]))]
    webhook: Option<RawSecret>,
    /// Secret under which messages are signed, 16 bytes at least. Left out: they are not signed.
    #[schemars(extend("examples" = [{ "env": "ALERT_SECRET" }]))]
    webhook_secret: Option<RawSecret>,
}

impl RawAlerts {
    pub(crate) fn check(self, checker: &mut Checker<'_>) -> Option<Webhook> {
        let secret = self
            .webhook_secret
            .and_then(|secret| secret.check(SECRET, checker));
        let is_short = |secret: &Secret| secret.expose().len() < SECRET_BYTES_MIN;
        if secret.as_ref().is_some_and(is_short) {
            let what = format!("must be at least {SECRET_BYTES_MIN} bytes long");
            checker.problem(SECRET, what, "the value is not shown here");
        }
        let Some(webhook) = self.webhook else {
            if secret.is_some() {
                checker.notice(SECRET, "has no effect without alerts.webhook");
            }
            return None;
        };
        let url = webhook.fetch(WEBHOOK, checker)?;
        let parsed = Url::parse(url.expose()).ok();
        let is_usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        if !parsed.as_ref().is_some_and(is_usable) {
            let what = "must be an address that begins with http:// or https://";
            checker.problem(WEBHOOK, what, "the value is not shown here");
            return None;
        }
        Some(Webhook { url, secret })
    }
}
