//! What every store of shared state does.

use std::future::Future;
use std::pin::Pin;

use crate::message::{Answer, Ask, InstanceId};

/// A value that a store will have later, behind a pointer so that stores can be exchanged at run time.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why an exchange did not take place, or may not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached, or does not answer in time. Whether it has heard the message is
    /// not known: the same message may be sent again.
    #[error("{store} is away: {reason}")]
    Away {
        /// Which store, as people know it.
        store: String,
        /// What happened.
        reason: String,
    },
    /// The store answers, and refuses what is asked of it.
    #[error("{store} refuses: {reason}")]
    Refused {
        /// Which store, as people know it.
        store: String,
        /// In its words, with the remedy where one is known.
        reason: String,
    },
}

/// The names of domains in which there is room for an instance that waits.
///
/// An empty answer: names may have been missed, so that all should be looked at.
pub trait Wakes: Send {
    /// Waits for the next domain; `None`: the store is gone, and will not tell any more.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<String>> + Send + '_>>;
}

/// A place where the state of domains lives that instances share.
///
/// Every implementation follows the rules of [`crate::Shared`], and passes the same tests.
pub trait Coordinator: Send + Sync {
    /// One exchange about the domain of this name.
    ///
    /// # Errors
    /// The store is away or refuses; see [`StoreError`].
    fn exchange<'a>(&'a self, domain: &'a str, ask: &'a Ask) -> Later<'a, Answer>;

    /// What `instance` is told of room from now on.
    ///
    /// # Errors
    /// The store is away or refuses.
    fn wakes(&self, instance: InstanceId) -> Later<'_, Box<dyn Wakes>>;
}
