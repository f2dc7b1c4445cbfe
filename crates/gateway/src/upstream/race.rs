//! The first of several addresses that answers (RFC 8305, "happy eyeballs").

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long an address is tried alone before the next one is tried beside it; the value that
/// RFC 8305 recommends.
const HEAD_START: Duration = Duration::from_millis(250);

/// Tries addresses one after the other, each with a head start on the next, until one answers.
///
/// # Errors
/// When none does: which failed and why.
pub(super) async fn first_of<T, F>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, String>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut untried = alternating(addresses).into_iter();
    let mut failures: Vec<String> = Vec::new();
    let mut tries = JoinSet::new();
    loop {
        if let Some(address) = untried.next() {
            let attempt = connect(address);
            tries.spawn(async move { attempt.await.map_err(|error| (address, error)) });
        }
        let next = tries.join_next();
        let finished = match untried.len() {
            0 => next.await,
            _ => match timeout(HEAD_START, next).await {
                Ok(finished) => finished,
                Err(_) => continue,
            },
        };
        match finished {
            Some(Ok(Ok(connected))) => return Ok(connected),
            Some(Ok(Err((address, error)))) => failures.push(format!("{address}: {error}")),
            Some(Err(error)) => failures.push(error.to_string()),
            None if untried.len() == 0 => {
                let none = failures
                    .is_empty()
                    .then(|| "there is no address".to_owned());
                return Err(none.unwrap_or_else(|| failures.join("; ")));
            }
            None => {}
        }
    }
}

/// The two families in turn, beginning with that of the first address.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (own, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == first_is_v4);
    let mut other = other.into_iter();
    let mut ordered = Vec::new();
    for address in own {
        ordered.push(address);
        ordered.extend(other.next());
    }
    ordered.extend(other);
    ordered
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// Port 1 never answers, port 2 refuses at once, and others answer after so many milliseconds.
    async fn pretend(address: SocketAddr) -> io::Result<SocketAddr> {
        match address.port() {
            1 => std::future::pending().await,
            2 => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
            delay => {
                sleep(Duration::from_millis(u64::from(delay))).await;
                Ok(address)
            }
        }
    }

    #[test]
    fn families_take_turns() {
        let ordered = alternating(addresses(&[
            "[2001:db8::1]:1",
            "[2001:db8::2]:1",
            "192.0.2.1:1",
            "[2001:db8::3]:1",
        ]));
        let expected = addresses(&[
            "[2001:db8::1]:1",
            "192.0.2.1:1",
            "[2001:db8::2]:1",
            "[2001:db8::3]:1",
        ]);
        assert_eq!(ordered, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_is_silent_costs_no_more_than_its_head_start() {
        let began = Instant::now();
        let found = first_of(addresses(&["[2001:db8::1]:1", "192.0.2.1:10"]), pretend).await;
        assert_eq!(found.unwrap(), "192.0.2.1:10".parse().unwrap());
        assert_eq!(began.elapsed(), Duration::from_millis(260));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_refuses_costs_nothing() {
        let began = Instant::now();
        let found = first_of(addresses(&["[2001:db8::1]:2", "192.0.2.1:10"]), pretend).await;
        assert_eq!(found.unwrap(), "192.0.2.1:10".parse().unwrap());
        assert_eq!(began.elapsed(), Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_slow_may_still_win() {
        let found = first_of(addresses(&["192.0.2.1:300", "192.0.2.2:200"]), pretend).await;
        assert_eq!(found.unwrap(), "192.0.2.1:300".parse().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_fail_each_says_why() {
        let found = first_of(addresses(&["192.0.2.1:2", "192.0.2.2:2"]), pretend).await;
        let reasons = found.unwrap_err();
        assert!(
            reasons.contains("192.0.2.1:2: ") && reasons.contains("192.0.2.2:2: "),
            "{reasons}"
        );
        let none = first_of(Vec::new(), pretend).await;
        assert_eq!(none.unwrap_err(), "there is no address");
    }
}
