//! What stands beside the message of an error: Google's details, Anthropic's details, OpenRouter's
//! metadata.

use super::NAME_BYTES_MAX;
use super::envelope::{ErrorObject, scalar};
use super::message::{DAY, HOUR, MINUTE, SECOND};
use crate::duration::parse_duration;
use crate::instant::parse_instant;
use crate::json::{JsonResult, Kind, Skimmer};
use crate::metric::LimitMetric;
use std::time::{Duration, SystemTime};

/// Bytes of a text inside metadata that are kept.
const RAW_BYTES_MAX: usize = 512;

/// What was found there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Details {
    /// Google's `status` (`RESOURCE_EXHAUSTED`).
    pub(super) status: Option<String>,
    /// Google's `reason` of an `ErrorInfo`, or Anthropic's `error_code`.
    pub(super) reason: Option<String>,
    /// Google's `RetryInfo`.
    pub(super) retry_delay: Option<Duration>,
    /// The violated quota with the longest window.
    pub(super) quota: Option<Quota>,
    /// What a provider behind a router said.
    pub(super) upstream: Option<String>,
    /// Why a router's moderation refused.
    pub(super) is_moderated: bool,
    /// `x-ratelimit-limit` inside the metadata.
    pub(super) limit: Option<u64>,
    /// `x-ratelimit-reset` inside the metadata, where it is a moment.
    pub(super) reset_at: Option<SystemTime>,
}

/// A violation of a quota as Google tells it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) id: String,
    pub(super) metric: Option<LimitMetric>,
    pub(super) window: Option<Duration>,
    pub(super) limit: Option<u64>,
    pub(super) model: Option<String>,
}

impl ErrorObject {
    /// `details`: a list of typed objects (Google) or one object (Anthropic).
    pub(super) fn details(&mut self, json: &mut Skimmer<'_>) -> JsonResult {
        match json.peek()? {
            Kind::Array => json.array(|inner| self.details(inner)),
            Kind::Object => json.object(|inner, key| match &*key.name() {
                b"violations" => self.violations(inner),
                b"retryDelay" => {
                    let text = scalar(inner, NAME_BYTES_MAX)?;
                    self.details.retry_delay = text.and_then(|text| parse_duration(&text));
                    Ok(())
                }
                b"reason" | b"error_code" => {
                    let reason = scalar(inner, NAME_BYTES_MAX)?;
                    self.details.reason = reason.or(self.details.reason.take());
                    Ok(())
                }
                _ => inner.skip_unchecked().map(drop),
            }),
            _ => json.skip_unchecked().map(drop),
        }
    }

    fn violations(&mut self, json: &mut Skimmer<'_>) -> JsonResult {
        if json.peek()? != Kind::Array {
            return json.skip_unchecked().map(drop);
        }
        json.array(|inner| {
            if inner.peek()? != Kind::Object {
                return inner.skip_unchecked().map(drop);
            }
            let quota = Quota::read(inner)?;
            // Of several limits the one that is there longest decides when to come back.
            let binds = match &self.details.quota {
                None => true,
                Some(known) => quota.window > known.window,
            };
            if binds {
                self.details.quota = Some(quota);
            }
            Ok(())
        })
    }

    /// OpenRouter's `metadata`.
    pub(super) fn metadata(&mut self, json: &mut Skimmer<'_>) -> JsonResult {
        if json.peek()? != Kind::Object {
            return json.skip_unchecked().map(drop);
        }
        json.object(|inner, key| match &*key.name() {
            b"headers" => self.metadata_headers(inner),
            b"raw" => {
                let raw = scalar(inner, RAW_BYTES_MAX)?;
                self.details.upstream = Some(raw.unwrap_or_default());
                Ok(())
            }
            b"reasons" | b"flagged_input" => {
                self.details.is_moderated = true;
                inner.skip_unchecked().map(drop)
            }
            _ => inner.skip_unchecked().map(drop),
        })
    }

    fn metadata_headers(&mut self, json: &mut Skimmer<'_>) -> JsonResult {
        if json.peek()? != Kind::Object {
            return json.skip_unchecked().map(drop);
        }
        json.object(|inner, key| {
            let value = scalar(inner, NAME_BYTES_MAX)?.unwrap_or_default();
            match &*key.name().to_ascii_lowercase() {
                b"x-ratelimit-limit" => self.details.limit = value.trim().parse().ok(),
                b"x-ratelimit-reset" => self.details.reset_at = parse_instant(&value),
                _ => {}
            }
            Ok(())
        })
    }
}

impl Quota {
    fn read(json: &mut Skimmer<'_>) -> JsonResult<Self> {
        let mut quota = Self::default();
        json.object(|inner, key| match &*key.name() {
            b"quotaId" => {
                quota.id = scalar(inner, NAME_BYTES_MAX)?.unwrap_or_default();
                quota.window = window_of_id(&quota.id);
                Ok(())
            }
            b"quotaMetric" => {
                let name = scalar(inner, NAME_BYTES_MAX)?;
                quota.metric = name.and_then(|name| metric_of_name(&name));
                Ok(())
            }
            b"quotaValue" => {
                let value = scalar(inner, NAME_BYTES_MAX)?;
                quota.limit = value.and_then(|value| value.parse().ok());
                Ok(())
            }
            b"quotaDimensions" if inner.peek()? == Kind::Object => inner.object(|inner, key| {
                let value = scalar(inner, NAME_BYTES_MAX)?;
                if &*key.name() == b"model" {
                    quota.model = value;
                }
                Ok(())
            }),
            _ => inner.skip_unchecked().map(drop),
        })?;
        Ok(quota)
    }
}

/// `GenerateRequestsPerDayPerProjectPerModel-FreeTier`: nothing else tells a day from a minute.
fn window_of_id(id: &str) -> Option<Duration> {
    let windows = [
        ("PerSecond", SECOND),
        ("PerMinute", MINUTE),
        ("PerHour", HOUR),
        ("PerDay", DAY),
    ];
    let mut windows = windows.into_iter();
    windows
        .find(|(name, _)| id.contains(name))
        .map(|(_, window)| window)
}

/// `generativelanguage.googleapis.com/generate_content_free_tier_input_token_count`.
fn metric_of_name(name: &str) -> Option<LimitMetric> {
    let name = name.rsplit('/').next()?.to_ascii_lowercase();
    let metrics = [
        ("input_token", LimitMetric::InputTokens),
        ("output_token", LimitMetric::OutputTokens),
        ("token", LimitMetric::Tokens),
        ("image", LimitMetric::Images),
        ("request", LimitMetric::Requests),
    ];
    let mut metrics = metrics.into_iter();
    metrics
        .find(|(part, _)| name.contains(part))
        .map(|(_, metric)| metric)
}
