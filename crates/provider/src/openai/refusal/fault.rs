//! Who is at fault, which decides what else may be tried.

use super::{Refusal, RefusalKind};

/// Who is at fault for a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The request: it fails wherever the same model is asked. A larger context, or another model,
    /// may take it.
    Caller,
    /// A limit of the account: it passes, and other keys and providers are not concerned.
    Quota,
    /// The provider is short of capacity.
    Overload,
    /// The provider failed.
    Provider,
    /// The key is wrong or out of use, or there is no credit: it will not work again soon.
    Account,
    /// The key is not allowed to do what the request asks: another one may be, and of other requests
    /// this says nothing.
    Permission,
}

impl Refusal {
    /// Who is at fault.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self.kind {
            RefusalKind::RateLimited
            | RefusalKind::SlowDown
            | RefusalKind::Concurrency
            | RefusalKind::RequestTooLarge => Fault::Quota,
            RefusalKind::Overloaded | RefusalKind::FlexUnavailable => Fault::Overload,
            RefusalKind::QuotaExhausted | RefusalKind::Authentication => Fault::Account,
            RefusalKind::PermissionDenied => Fault::Permission,
            RefusalKind::ServerError => Fault::Provider,
            RefusalKind::InvalidRequest
            | RefusalKind::ContextLengthExceeded
            | RefusalKind::ContentFiltered
            | RefusalKind::NotFound => Fault::Caller,
            RefusalKind::Other => match self.status {
                // A timeout and too early data say nothing against the request.
                Some(408 | 425) | None => Fault::Provider,
                Some(400..500) => Fault::Caller,
                Some(_) => Fault::Provider,
            },
        }
    }
}
