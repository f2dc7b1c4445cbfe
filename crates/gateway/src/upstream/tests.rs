//! Reaching real servers: over TLS, HTTP/2 and proxies, with names that lead elsewhere and servers
//! that do not do what they should.

mod addresses;
mod answering;
mod connections;
mod multiplexed;
mod proxies;
mod secured;
mod server;
mod slow;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use paceline_config as config;

use super::{Connection, SendError, Upstream, request_headers};
use crate::body::UpstreamBody;
use crate::upstream::OwnKey;

/// The provider at `base_url`, with these keys of the configuration.
fn settings(base_url: &str, keys: &str) -> Result<config::Upstream> {
    let file = format!("[upstream]\nbase_url = \"{base_url}\"\n{keys}\n");
    let loaded = crate::test_settings::settings(&file);
    Ok(loaded.map_err(|problems| anyhow!("{problems}"))?.upstream)
}

/// The way to it.
fn upstream(base_url: &str, keys: &str) -> Result<Arc<Upstream>> {
    Ok(Arc::new(Upstream::new(&settings(base_url, keys)?)?))
}

fn plain(address: SocketAddr) -> String {
    format!("http://{address}/v1")
}

fn secure(address: SocketAddr) -> String {
    format!("https://localhost:{}/v1", address.port())
}

/// A request as the gateway builds it.
fn request(upstream: &Upstream, path: &str, body: impl Into<Bytes>) -> Request<UpstreamBody> {
    let no_key = OwnKey {
        key: None,
        key_use: config::KeyUse::Replace,
    };
    let body = UpstreamBody::Whole(Full::new(body.into()));
    let mut request = Request::new(body);
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = upstream.target.path(path, None).unwrap();
    let caller = http::HeaderMap::new();
    *request.headers_mut() = request_headers(
        &caller,
        &upstream.target,
        &no_key,
        (paceline_provider::Profile::COMPATIBLE, false),
    );
    request
}

/// Sends a request without a body; the head of the answer.
async fn send(
    upstream: &Arc<Upstream>,
    path: &str,
) -> Result<(Response<Incoming>, Connection), SendError> {
    upstream
        .send(request(upstream, path, ""), None, || ())
        .await
}

/// Sends a request and reads all of the answer; its connection is kept.
async fn ask(upstream: &Arc<Upstream>, path: &str, body: impl Into<Bytes>) -> Result<String> {
    let request = request(upstream, path, body);
    let (response, connection) = upstream.send(request, None, || ()).await?;
    let text = response.into_body().collect().await?.to_bytes();
    connection.keep();
    Ok(String::from_utf8(text.to_vec())?)
}

/// Why a request failed, in full.
async fn failure(upstream: &Arc<Upstream>, path: &str) -> String {
    match send(upstream, path).await {
        Ok((response, _)) => panic!("it was answered with {}", response.status()),
        Err(error) => error.to_string(),
    }
}
