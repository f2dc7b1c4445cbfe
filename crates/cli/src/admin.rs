//! Asking a gateway's admin plane.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use paceline_admin_api::AdminError;
use paceline_config::{Secret, Settings};
use paceline_gateway::token_path;
use serde::de::DeserializeOwned;

use crate::client::{self, NoAnswer, OpenAnswer};
use crate::exit::{self, Failure};
use crate::load::ClientArgs;
use crate::serve;

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the admin plane is when the gateway listens to the network and nothing else is said.
const ADMIN_ADDRESS_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4101);

/// A gateway that can be asked.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// Host and port.
    authority: String,
    token: Secret,
    /// What to look at when the token is refused.
    token_source: String,
}

/// Which gateway to ask.
#[derive(Clone, Debug, Args)]
pub(crate) struct GatewayArgs {
    /// Address of the admin plane [default: as the configuration says]
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    #[command(flatten)]
    configured: ClientArgs,
}

impl GatewayArgs {
    /// The gateway that is meant.
    pub(crate) fn find(&self) -> Result<Gateway, Failure> {
        let settings = self.configured.load_as_client()?;
        Gateway::find_at(self.address.as_deref(), &settings)
    }
}

impl Gateway {
    /// The gateway at `address`, or where the settings say.
    pub(crate) fn find_at(address: Option<&str>, settings: &Settings) -> Result<Self, Failure> {
        let authority = match address {
            Some(address) => authority(address)?,
            None => admin_address(settings).to_string(),
        };
        let (token, token_source) = token(settings)?;
        Ok(Self {
            authority,
            token,
            token_source,
        })
    }

    /// The gateway at an address, with its token.
    pub(crate) fn at(address: SocketAddr, token: Secret) -> Self {
        Self {
            authority: address.to_string(),
            token,
            token_source: "this process".to_owned(),
        }
    }

    /// Asks what `asked` asks, within some seconds over all.
    pub(crate) async fn within<T>(
        &self,
        asked: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let asked = tokio::time::timeout(PATIENCE, asked).await;
        let seconds = PATIENCE.as_secs();
        asked.unwrap_or_else(|_| Err(self.absent(&format!("no answer within {seconds} s"))))
    }

    /// Where it is.
    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// The token that opens it.
    pub(crate) fn token(&self) -> &Secret {
        &self.token
    }

    /// Asks for a path; the answer in JSON.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, path).await
    }

    /// Ends what is at a path; the answer in JSON.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::DELETE, path).await
    }

    /// Asks for a path whose answer goes on and on.
    pub(crate) async fn listen(&self, path: &str) -> Result<OpenAnswer, Failure> {
        let (address, request) = self.request(Method::GET, path).await?;
        let answer = client::open(address, request).await;
        let answer = answer.map_err(|error| self.unanswered(&error))?;
        match answer.status {
            StatusCode::OK => Ok(answer),
            status => {
                let body = answer.rest().await;
                let body = body.map_err(|error| self.unanswered(&error))?;
                Err(self.not_ok(status, &body))
            }
        }
    }

    /// Asks for a path by some method, without a body; the answer in JSON.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> Result<T, Failure> {
        let (address, request) = self.request(method, path).await?;
        let answer = client::send(address, request).await;
        let answer = answer.map_err(|error| self.unanswered(&error))?;
        match answer.status {
            StatusCode::OK => {
                serde_json::from_slice(&answer.body).map_err(|error| self.unusable(&error))
            }
            status => Err(self.not_ok(status, &answer.body)),
        }
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
    ) -> Result<(SocketAddr, Request<Full<Bytes>>), Failure> {
        let mut found = tokio::net::lookup_host(self.authority.as_str())
            .await
            .map_err(|error| self.absent(&error.to_string()))?;
        let Some(address) = found.next() else {
            return Err(self.absent("the name has no address"));
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.authority.as_str())
            .header(
                header::AUTHORIZATION,
                format!("Bearer {}", self.token.expose()),
            )
            .body(Full::<Bytes>::default())
            .map_err(|error| self.unusable(&error))?;
        Ok((address, request))
    }

    fn unanswered(&self, error: &NoAnswer) -> Failure {
        match error {
            NoAnswer::Connect { .. } => self.absent(&error.to_string()),
            NoAnswer::Exchange(_) => self.unusable(error),
        }
    }

    /// What an answer means that is not the one that was asked for.
    fn not_ok(&self, status: StatusCode, body: &[u8]) -> Failure {
        match status {
            StatusCode::UNAUTHORIZED => self.refused(),
            StatusCode::FORBIDDEN => {
                let name = "it is not served under this name; use an address, or list the name in \
                            admin.hosts";
                self.unusable(&name)
            }
            status => match serde_json::from_slice::<AdminError>(body) {
                Ok(problem) => Failure::other(problem.error.message),
                Err(_) => self.unusable(&format!("status {status}")),
            },
        }
    }

    fn unusable(&self, error: &dyn std::fmt::Display) -> Failure {
        let message = format!(
            "http://{} does not answer as a gateway does: {error}; is it the address of an admin \
             plane, and of this version?",
            self.authority
        );
        Failure::new(exit::GATEWAY, message)
    }

    fn absent(&self, reason: &str) -> Failure {
        let message = format!(
            "no gateway answers at http://{}: {reason}; start one with `paceline serve`, or name \
             its admin plane with --address",
            self.authority
        );
        Failure::new(exit::GATEWAY, message)
    }

    fn refused(&self) -> Failure {
        let message = format!(
            "the gateway at http://{} does not take the admin token from {}; name its state folder \
             with --state-dir, or the token with PACELINE_ADMIN_TOKEN",
            self.authority, self.token_source
        );
        Failure::new(exit::TOKEN, message)
    }
}

/// Host and port of a plain HTTP address; a path is not wanted, but does no harm.
fn authority(address: &str) -> Result<String, Failure> {
    let wrong = || {
        Failure::other(format!(
            "--address {address:?} is not the address of an admin plane, which is plain HTTP; as \
             in http://127.0.0.1:4100"
        ))
    };
    let rest = match address.split_once("://") {
        Some(("http", rest)) => rest,
        Some(_) => return Err(wrong()),
        None => address,
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let parsed: http::uri::Authority = authority.parse().map_err(|_| wrong())?;
    let port = parsed.port_u16().unwrap_or(80);
    Ok(format!("{}:{port}", parsed.host()))
}

/// Where a gateway with these settings has its admin plane.
fn admin_address(settings: &Settings) -> SocketAddr {
    let own = settings.admin.listen.map(serve::reachable);
    let main = settings.server.listen;
    own.unwrap_or(if main.ip().is_loopback() {
        main
    } else {
        ADMIN_ADDRESS_DEFAULT
    })
}

/// The admin token and where it is from. Unlike a gateway, this never makes one.
fn token(settings: &Settings) -> Result<(Secret, String), Failure> {
    if let Some(token) = &settings.admin.token {
        return Ok((token.clone(), "the configuration (admin.token)".to_owned()));
    }
    let path = token_path(&settings.admin);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((Secret::new(text.trim()), path.display().to_string())),
        Err(error) => {
            let message = format!(
                "the admin token {} cannot be read: {error}; a gateway makes it when it starts; if \
                 its state folder is another, name it with --state-dir, or the token with \
                 PACELINE_ADMIN_TOKEN",
                path.display()
            );
            Err(Failure::new(exit::TOKEN, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_leave_out_what_is_usual() {
        for (address, expected) in [
            ("http://127.0.0.1:4100", "127.0.0.1:4100"),
            ("http://127.0.0.1:4100/v1", "127.0.0.1:4100"),
            ("localhost:4101", "localhost:4101"),
            ("http://gateway.internal", "gateway.internal:80"),
            ("http://[::1]:4100/", "[::1]:4100"),
        ] {
            assert_eq!(authority(address).unwrap(), expected);
        }
        for wrong in ["https://127.0.0.1:4100", "", "http://", "http://a b"] {
            assert!(authority(wrong).is_err(), "{wrong}");
        }
    }
}
