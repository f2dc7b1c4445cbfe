//! The service that waits before it calls the one behind it.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_service::Service;

use super::layer::{Charges, ReadUsage};
use super::{PacedBody, body};
use crate::{Pacer, Refused, Reservation};

/// Anthropic's status for want of capacity.
const OVERLOADED: u16 = 529;

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum PaceError<E> {
    /// The pacer did not let it go: it was not sent.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The service behind failed.
    #[error("the service failed")]
    Service(#[source] E),
}

/// Paces the requests that go to `S`; made by [`PaceLayer`](super::PaceLayer).
///
/// It is always ready: requests wait in the pacer's queue, where they are served fairly and their
/// number is bounded, and the service behind is asked for its readiness when their turn has come.
#[derive(Clone)]
pub struct Pace<S, C> {
    service: S,
    pacer: Pacer,
    charges: C,
    usage: Option<ReadUsage>,
}

impl<S: fmt::Debug, C> fmt::Debug for Pace<S, C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pace")
            .field("service", &self.service)
            .field("pacer", &self.pacer)
            .finish_non_exhaustive()
    }
}

impl<S, C> Pace<S, C> {
    pub(super) const fn new(
        service: S,
        pacer: Pacer,
        charges: C,
        usage: Option<ReadUsage>,
    ) -> Self {
        Self {
            service,
            pacer,
            charges,
            usage,
        }
    }
}

impl<S, C, B, R> Service<Request<B>> for Pace<S, C>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    C: Charges<B>,
    B: Send + 'static,
    R: Body,
{
    type Response = Response<PacedBody<R>>;
    type Error = PaceError<S::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let turn = self.pacer.reserve(&self.charges.call(&request));
        let mut service = self.service.clone();
        let usage = self.usage.clone();
        Box::pin(async move {
            let reservation = turn.await?;
            if let Err(error) = poll_fn(|context| service.poll_ready(context)).await {
                reservation.release();
                return Err(PaceError::Service(error));
            }
            match service.call(request).await {
                Ok(answer) => Ok(paced(answer, reservation, usage)),
                Err(error) => {
                    reservation.failed();
                    Err(PaceError::Service(error))
                }
            }
        })
    }
}

/// The answer, with the reservation held by its body where it is a good one.
fn paced<R: Body>(
    answer: Response<R>,
    reservation: Reservation,
    usage: Option<ReadUsage>,
) -> Response<PacedBody<R>> {
    let (head, body) = answer.into_parts();
    if is_refusal(head.status) {
        reservation.refused(head.status, &head.headers, b"");
        return Response::from_parts(head, PacedBody::free(body));
    }
    reservation.observe_headers(&head.headers);
    let end = body::End {
        reservation,
        usage: usage.and_then(|usage| usage(&head.headers)),
        succeeded: !head.status.is_client_error() && !head.status.is_server_error(),
    };
    Response::from_parts(head, PacedBody::held(body, end))
}

/// Whether the status says that the provider did not take the request, for its quota or for want of
/// capacity.
fn is_refusal(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) || status.as_u16() == OVERLOADED
}
