//! The way of spans and histograms to the collector: a bounded queue and two tasks.
//!
//! Calls never wait for any of it. What the queue has no room for is dropped and counted.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderValue;
use paceline_config as config;
use paceline_telemetry::Metrics;
use paceline_telemetry::otlp::{
    Histograms, Resource, Sampler, Span, TraceContext, encode_spans, rejected,
};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::collector::Collector;
use super::metrics::INSTRUMENTS;
use crate::post::PostError;

/// Calls whose spans wait to be sent.
const QUEUE_CALLS_MAX: usize = 4_096;

/// Calls whose spans are sent together.
const BATCH_CALLS_MAX: usize = 256;

/// How long a call may wait for others to be sent with.
const BATCH_TIME_MAX: Duration = Duration::from_secs(1);

/// How often a batch is tried, with pauses that double from one second on.
const TRIES_MAX: u32 = 5;

/// The longest pause that a collector may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What all calls share on their way to the collector.
#[derive(Debug)]
pub(crate) struct Telemetry {
    pub(super) settings: config::Telemetry,
    pub(super) histograms: Arc<Histograms>,
    sampler: Sampler,
    metrics: Arc<Metrics>,
    queue: mpsc::Sender<Vec<Span>>,
    closing: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Telemetry {
    /// Starts what sends; `None` when nothing is to be sent.
    pub(crate) fn start(
        settings: Option<&config::Telemetry>,
        metrics: &Arc<Metrics>,
        control: &Handle,
    ) -> Option<Arc<Self>> {
        let settings = settings.filter(|settings| settings.traces || settings.metrics)?;
        let collector = || {
            let made = Collector::new(settings);
            made.inspect_err(|error| tracing::error!(error, "no telemetry is sent"))
                .ok()
        };
        let (queue, calls) = mpsc::channel(QUEUE_CALLS_MAX);
        let (closing, closes) = watch::channel(false);
        let histograms = Arc::new(Histograms::new(&INSTRUMENTS));
        let exporter = |collector| Exporter {
            collector,
            resource: resource(settings),
            metrics: Arc::clone(metrics),
            closes: closes.clone(),
            failing: false,
        };
        let mut tasks = Vec::new();
        if settings.traces {
            let exporter = exporter(collector()?);
            tasks.push(control.spawn(exporter.send_spans(calls)));
        }
        if settings.metrics {
            let exporter = exporter(collector()?);
            let (histograms, interval) = (Arc::clone(&histograms), settings.metrics_interval);
            tasks.push(control.spawn(exporter.send_metrics(histograms, interval)));
        }
        tracing::info!(collector = %settings.endpoint, "telemetry is sent");
        Some(Arc::new(Self {
            sampler: Sampler::new(settings.sample),
            settings: settings.clone(),
            histograms,
            metrics: Arc::clone(metrics),
            queue,
            closing,
            tasks: Mutex::new(tasks),
        }))
    }

    /// Where a call with this `traceparent` stands; `None` when there are no traces.
    pub(super) fn context(&self, traceparent: Option<&HeaderValue>) -> Option<TraceContext> {
        if !self.settings.traces {
            return None;
        }
        let mut random = [0; 24];
        // Without randomness there are no ids that nobody else has.
        getrandom::fill(&mut random).ok()?;
        let traceparent = traceparent.map(HeaderValue::as_bytes);
        Some(TraceContext::begin(traceparent, random, self.sampler))
    }

    /// Queues the spans of a call, or drops and counts them.
    pub(super) fn send(&self, spans: Vec<Span>) {
        let result = self.queue.try_send(spans);
        if let Err(
            mpsc::error::TrySendError::Full(spans) | mpsc::error::TrySendError::Closed(spans),
        ) = result
        {
            count(&self.metrics, "queue_full", spans.len() as u64);
        }
    }

    /// Sends what is left, for at most `patience`.
    pub(crate) async fn close(&self, patience: Duration) {
        self.closing.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock());
        let end = Instant::now() + patience;
        for mut task in tasks {
            if timeout_at(end, &mut task).await.is_err() {
                task.abort();
                tracing::warn!("the collector did not take the last telemetry in time");
            }
        }
    }
}

fn resource(settings: &config::Telemetry) -> Resource {
    let instance = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
    Resource {
        name: settings.service_name.clone(),
        version: env!("CARGO_PKG_VERSION"),
        instance: format!("{instance:016x}"),
    }
}

fn count(metrics: &Metrics, result: &str, spans: u64) {
    metrics.telemetry_spans.of(&[result]).inc_by(spans);
}

/// One task's way to the collector.
struct Exporter {
    collector: Collector,
    resource: Resource,
    metrics: Arc<Metrics>,
    closes: watch::Receiver<bool>,
    /// Whether the last try failed, so that trouble is one line in the log and its end another.
    failing: bool,
}

impl Exporter {
    async fn send_spans(mut self, mut calls: mpsc::Receiver<Vec<Span>>) {
        let mut batch = Vec::with_capacity(BATCH_CALLS_MAX);
        loop {
            if self.closing() {
                calls.close();
            }
            let mut closes = self.closes.clone();
            tokio::select! {
                received = calls.recv_many(&mut batch, BATCH_CALLS_MAX) => {
                    if received == 0 {
                        return;
                    }
                }
                _ = closes.wait_for(|closing| *closing), if !calls.is_closed() => continue,
            }
            self.gather(&mut calls, &mut batch).await;
            let spans: Vec<Span> = batch.drain(..).flatten().collect();
            self.deliver(&spans).await;
        }
    }

    /// Waits for more calls to send with those that are there.
    async fn gather(&self, calls: &mut mpsc::Receiver<Vec<Span>>, batch: &mut Vec<Vec<Span>>) {
        let end = Instant::now() + BATCH_TIME_MAX;
        while batch.len() < BATCH_CALLS_MAX && !calls.is_closed() {
            let room = BATCH_CALLS_MAX - batch.len();
            let mut closes = self.closes.clone();
            tokio::select! {
                more = timeout_at(end, calls.recv_many(batch, room)) => {
                    if more.is_err() {
                        return;
                    }
                }
                _ = closes.wait_for(|closing| *closing) => return,
            }
        }
    }

    /// Sends a batch, again where that may help, and counts what became of its spans.
    async fn deliver(&mut self, spans: &[Span]) {
        let amount = spans.len() as u64;
        let body = match encode_spans(&self.resource, spans) {
            Ok(body) => Bytes::from(body),
            Err(error) => {
                tracing::error!(%error, "spans cannot be encoded");
                return count(&self.metrics, "failed", amount);
            }
        };
        for tried in 1..=TRIES_MAX {
            match self.post("traces", body.clone()).await {
                Ok(answer) => {
                    let rejected = rejected(&answer).min(amount);
                    count(&self.metrics, "rejected", rejected);
                    return count(&self.metrics, "sent", amount - rejected);
                }
                Err(PostError::Refused(_)) => break,
                Err(error) => {
                    let asked = match error {
                        PostError::Busy { pause, .. } => pause,
                        _ => None,
                    };
                    let doubled = Duration::from_secs(1 << (tried - 1));
                    let pause = asked.unwrap_or(doubled).min(PAUSE_MAX);
                    if tried == TRIES_MAX || self.closing() {
                        break;
                    }
                    self.pause(pause).await;
                }
            }
        }
        count(&self.metrics, "failed", amount);
    }

    async fn send_metrics(mut self, histograms: Arc<Histograms>, interval: Duration) {
        let start = SystemTime::now();
        loop {
            self.pause(interval).await;
            let last = self.closing();
            match histograms.encode(&self.resource, (start, SystemTime::now())) {
                // Counts are since the start, so that the next one makes up for one that failed.
                Ok(Some(body)) => drop(self.post("metrics", Bytes::from(body)).await),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "metrics cannot be encoded"),
            }
            if last {
                return;
            }
        }
    }

    async fn post(&mut self, signal: &'static str, body: Bytes) -> Result<Bytes, PostError> {
        let posted = self.collector.post(&format!("/v1/{signal}"), body).await;
        let result = if posted.is_ok() { "ok" } else { "failed" };
        let exports = &self.metrics.telemetry_exports;
        exports.of(&[signal, result]).inc();
        match (&posted, self.failing) {
            (Err(error), false) => {
                tracing::warn!(signal, %error, "the collector does not take telemetry");
            }
            (Ok(_), true) => tracing::info!(signal, "the collector takes telemetry again"),
            _ => {}
        }
        self.failing = posted.is_err();
        posted
    }

    fn closing(&self) -> bool {
        *self.closes.borrow()
    }

    /// Waits for `length`, or until the gateway closes.
    async fn pause(&mut self, length: Duration) {
        let closes = self.closes.wait_for(|closing| *closing);
        // An error means that whoever could close is gone.
        drop(timeout(length, closes).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paceline_telemetry::otlp::{Attributes, SpanId, SpanKind, TraceId};

    const CALLS: usize = 10_000;

    fn span() -> Span {
        let now = SystemTime::now();
        Span {
            trace: TraceId([1; 16]),
            id: SpanId(1),
            parent: None,
            name: "chat".into(),
            kind: SpanKind::Client,
            start: now,
            end: now,
            attributes: Attributes::default(),
            failed: false,
        }
    }

    #[tokio::test]
    async fn what_the_queue_has_no_room_for_is_dropped_and_counted() {
        // Connections are accepted by the system, and nobody ever answers.
        let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = silent.local_addr().unwrap();
        let settings = config::Telemetry {
            endpoint: format!("http://{address}").parse().unwrap(),
            headers: Vec::new(),
            service_name: "test".to_owned(),
            traces: true,
            metrics: false,
            metrics_interval: Duration::from_secs(60),
            sample: 1.0,
            tags: false,
        };
        let metrics = Arc::new(Metrics::default());
        let telemetry = Telemetry::start(Some(&settings), &metrics, &Handle::current()).unwrap();
        for _ in 0..CALLS {
            telemetry.send(vec![span(), span()]);
        }
        let dropped = metrics.telemetry_spans.of(&["queue_full"]).get();
        // No await so far, so that nothing can have been taken from the queue.
        assert_eq!(dropped, 2 * (CALLS - QUEUE_CALLS_MAX) as u64);
        telemetry.close(Duration::from_millis(10)).await;
        telemetry.send(vec![span()]);
        assert_eq!(
            metrics.telemetry_spans.of(&["queue_full"]).get(),
            dropped + 1,
            "what comes after the end is dropped as well"
        );
    }
}
