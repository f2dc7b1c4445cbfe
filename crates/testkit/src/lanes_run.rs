//! The runs over several lanes, with real gateways before real simulators: what several keys bring,
//! and what callers see while the provider of one lane is ill.

mod calls;
mod illness;
mod keys;

pub use calls::FirstBytes;
pub use illness::{IllnessReport, IllnessRun};
pub use keys::{Keys, KeysReport, KeysRun};

/// The name of the model that callers ask for.
const NAME: &str = "fast";

/// The model's name at every provider.
const MODEL: &str = "gpt-4o-mini";

/// The name of the second provider.
const SECOND: &str = "second";
