//! What goes wrong during a run.

use std::time::Duration;

use anyhow::Result;

use super::stage::Stage;
use crate::fault::Behaviour;

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedFault {
    /// Nothing does.
    None,
    /// A gateway is killed and stays away.
    GatewayKilled,
    /// A gateway stands still, as on a machine that hangs.
    GatewayFrozen,
    /// The store stands still.
    RedisFrozen,
    /// The store is killed and comes back without its data.
    RedisKilled,
    /// The store's master is killed when its replica lags behind; sentinels put that in its place.
    FailOver,
    /// Nothing passes between one gateway and the store.
    LinkCut,
    /// The store answers late.
    RedisSlow,
    /// The date of one gateway is an hour ahead, from its start.
    ClockOff,
}

/// Which gateway it is that suffers.
pub(super) const VICTIM: usize = 0;

/// How late answers of a slow store are.
const LATE: Duration = Duration::from_secs(3);

impl SharedFault {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::GatewayKilled,
        Self::GatewayFrozen,
        Self::RedisFrozen,
        Self::RedisKilled,
        Self::FailOver,
        Self::LinkCut,
        Self::RedisSlow,
        Self::ClockOff,
    ];

    /// Its name on command lines and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::GatewayKilled => "gateway-killed",
            Self::GatewayFrozen => "gateway-frozen",
            Self::RedisFrozen => "redis-frozen",
            Self::RedisKilled => "redis-killed",
            Self::FailOver => "fail-over",
            Self::LinkCut => "link-cut",
            Self::RedisSlow => "redis-slow",
            Self::ClockOff => "clock-off",
        }
    }

    /// How long it lasts; nothing where it has no beginning within the run. A failover takes longer,
    /// by the time that the sentinels need.
    pub fn lasts(self) -> Option<Duration> {
        let seconds = match self {
            Self::None | Self::ClockOff => return None,
            Self::GatewayKilled => 0,
            Self::GatewayFrozen | Self::RedisFrozen => 20,
            Self::RedisKilled => 120,
            Self::FailOver => 3,
            Self::LinkCut | Self::RedisSlow => 30,
        };
        Some(Duration::from_secs(seconds))
    }

    /// Whether there is nothing to do it to without a store.
    pub fn needs_store(self) -> bool {
        matches!(
            self,
            Self::RedisFrozen
                | Self::RedisKilled
                | Self::FailOver
                | Self::LinkCut
                | Self::RedisSlow
        )
    }

    /// Blocks for as long as it takes.
    pub(super) fn begin(self, stage: &Stage) -> Result<()> {
        match self {
            Self::None | Self::ClockOff => Ok(()),
            Self::GatewayKilled => stage.victim()?.kill(),
            Self::GatewayFrozen => stage.victim()?.freeze(),
            Self::RedisFrozen => stage.redis()?.freeze(),
            Self::RedisKilled => stage.redis()?.stop(),
            Self::FailOver => stage.sentinels()?.pause_replication(),
            Self::LinkCut => stage.link(VICTIM)?.set(Behaviour::black_hole()),
            Self::RedisSlow => stage.set_links(Behaviour::delay(Duration::ZERO, LATE)),
        }
    }

    /// Blocks for as long as it takes.
    pub(super) fn end(self, stage: &Stage) -> Result<()> {
        match self {
            Self::None | Self::ClockOff | Self::GatewayKilled => Ok(()),
            Self::GatewayFrozen => stage.victim()?.thaw(),
            Self::RedisFrozen => stage.redis()?.thaw(),
            Self::RedisKilled => stage.redis()?.restart_empty(),
            Self::FailOver => stage.sentinels()?.kill_master(),
            Self::LinkCut => stage.link(VICTIM)?.set(Behaviour::pass()),
            Self::RedisSlow => stage.set_links(Behaviour::pass()),
        }
    }
}
