//! Alerts for somebody else's program: posted one by one, signed, and tried again.

use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, Mac};
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use paceline_admin_api::BudgetAlert;
use paceline_config::Secret;
use paceline_telemetry::Metrics;
use sha2::Sha256;
use tokio::sync::mpsc;
use url::Url;

use crate::clock::unix_seconds_now;
use crate::post::{PostError, Poster};
use crate::upstream::public_target;

/// Alerts that wait to be posted; there are few, and more are dropped and counted.
const QUEUE_MAX: usize = 1_000;

/// Times that one is tried: the last about a quarter of an hour after the first.
const TRIES: u32 = 11;

/// The first pause between two; it doubles.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// The signature: `sha256=` and the hexadecimal HMAC of the time, a dot and the body.
const SIGNATURE: HeaderName = HeaderName::from_static("x-paceline-signature");
/// Seconds since 1970, part of what is signed.
const TIMESTAMP: HeaderName = HeaderName::from_static("x-paceline-timestamp");

/// The way to the webhook.
#[derive(Clone, Debug)]
pub(super) struct Webhook {
    queue: mpsc::Sender<BudgetAlert>,
}

impl Webhook {
    /// Starts to post on the present runtime.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub(super) fn start(
        settings: &paceline_config::Webhook,
        metrics: std::sync::Arc<Metrics>,
    ) -> Result<Self, String> {
        let unusable = || "alerts.webhook is no usable address".to_owned();
        let url = Url::parse(settings.url.expose()).map_err(|_| unusable())?;
        let target = public_target(&url).map_err(|_| unusable())?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("paceline-alerts"));
        let poster = Poster::new(target, headers);
        let query = url.query().map(|query| format!("?{query}"));
        let (queue, alerts) = mpsc::channel(QUEUE_MAX);
        let post = Post {
            poster,
            query: query.unwrap_or_default(),
            secret: settings.secret.clone(),
            metrics,
        };
        tokio::spawn(post.run(alerts));
        Ok(Self { queue })
    }

    /// Hands an alert over; whether there was room.
    pub(super) fn tell(&self, alert: BudgetAlert) -> bool {
        self.queue.try_send(alert).is_ok()
    }
}

struct Post {
    poster: Poster,
    query: String,
    secret: Option<Secret>,
    metrics: std::sync::Arc<Metrics>,
}

impl Post {
    async fn run(mut self, mut alerts: mpsc::Receiver<BudgetAlert>) {
        while let Some(alert) = alerts.recv().await {
            let result = self.post(&alert).await;
            self.metrics.alert_webhooks.of(&[result]).inc();
        }
    }

    /// Posts one until it is taken or there were enough tries.
    async fn post(&mut self, alert: &BudgetAlert) -> &'static str {
        let Ok(body) = serde_json::to_vec(alert) else {
            return "failed";
        };
        let body = Bytes::from(body);
        let mut pause = PAUSE_MIN;
        for attempt in 1..=TRIES {
            let signed = self.signed(&body);
            let posted = self.poster.post(&self.query, &signed, body.clone()).await;
            let Err(error) = posted else {
                return "taken";
            };
            let asked = match &error {
                PostError::Busy { pause, .. } => *pause,
                _ => None,
            };
            tracing::warn!(alert = alert.number, attempt, %error, "the webhook did not take an alert");
            if matches!(error, PostError::Refused(400..=499)) {
                return "refused";
            }
            if attempt < TRIES {
                tokio::time::sleep(asked.map_or(pause, |asked| asked.clamp(pause, pause * 4)))
                    .await;
                pause *= 2;
            }
        }
        "failed"
    }

    fn signed(&self, body: &[u8]) -> Vec<(HeaderName, HeaderValue)> {
        let seconds = unix_seconds_now();
        let mut headers = vec![(TIMESTAMP, HeaderValue::from(seconds))];
        let Some(secret) = &self.secret else {
            return headers;
        };
        let signature = signature(secret.expose().as_bytes(), seconds, body);
        if let Ok(value) = HeaderValue::from_str(&signature) {
            headers.push((SIGNATURE, value));
        }
        headers
    }
}

/// What proves that a message is ours: HMAC-SHA256 under the shared secret.
fn signature(secret: &[u8], seconds: u64, body: &[u8]) -> String {
    // A key of any length makes an HMAC.
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return String::new();
    };
    hmac.update(seconds.to_string().as_bytes());
    hmac.update(b".");
    hmac.update(body);
    format!("sha256={:x}", hmac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_time_and_the_body() {
        // printf '7.{}' | openssl dgst -sha256 -hmac 0123456789abcdef
        let expected = "sha256=3cd0ad802237a2c96b7ee3b06705b7350cc8cf0ba4123033d13eda91ad9c4ec2";
        assert_eq!(signature(b"0123456789abcdef", 7, b"{}"), expected);
    }
}
