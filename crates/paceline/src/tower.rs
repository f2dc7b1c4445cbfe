//! A tower layer that paces `http` requests (feature `tower`).
//!
//! The layer reserves before it calls the service behind it, tells the pacer what the headers of
//! answers say, and settles when the body of the answer has ended. Bodies pass untouched and unread:
//! what a request takes is said by a function of the request, or by a header.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use bytes::Bytes;
//! use http::{HeaderName, Request, Response};
//! use http_body_util::Full;
//! use paceline::Pacer;
//! use paceline::tower::{ByHeader, PaceLayer};
//! use tower::{Layer, Service, service_fn};
//!
//! let provider = service_fn(|_: Request<Full<Bytes>>| async {
//!     Ok::<_, std::io::Error>(Response::new(Full::<Bytes>::from("Because.")))
//! });
//! let pacer = Pacer::builder().tokens_per_minute(90_000).build()?;
//! let layer = PaceLayer::new(pacer, ByHeader(HeaderName::from_static("x-estimated-tokens")));
//! let mut paced = layer.layer(provider);
//!
//! let request = Request::post("/v1/chat/completions")
//!     .header("x-estimated-tokens", "120")
//!     .body(Full::from("{}"))?;
//! let answer = paced.call(request).await?;
//! # assert_eq!(answer.status(), 200);
//! # Ok(())
//! # }
//! ```

mod body;
mod layer;
mod service;

pub use body::PacedBody;
pub use layer::{ByHeader, Charges, PaceLayer};
pub use service::{Pace, PaceError};
