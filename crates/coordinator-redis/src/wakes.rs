//! Listening for room: one more connection, that comes back by itself.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use paceline_coordinator::Wakes;
use redis::RedisResult;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{interval, sleep, timeout};

use crate::servers::{PATIENCE, Servers};

/// How often it is made sure that the server is there.
const PULSE: Duration = Duration::from_secs(5);

const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_LAST: Duration = Duration::from_secs(1);

/// Names of domains, as they come.
pub(crate) struct Told(UnboundedReceiver<String>);

impl Wakes for Told {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<String>> + Send + '_>> {
        Box::pin(self.0.recv())
    }
}

type Subscription = (PubSubSink, PubSubStream);

/// Listens until nobody wants to hear any more.
pub(crate) async fn listen(servers: Servers, channel: String) -> Result<Told, String> {
    let subscription = subscribe(&servers, &channel, 0).await?;
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(stay(servers, channel, subscription, sender));
    Ok(Told(receiver))
}

async fn subscribe(
    servers: &Servers,
    channel: &str,
    attempt: usize,
) -> Result<Subscription, String> {
    let subscribed = async {
        let client = servers.one(attempt).await?;
        let mut listener = client.get_async_pubsub().await?;
        listener.subscribe(channel).await?;
        RedisResult::Ok(listener.split())
    };
    match timeout(PATIENCE, subscribed).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

async fn stay(
    servers: Servers,
    channel: String,
    mut subscription: Subscription,
    sender: UnboundedSender<String>,
) {
    let mut attempt = 0;
    loop {
        pass_on(&mut subscription, &sender).await;
        let mut pause = PAUSE_FIRST;
        subscription = loop {
            if sender.is_closed() {
                return;
            }
            match subscribe(&servers, &channel, attempt).await {
                Ok(subscription) => break subscription,
                Err(reason) => tracing::debug!(reason, "nobody tells of room"),
            }
            attempt += 1;
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_LAST);
        };
        // Something may have been said meanwhile.
        if sender.send(String::new()).is_err() {
            return;
        }
    }
}

/// Passes on what is said until the connection is lost or nobody wants to know.
async fn pass_on((sink, stream): &mut Subscription, sender: &UnboundedSender<String>) {
    let mut pulse = interval(PULSE);
    pulse.tick().await;
    loop {
        tokio::select! {
            message = stream.next() => {
                let Some(message) = message else { return };
                let Ok(domain) = message.get_payload::<String>() else { continue };
                if sender.send(domain).is_err() {
                    return;
                }
            }
            _ = pulse.tick() => {
                let pong = timeout(PATIENCE, sink.ping::<redis::Value>()).await;
                if !matches!(pong, Ok(Ok(_))) {
                    return;
                }
            }
            () = sender.closed() => return,
        }
    }
}
