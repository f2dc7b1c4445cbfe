//! The time that one attempt may take as a whole.

use std::time::{Duration, Instant};

use super::failure::SendError;

/// When an attempt has to be over, where that is limited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Total(Option<(Instant, Duration)>);

impl Total {
    /// An attempt that begins now.
    pub(super) fn starting_now(limit: Option<Duration>) -> Self {
        Self(limit.map(|limit| (Instant::now() + limit, limit)))
    }

    /// When it has to be over, and what to say if it is not.
    pub(crate) fn end(&self) -> Option<(Instant, SendError)> {
        let (end, limit) = self.0?;
        Some((end, told(limit)))
    }

    /// Waits for `future` no longer than that.
    ///
    /// # Errors
    /// Those of `future`, and a time-out.
    pub(crate) async fn bound<T>(
        &self,
        future: impl Future<Output = Result<T, SendError>>,
    ) -> Result<T, SendError> {
        match self.0 {
            None => future.await,
            Some((end, limit)) => tokio::time::timeout_at(end.into(), future)
                .await
                .unwrap_or_else(|_| Err(told(limit))),
        }
    }
}

fn told(limit: Duration) -> SendError {
    SendError::Timeout {
        phase: "from the start of the attempt to the end of the answer (total_timeout)",
        limit,
    }
}
