//! Whether a gateway answers although its store cannot be reached.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use paceline_config::{Secret, Store, WhenStoreIsAway};
use tokio::net::TcpSocket;

use super::caller::{Caller, KEY, request_of};
use super::check::{Check, Name, Verdict, fine, in_ms};
use super::load::provider;
use super::stage::{Plan, Stage};
use super::store::NO_STORE;

const NAME: Name = Name {
    key: "store_away",
    title: "the store away",
};

/// How long the first answer may take.
const FIRST_MAX: Duration = Duration::from_secs(1);

const LIMITS: &str = "window = \"bucket\"\n\
                      tokens_per_minute = 100_000\n\
                      requests_per_minute = 1_000\n";

pub(super) async fn check(stage: &Stage, when_away: WhenStoreIsAway) -> Check {
    let Some(store) = stage.store() else {
        return Check::skipped(NAME, NO_STORE);
    };
    if when_away == WhenStoreIsAway::Closed {
        return Check::skipped(NAME, "when_store_is_away = \"closed\"");
    }
    match measure(stage, store, when_away).await {
        Ok(took) => judged(took),
        Err(why) => Check::failed(NAME, &why, "this machine was too busy: run it again"),
    }
}

fn judged(took: Duration) -> Check {
    Check::new(
        NAME,
        Verdict::pass_if(took < FIRST_MAX),
        format!("first answer in {}", fine(took)),
    )
    .bound("1.0 s")
    .value("first_answer_ms", in_ms(took))
    .remedy("set a shorter store.time_box")
}

async fn measure(
    stage: &Stage,
    store: &Store,
    when_away: WhenStoreIsAway,
) -> Result<Duration, String> {
    let simulator = provider(Vec::new(), Duration::ZERO).await?;
    // Bound and not listened on: nobody else gets the port, and connections are refused.
    let (_held, nobody) = refusing().map_err(|error| error.to_string())?;
    let gone = Store {
        url: Secret::new(format!("redis://{nobody}")),
        ca_file: None,
        ..store.clone()
    };
    let plan = Plan {
        base_url: simulator.base_url(),
        limits: LIMITS.to_owned(),
        pool: "away",
        store: Some(gone),
        when_away,
    };
    let (address, _) = stage.gateway(plan).await?;
    let began = Instant::now();
    let mut caller = Caller::connect(address, Some(KEY)).await?;
    caller.time(request_of(100)).await?;
    Ok(began.elapsed())
}

/// An address that refuses connections for as long as the socket is held.
fn refusing() -> std::io::Result<(TcpSocket, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_address_of_a_store_that_is_away_refuses() {
        let (_held, address) = refusing().unwrap();
        let refused = tokio::net::TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn an_answer_that_comes_late_fails() {
        assert_eq!(judged(Duration::from_millis(9)).verdict, Verdict::Pass);
        assert_eq!(judged(Duration::from_secs(2)).verdict, Verdict::Fail);
    }
}
