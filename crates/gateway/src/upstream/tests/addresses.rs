//! Names, and where they lead.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use parking_lot::Mutex;

use super::super::resolve::{Lookup, Resolve};
use super::server::{Server, Speaks};
use super::{ask, failure, settings};
use crate::upstream::Upstream;

/// A name server whose answer can be changed.
#[derive(Debug)]
struct Directory(Mutex<Vec<IpAddr>>);

impl Directory {
    fn of(addresses: &[&str]) -> Arc<Self> {
        let directory = Self(Mutex::default());
        directory.set(addresses);
        Arc::new(directory)
    }

    fn set(&self, addresses: &[&str]) {
        *self.0.lock() = addresses.iter().map(|text| text.parse().unwrap()).collect();
    }
}

impl Resolve for Directory {
    fn resolve<'a>(&'a self, _: &'a str) -> Lookup<'a> {
        let found = self.0.lock().clone();
        Box::pin(async move { Ok(found) })
    }
}

/// A name server that does not answer.
#[derive(Debug)]
struct Silent;

impl Resolve for Silent {
    fn resolve<'a>(&'a self, _: &'a str) -> Lookup<'a> {
        Box::pin(std::future::pending::<io::Result<Vec<IpAddr>>>())
    }
}

fn upstream(base_url: &str, keys: &str, directory: Arc<dyn Resolve>) -> Result<Arc<Upstream>> {
    let mut upstream = Upstream::new(&settings(base_url, keys)?)?;
    upstream.set_resolver(directory);
    Ok(Arc::new(upstream))
}

#[tokio::test]
async fn a_change_of_address_is_followed_when_a_connection_has_lived_long_enough() -> Result<()> {
    let old = Server::start(Speaks::http1()).await?;
    let port = old.address.port();
    let new = Server::start_at(format!("127.0.0.2:{port}").parse()?, Speaks::http1()).await?;
    let base_url = format!("http://localhost:{port}/v1");
    for (lifetime, reached_old, reached_new) in [("10m", 2, 0), ("0s", 3, 1)] {
        let directory = Directory::of(&["127.0.0.1"]);
        let mut settings = settings(&base_url, "")?;
        settings.connection_lifetime = match lifetime {
            "0s" => Duration::ZERO,
            _ => settings.connection_lifetime,
        };
        let mut upstream = Upstream::new(&settings)?;
        upstream.set_resolver(directory.clone());
        let upstream = Arc::new(upstream);
        ask(&upstream, "/echo", "first").await?;
        directory.set(&["127.0.0.2"]);
        ask(&upstream, "/echo", "second").await?;
        assert_eq!(old.requests().len(), reached_old, "{lifetime}");
        assert_eq!(new.requests().len(), reached_new, "{lifetime}");
    }
    Ok(())
}

#[tokio::test]
async fn all_addresses_of_a_name_are_tried() -> Result<()> {
    let server = Server::start(Speaks::http1()).await?;
    let base_url = format!("http://localhost:{}/v1", server.address.port());
    let directory = Directory::of(&["::1", "127.0.0.3", "127.0.0.1"]);
    let reached = upstream(&base_url, "", directory.clone())?;
    assert_eq!(ask(&reached, "/echo", "hello").await?, "hello");
    directory.set(&["::1", "127.0.0.3"]);
    let told = failure(&upstream(&base_url, "", directory)?, "/echo").await;
    assert!(
        told.contains("connecting to localhost") && told.contains("127.0.0.3:"),
        "{told}"
    );
    Ok(())
}

#[tokio::test]
async fn a_public_name_must_not_lead_into_a_private_network() -> Result<()> {
    let server = Server::start(Speaks::http1()).await?;
    let base_url = format!("http://api.provider.test:{}/v1", server.address.port());
    for address in [
        "127.0.0.1",
        "169.254.169.254",
        "10.0.0.1",
        "100.64.0.1",
        "::1",
        "fd00::1",
        "::ffff:127.0.0.1",
    ] {
        let told = failure(
            &upstream(&base_url, "", Directory::of(&[address]))?,
            "/echo",
        )
        .await;
        let lead = format!("api.provider.test leads to {address}, which is ");
        assert!(
            told.contains(&lead) && told.contains("private_addresses"),
            "{told}"
        );
    }
    assert_eq!(server.connections(), 0);
    let meant = "private_addresses = true";
    let meant = upstream(&base_url, meant, Directory::of(&["127.0.0.1"]))?;
    assert_eq!(ask(&meant, "/echo", "hello").await?, "hello");
    Ok(())
}

#[tokio::test]
async fn of_public_and_private_addresses_only_the_public_ones_are_tried() -> Result<()> {
    let server = Server::start(Speaks::http1()).await?;
    let base_url = format!("http://api.provider.test:{}/v1", server.address.port());
    // The second is reserved for documentation (RFC 5737), so nobody answers there.
    let directory = Directory::of(&["127.0.0.1", "192.0.2.1"]);
    let keys = "connect_timeout = \"50ms\"";
    let told = failure(&upstream(&base_url, keys, directory)?, "/echo").await;
    assert!(!told.contains("127.0.0.1"), "{told}");
    assert_eq!(server.connections(), 0);
    Ok(())
}

#[tokio::test]
async fn a_name_server_that_is_silent_or_knows_nothing_is_named_as_the_cause() -> Result<()> {
    let base_url = "http://api.provider.test/v1";
    let keys = "resolve_timeout = \"20ms\"";
    let told = failure(&upstream(base_url, keys, Arc::new(Silent))?, "/echo").await;
    assert!(
        told.ends_with("looking up api.provider.test took longer than 0.02 s (resolve_timeout)"),
        "{told}"
    );
    let told = failure(&upstream(base_url, "", Directory::of(&[]))?, "/echo").await;
    assert!(
        told.ends_with("looking up api.provider.test failed: it has no address"),
        "{told}"
    );
    Ok(())
}
