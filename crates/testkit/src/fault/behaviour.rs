//! What a proxy does to the bytes that pass.

use std::time::Duration;

/// What happens to bytes that go one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lane {
    /// They pass as they come.
    #[default]
    Pass,
    /// Each byte passes so much later than it came; how many pass in a second is not affected.
    Delay(Duration),
    /// They are taken and do not pass until this changes; then all of them do.
    Hold,
    /// So many pass on each connection, counted from when this was set; then the receiver finds its
    /// connection closed, and what else is sent is lost.
    CutAfter(u64),
    /// So many pass in a second on each connection, evenly.
    Throttle(u32),
}

/// What a proxy does, to connections that exist and to those that come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// Whether new connections are refused, as by a machine on which nothing listens.
    pub refuse: bool,
    /// What clients send.
    pub to_server: Lane,
    /// What the server answers.
    pub to_client: Lane,
}

impl Behaviour {
    /// Everything passes.
    pub fn pass() -> Self {
        Self::default()
    }

    /// Each way takes longer by so much.
    pub fn delay(to_server: Duration, to_client: Duration) -> Self {
        Self::lanes(Lane::Delay(to_server), Lane::Delay(to_client))
    }

    /// Connections are accepted and nothing ever comes back; the server hears nothing either, not
    /// even of new connections. When this ends, what was sent meanwhile arrives.
    pub fn black_hole() -> Self {
        Self::lanes(Lane::Hold, Lane::Hold)
    }

    /// The server hears and does everything, and its answers do not come back.
    pub fn lost_answers() -> Self {
        Self::lanes(Lane::Pass, Lane::Hold)
    }

    /// New connections are refused; those that exist are left alone.
    pub fn refuse() -> Self {
        Self {
            refuse: true,
            ..Self::default()
        }
    }

    /// Connections are cut in the middle of what clients send, after so many bytes.
    pub fn cut_requests_after(bytes: u64) -> Self {
        Self::lanes(Lane::CutAfter(bytes), Lane::Pass)
    }

    /// Connections are cut in the middle of what the server answers, after so many bytes.
    pub fn cut_answers_after(bytes: u64) -> Self {
        Self::lanes(Lane::Pass, Lane::CutAfter(bytes))
    }

    /// So many bytes pass in a second, each way, on each connection.
    pub fn throttle(bytes_per_second: u32) -> Self {
        let lane = Lane::Throttle(bytes_per_second);
        Self::lanes(lane, lane)
    }

    fn lanes(to_server: Lane, to_client: Lane) -> Self {
        Self {
            refuse: false,
            to_server,
            to_client,
        }
    }
}
