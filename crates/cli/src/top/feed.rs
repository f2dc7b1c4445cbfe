//! The gateway's feed of events, listened to for ever.

use std::time::Duration;

use paceline_admin_api::Now;
use tokio::time::{Instant, sleep, timeout};

use super::picture::News;
use crate::admin::Gateway;
use crate::exit::Failure;

/// The gateway sends something each 15 s at the latest; after twice that the connection is dead.
const SILENCE: Duration = Duration::from_secs(32);

const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// The longest event that is read.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// Tells each event, and each time the connection is lost; connects again by itself.
pub(super) async fn follow(gateway: &Gateway, tell: impl Fn(News)) {
    let mut retry = RETRY_FIRST;
    loop {
        let began = Instant::now();
        let lost = match listen(gateway, &tell).await {
            Ok(()) => "the gateway ended the connection".to_owned(),
            Err(failure) => failure.message().to_owned(),
        };
        tell(News::Lost(lost));
        if began.elapsed() > RETRY_MAX {
            retry = RETRY_FIRST;
        }
        sleep(retry).await;
        retry = (retry * 2).min(RETRY_MAX);
    }
}

/// Listens until the connection ends.
async fn listen(gateway: &Gateway, tell: &impl Fn(News)) -> Result<(), Failure> {
    let broken = |why: &dyn std::fmt::Display| Failure::other(format!("connection lost: {why}"));
    let mut answer = gateway.within(gateway.listen("/monitoring/events")).await?;
    let mut events = Events::default();
    loop {
        let next = timeout(SILENCE, answer.next()).await;
        let next = next.map_err(|_| broken(&"nothing came for 32 s"))?;
        let Some(bytes) = next.map_err(|error| broken(&error))? else {
            return Ok(());
        };
        for event in events.push(&bytes) {
            if event.name == "now" {
                let now: Now = serde_json::from_str(&event.data).map_err(|error| broken(&error))?;
                tell(News::Now(now));
            }
        }
        if events.held() > EVENT_BYTES_MAX {
            return Err(broken(&"an event without end"));
        }
    }
}

/// A server-sent event.
#[derive(Debug, PartialEq, Eq)]
struct Event {
    name: String,
    data: String,
}

/// Cuts a stream of bytes into events, as the HTML standard (9.2.6) says. Comments fall away.
#[derive(Debug, Default)]
struct Events {
    /// A line whose end is to come.
    line: Vec<u8>,
    name: String,
    data: String,
    /// The byte before was a carriage return, which a line feed may follow.
    after_return: bool,
}

impl Events {
    /// The events that end in these bytes.
    fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            let follows_return = std::mem::take(&mut self.after_return);
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    events.extend(self.end_line());
                }
                byte => self.line.push(byte),
            }
        }
        events
    }

    /// Bytes of what has not ended.
    fn held(&self) -> usize {
        self.line.len() + self.data.len()
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let data = std::mem::take(&mut self.data);
            return (!data.is_empty()).then_some(Event { name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_their_bytes_come() {
        let text = ": hi\n\nevent: now\nid: 1\ndata: {\"a\":\ndata:1}\n\nevent: x\r\ndata: ü\r\n\r\ndata: half";
        let expected = [("now", "{\"a\":\n1}"), ("x", "ü")].map(|(name, data)| Event {
            name: name.to_owned(),
            data: data.to_owned(),
        });
        for size in 1..=text.len() {
            let mut events = Events::default();
            let pieces = text.as_bytes().chunks(size);
            let told: Vec<Event> = pieces.flat_map(|piece| events.push(piece)).collect();
            assert_eq!(told, expected, "in pieces of {size}");
        }
    }
}
