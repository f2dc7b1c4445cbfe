//! The lanes of one choice, and whether each can be used for the call.

use super::Call;
use super::reason::{Out, Trigger};
use crate::breaker::Health;
use crate::fault::FaultKind;
use crate::hash;
use crate::lane::{Fit, Lane};

/// Whether a lane can be used for a call.
#[derive(Clone, Copy)]
pub(crate) enum Standing {
    Usable { probe: bool },
    HeldBack(FaultKind),
    Out(Out),
}

impl Standing {
    pub(crate) fn of(lane: &Lane, call: &Call) -> Self {
        match lane.fit {
            Fit::ContextTooLong => return Self::Out(Out::ContextTooLong),
            Fit::Unsupported => return Self::Out(Out::Unsupported),
            Fit::Fits => {}
        }
        match lane.health {
            Health::Ill { kind, until } => Self::Out(Out::Ill { kind, until }),
            _ if lane.wait.is_none() => Self::Out(Out::NeverFits),
            Health::Probe { kind } if !call.may_probe => Self::HeldBack(kind),
            Health::Probe { .. } => Self::Usable { probe: true },
            Health::Returning { share, kind } if draw_for(lane, call) >= share => {
                Self::HeldBack(kind)
            }
            Health::Returning { .. } | Health::Well => Self::Usable { probe: false },
        }
    }

    /// What passing the lane over counts as; `None` for one that can be used.
    pub(crate) fn trigger(self) -> Option<Trigger> {
        match self {
            Self::Usable { .. } => None,
            Self::HeldBack(kind) => Some(kind.into()),
            Self::Out(out) => out.trigger(),
        }
    }
}

/// The call's draw, shifted for each lane: lanes that return together take different calls.
fn draw_for(lane: &Lane, call: &Call) -> f64 {
    (call.draw + hash::unit(lane.key.number())).fract().abs()
}

/// One lane in its group.
pub(crate) struct Member {
    pub(crate) index: usize,
    pub(crate) group: usize,
    pub(crate) standing: Standing,
}

/// The lanes of one choice, by group, the highest priority first.
pub(crate) struct Field<'a> {
    pub(crate) call: &'a Call,
    pub(crate) lanes: &'a [Lane],
    pub(crate) members: Vec<Member>,
}

impl Field<'_> {
    /// The lanes of `group` that can be used.
    pub(crate) fn usable_in(&self, group: usize) -> Vec<usize> {
        let of_group = self.members.iter().filter(|member| member.group == group);
        let of_group = of_group.filter(|member| member.is_usable());
        of_group.map(|member| member.index).collect()
    }

    pub(crate) fn is_probe(&self, index: usize) -> bool {
        self.members.iter().any(|member| {
            member.index == index && matches!(member.standing, Standing::Usable { probe: true })
        })
    }
}

impl Member {
    pub(crate) const fn is_usable(&self) -> bool {
        matches!(self.standing, Standing::Usable { .. })
    }
}
