//! TLS: who is trusted, who the gateway is, and which version of HTTP is agreed on.

use anyhow::Result;
use paceline_testkit::redis::Certificates;

use super::server::{Server, Speaks};
use super::{ask, failure, secure, settings, upstream};
use crate::upstream::Upstream;

/// The key that trusts the authority of these certificates.
fn trusting(certificates: &Certificates, key: &str) -> String {
    format!("{key} = {:?}\n", certificates.authority())
}

#[tokio::test]
async fn authorities_are_trusted_in_place_of_the_built_in_ones_or_beside_them() -> Result<()> {
    let certificates = Certificates::make()?;
    let server = Server::start(Speaks::tls(&certificates, &["http/1.1"], false)?).await?;
    for key in ["ca_file", "ca_extra_file"] {
        let upstream = upstream(&secure(server.address), &trusting(&certificates, key))?;
        assert_eq!(ask(&upstream, "/echo", "hello").await?, "hello", "{key}");
    }
    let told = failure(&upstream(&secure(server.address), "")?, "/echo").await;
    assert!(
        told.contains("TLS with localhost:") && told.contains("certificate"),
        "{told}"
    );
    Ok(())
}

#[tokio::test]
async fn a_provider_that_asks_for_a_certificate_gets_the_own_one() -> Result<()> {
    let certificates = Certificates::make()?;
    let server = Server::start(Speaks::tls(&certificates, &["h2", "http/1.1"], true)?).await?;
    let trusted = trusting(&certificates, "ca_file");
    let own = format!(
        "client_certificate_file = {:?}\nclient_key_file = {:?}\n",
        certificates.certificate(),
        certificates.key()
    );
    for version in ["1.1", "2"] {
        let keys = format!("{trusted}{own}http_version = \"{version}\"");
        let upstream = upstream(&secure(server.address), &keys)?;
        assert_eq!(
            ask(&upstream, "/echo", "hello").await?,
            "hello",
            "{version}"
        );
    }
    let without = upstream(&secure(server.address), &trusted)?;
    assert!(ask(&without, "/echo", "hello").await.is_err());
    Ok(())
}

#[test]
fn files_that_cannot_be_used_are_named() -> Result<()> {
    let certificates = Certificates::make()?;
    let certificate = format!("{:?}", certificates.certificate());
    let key = format!("{:?}", certificates.key());
    for (keys, named) in [
        (
            "ca_file = \"/nowhere.pem\"".to_owned(),
            "ca_file /nowhere.pem",
        ),
        (format!("ca_extra_file = {key}"), "ca_extra_file"),
        (
            format!("client_certificate_file = {certificate}"),
            "client_key_file",
        ),
        (
            format!("client_certificate_file = {key}\nclient_key_file = {key}"),
            "client_certificate_file",
        ),
    ] {
        let settings = settings("https://localhost/v1", &keys)?;
        let error = Upstream::new(&settings).unwrap_err().to_string();
        assert!(error.contains(named), "{keys}: {error}");
    }
    Ok(())
}

#[tokio::test]
async fn auto_takes_what_the_provider_prefers_and_2_insists() -> Result<()> {
    let certificates = Certificates::make()?;
    let trusted = trusting(&certificates, "ca_file");
    for (offered, wanted, spoken) in [
        (&["h2", "http/1.1"][..], "auto", Some("2")),
        (&["http/1.1"], "auto", Some("1.1")),
        (&[], "auto", Some("1.1")),
        (&["h2", "http/1.1"], "1.1", Some("1.1")),
        (&["h2"], "2", Some("2")),
        (&[], "2", None),
    ] {
        let server = Server::start(Speaks::tls(&certificates, offered, false)?).await?;
        let keys = format!("{trusted}http_version = \"{wanted}\"");
        let upstream = upstream(&secure(server.address), &keys)?;
        let Some(spoken) = spoken else {
            let told = failure(&upstream, "/echo").await;
            assert!(told.contains("does not speak HTTP/2"), "{told}");
            continue;
        };
        for _ in 0..2 {
            assert_eq!(ask(&upstream, "/echo", "hello").await?, "hello");
        }
        let seen = server.requests();
        assert!(
            seen.iter().all(|seen| seen.starts_with(spoken)),
            "{offered:?} {wanted}: {seen:?}"
        );
        assert_eq!(server.connections(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn auto_opens_connections_side_by_side_once_it_knows_that_it_needs_them() -> Result<()> {
    let certificates = Certificates::make()?;
    let server = Server::start(Speaks::tls(&certificates, &["http/1.1"], false)?).await?;
    let keys = format!(
        "{}http_version = \"auto\"",
        trusting(&certificates, "ca_file")
    );
    let upstream = upstream(&secure(server.address), &keys)?;
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let upstream = upstream.clone();
            tokio::spawn(async move { ask(&upstream, "/gate", "").await })
        })
        .collect();
    server.until_waiting(8).await;
    server.open_gate();
    for call in calls {
        assert_eq!(call.await??, "through");
    }
    assert_eq!(server.connections(), 8);
    Ok(())
}
