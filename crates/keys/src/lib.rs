//! Caller keys: who may use a gateway, as which tenant, for which models and within which budgets.
//!
//! A [`KeyText`] is shown once, when it is made. What is kept of it is an HMAC under a secret that has a
//! file of its own, so that the file of keys is of no use to whoever reads it alone. A [`KeyRing`] is the
//! file as it is read; a [`KeyFile`] changes it, and reads it again when others have.
//!
//! The crate knows neither HTTP nor the gateway: a time is an argument, and a key is a text.

mod file;
mod pattern;
mod record;
mod ring;
mod secret;
mod text;

pub use file::{KeyFile, KeyFileError};
pub use pattern::ModelPattern;
pub use record::{KeyId, KeyRecord, KeyState, NAME_MAX, NewKey, Priority, RecordError, WEIGHT_MAX};
pub use ring::{Found, KeyRing, RingError, Unknown};
pub use secret::Secret;
pub use text::{KeyText, MalformedKey};
