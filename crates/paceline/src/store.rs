//! The store by which several processes share one quota.

#[cfg(feature = "redis")]
mod redis;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use paceline_coordinator::{Coordinator, InProcess, InstanceId};
use paceline_pace::{Pool, SharingMode, StoreSettings, WhenAway, own_runtime, present_runtime};
use tokio::runtime::Handle;

#[cfg(feature = "redis")]
pub use self::redis::{RedisStore, StoreError};
use crate::BuildError;

/// A store in which limits are counted for all pacers that share them, in one process or in many.
/// Clones are one.
///
/// Give it to [`PacerBuilder::shared`](crate::PacerBuilder::shared) with the name of the quota. Every
/// pacer is one of those that share, and the store forgets one that is gone. A program that ends should
/// [leave](Self::leave).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use paceline::{Call, Pacer, Store};
///
/// let store = Store::in_process();
/// let pacer = || Pacer::builder().requests_per_minute(500).shared(&store, "OpenAI").build();
/// let (first, second) = (pacer()?, pacer()?);
///
/// first.reserve(&Call::new()).await?.served();
/// second.reserve(&Call::new()).await?.served();
/// assert_eq!(second.limits()[0].used, 2);
/// store.leave().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    coordinator: Arc<dyn Coordinator>,
    settings: StoreSettings,
    /// Where the store is spoken to; `None`: in the runtime that a pacer is built in.
    runtime: Option<Handle>,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    all: Vec<Weak<Member>>,
    have_left: bool,
}

/// One pacer as the others know it. Two of one name in a process are two.
pub(crate) type Member = paceline_pace::Store;

impl fmt::Debug for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = self.members(|members| members.all.len());
        out.debug_struct("Store")
            .field("settings", &self.0.settings)
            .field("members", &members)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// A store in the memory of this process, by which several pacers in it share one quota.
    #[must_use]
    pub fn in_process() -> Self {
        let coordinator = Arc::new(InProcess::new());
        Self::new(coordinator, StoreSettings::default(), None)
    }

    fn new(
        coordinator: Arc<dyn Coordinator>,
        settings: StoreSettings,
        runtime: Option<Handle>,
    ) -> Self {
        Self(Arc::new(Inner {
            coordinator,
            settings,
            runtime,
            members: Mutex::default(),
        }))
    }

    /// Takes leave for all pacers that share by this store, which lets the others have at once what
    /// would otherwise be kept for these. From then on the pacers are [closed](crate::Refused::Closed),
    /// and none can be built by it; calls that are still in flight count as they were reserved.
    ///
    /// It takes two exchanges with the store at the most, each within its time box.
    pub async fn leave(&self) {
        let members = self.members(|members| {
            members.have_left = true;
            std::mem::take(&mut members.all)
        });
        // All are told first, and then waited for together.
        let leaving: Vec<_> = members.iter().filter_map(Weak::upgrade).collect();
        for member in &leaving {
            member.start_leaving();
        }
        for member in &leaving {
            member.take_leave().await;
        }
    }

    /// [`leave`](Self::leave) for programs without async.
    ///
    /// # Panics
    /// Inside an asynchronous task. Use [`leave`](Self::leave) there.
    pub fn blocking_leave(&self) {
        // Without a thread nothing was ever shared outside of a runtime.
        if let Ok(runtime) = own_runtime() {
            runtime.block_on(self.leave());
        }
    }

    /// Has `pool` counted under `name` from now on.
    pub(crate) fn share(
        &self,
        pool: &Arc<Pool<()>>,
        name: &str,
        when_away: WhenAway,
    ) -> Result<Arc<Member>, BuildError> {
        let runtime = match &self.0.runtime {
            Some(runtime) => runtime.clone(),
            None => present_runtime()?,
        };
        let number = getrandom::u64().map_err(|error| BuildError::Random(error.to_string()))?;
        self.members(|members| {
            if members.have_left {
                return Err(BuildError::StoreLeft);
            }
            let coordinator = Arc::clone(&self.0.coordinator);
            let member = Member::new(coordinator, InstanceId(number), self.0.settings, &runtime);
            pool.share(&member, name, when_away, &runtime);
            let member = Arc::new(member);
            members.all.retain(|member| member.strong_count() > 0);
            members.all.push(Arc::downgrade(&member));
            Ok(member)
        })
    }

    fn members<T>(&self, action: impl FnOnce(&mut Members) -> T) -> T {
        action(
            &mut self
                .0
                .members
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

/// Where a pacer stands with its store: see [`Pacer::sharing`](crate::Pacer::sharing).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sharing {
    /// Who decides which calls go.
    pub mode: SharingMode,
    /// The pacer's part of the quota, from 0 to 1, by what is asked of each; `None`: the store never
    /// told. While the store answers, a pacer may use more where others use less.
    pub share: Option<f64>,
    /// Pacers that share the quota, with this one; 0: the store never told.
    pub members: u32,
    /// Why the store counts as away, as was told last; `None` while it answers.
    pub reason: Option<Arc<str>>,
}

impl From<paceline_pace::Sharing> for Sharing {
    fn from(sharing: paceline_pace::Sharing) -> Self {
        Self {
            mode: sharing.mode,
            share: sharing.share_ppm.map(|ppm| f64::from(ppm) / 1e6),
            members: sharing.instances,
            reason: sharing.reason.filter(|_| sharing.mode.is_away()),
        }
    }
}
