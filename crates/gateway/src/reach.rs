//! Which providers could be reached when they were last tried.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use paceline_config::{Settings, UPSTREAM};
use parking_lot::RwLock;

/// What the last try told of each provider, by its name in the settings.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    tried: RwLock<HashMap<Arc<str>, AtomicBool>>,
}

impl Reach {
    /// Notes how a try came out; whether it is other than before.
    pub(crate) fn note(&self, provider: &str, is_reached: bool) -> bool {
        if let Some(known) = self.tried.read().get(provider) {
            // Read first: the value seldom changes, and a plain store would bounce between threads.
            let changes = known.load(Ordering::Relaxed) != is_reached;
            if changes {
                known.store(is_reached, Ordering::Relaxed);
            }
            return changes;
        }
        let mut tried = self.tried.write();
        tried.insert(Arc::from(provider), AtomicBool::new(is_reached));
        true
    }

    /// Whether any provider of the settings may be there: one that was reached when it was last tried,
    /// or that was not tried yet.
    pub(crate) fn may_any(&self, settings: &Settings) -> bool {
        let tried = self.tried.read();
        let may = |provider: &str| {
            let known = tried.get(provider);
            known.is_none_or(|reached| reached.load(Ordering::Relaxed))
        };
        let mut further = settings.providers.iter();
        may(UPSTREAM) || further.any(|provider| may(&provider.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_settings::settings;

    #[test]
    fn a_gateway_reaches_somebody_as_long_as_one_provider_is_not_known_to_be_away() {
        let text = "[providers.second]\nprofile = \"openai\"\n";
        let settings = settings(text).unwrap();
        let reach = Reach::default();
        assert!(reach.may_any(&settings));
        assert!(reach.note(UPSTREAM, false) && !reach.note(UPSTREAM, false));
        assert!(reach.may_any(&settings), "the second was not tried");
        assert!(reach.note("second", false));
        assert!(!reach.may_any(&settings));
        assert!(reach.note("second", true));
        assert!(reach.may_any(&settings));
        reach.note("gone", true);
        reach.note("second", false);
        assert!(
            !reach.may_any(&settings),
            "only those of the settings count"
        );
    }
}
