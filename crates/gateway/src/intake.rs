//! Reading a caller's body, bounded in size, time and memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::respond::Problem;
use crate::server::CallerBody;
use crate::shared::{BufferedBytes, Shared};

/// A body read in full, and the room it takes.
#[derive(Debug)]
pub(crate) struct WholeBody {
    pub(crate) bytes: Bytes,
    pub(crate) room: Option<BufferedBytes>,
}

/// The bounds of reading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IntakeBounds {
    pub(crate) bytes_max: u64,
    /// Longest pause between two pieces.
    pub(crate) pause_max: Duration,
}

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum IntakeError {
    /// The caller is told so.
    Problem(Problem),
    /// The caller went away.
    Gone,
}

/// Reads a body in full.
///
/// # Errors
/// When it is larger than allowed, comes too slowly, finds no room, or ends early.
pub(crate) async fn read_whole(
    mut body: CallerBody,
    bounds: IntakeBounds,
    shared: &Arc<Shared>,
) -> Result<WholeBody, IntakeError> {
    let too_large = || IntakeError::Problem(Problem::body_too_large(bounds.bytes_max));
    let announced = body.size_hint().exact();
    if announced.is_some_and(|bytes| bytes > bounds.bytes_max) {
        return Err(too_large());
    }
    // A body of unknown length is counted as it comes, in `first` or `rest`.
    let mut room = Vec::new();
    let mut take_room = |bytes: usize| match shared.reserve_bytes(bytes as u64) {
        Some(taken) => {
            room.push(taken);
            Ok(())
        }
        None => Err(IntakeError::Problem(Problem::overloaded())),
    };
    let Some(first) = next_piece(&mut body, bounds.pause_max).await? else {
        return Ok(WholeBody {
            bytes: Bytes::new(),
            room: None,
        });
    };
    take_room(first.len())?;
    if body.is_end_stream() || announced == Some(first.len() as u64) {
        return Ok(WholeBody {
            bytes: first,
            room: room.pop(),
        });
    }
    let capacity = usize::try_from(announced.unwrap_or(0))
        .unwrap_or(0)
        .min(1 << 20);
    let mut whole = BytesMut::with_capacity(capacity.max(first.len() * 2));
    whole.extend_from_slice(&first);
    while let Some(piece) = next_piece(&mut body, bounds.pause_max).await? {
        if (whole.len() + piece.len()) as u64 > bounds.bytes_max {
            return Err(too_large());
        }
        take_room(piece.len())?;
        whole.extend_from_slice(&piece);
    }
    let bytes = whole.freeze();
    drop(room);
    let room = shared.reserve_bytes(bytes.len() as u64);
    Ok(WholeBody { bytes, room })
}

/// The next piece that is not empty; `None`: there is no more.
pub(crate) async fn next_piece(
    body: &mut CallerBody,
    pause_max: Duration,
) -> Result<Option<Bytes>, IntakeError> {
    loop {
        match timeout(pause_max, body.frame()).await {
            Err(_) => return Err(IntakeError::Problem(Problem::body_timeout(pause_max))),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(IntakeError::Gone),
            Ok(Some(Ok(frame))) => {
                if let Ok(piece) = frame.into_data()
                    && !piece.is_empty()
                {
                    return Ok(Some(piece));
                }
            }
        }
    }
}
