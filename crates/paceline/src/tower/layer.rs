//! The layer, and where it takes a request's charge from.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, Request};
use tower_layer::Layer;

use super::Pace;
use crate::{Call, Pacer, Usage};

/// Says what a request takes from the quota. Any function of the request does.
pub trait Charges<B> {
    /// The call that `request` is.
    fn call(&self, request: &Request<B>) -> Call;
}

impl<F: Fn(&Request<B>) -> Call, B> Charges<B> for F {
    fn call(&self, request: &Request<B>) -> Call {
        self(request)
    }
}

/// Takes the number of tokens from this header of the request; one that is missing or no number
/// counts as no tokens. The header goes on to the service.
#[derive(Clone, Debug)]
pub struct ByHeader(pub HeaderName);

impl<B> Charges<B> for ByHeader {
    fn call(&self, request: &Request<B>) -> Call {
        let told = request.headers().get(&self.0);
        let tokens = told.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Call::of_tokens(tokens.unwrap_or(0))
    }
}

/// Reads the usage of a call from the headers of its answer.
pub(super) type ReadUsage = Arc<dyn Fn(&HeaderMap) -> Option<Usage> + Send + Sync>;

/// Paces the requests that go to a service.
///
/// Clones, and services made of them, share one pacer.
#[derive(Clone)]
pub struct PaceLayer<C> {
    pacer: Pacer,
    charges: C,
    usage: Option<ReadUsage>,
}

impl<C: fmt::Debug> fmt::Debug for PaceLayer<C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PaceLayer")
            .field("pacer", &self.pacer)
            .field("charges", &self.charges)
            .finish_non_exhaustive()
    }
}

impl<C> PaceLayer<C> {
    /// Paces by `pacer` what `charges` says of each request.
    pub const fn new(pacer: Pacer, charges: C) -> Self {
        Self {
            pacer,
            charges,
            usage: None,
        }
    }

    /// Settles with the usage that this reads from the headers of an answer. Without it, and where
    /// it reads none, what was reserved counts as spent.
    #[must_use]
    pub fn with_usage(
        mut self,
        usage: impl Fn(&HeaderMap) -> Option<Usage> + Send + Sync + 'static,
    ) -> Self {
        self.usage = Some(Arc::new(usage));
        self
    }
}

impl<S, C: Clone> Layer<S> for PaceLayer<C> {
    type Service = Pace<S, C>;

    fn layer(&self, service: S) -> Pace<S, C> {
        Pace::new(
            service,
            self.pacer.clone(),
            self.charges.clone(),
            self.usage.clone(),
        )
    }
}
