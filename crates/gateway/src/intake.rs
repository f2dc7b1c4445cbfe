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

/// How much of a body that is passed on as it comes is looked at first.
const HEAD_BYTES: usize = 16 * 1024;

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

/// Reads the beginning of a body that will be passed on as it comes.
///
/// # Errors
/// When nothing comes in time, or the body ends early.
pub(crate) async fn read_head(
    body: &mut CallerBody,
    pause_max: Duration,
) -> Result<Bytes, IntakeError> {
    let mut head = BytesMut::new();
    while head.len() < HEAD_BYTES {
        match next_piece(body, pause_max).await? {
            Some(piece) => head.extend_from_slice(&piece),
            None => break,
        }
    }
    Ok(head.freeze())
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

/// The value of the form field `model` in the beginning of a multipart body.
///
/// The official SDKs send plain fields before files; where the field comes later, `None`.
pub(crate) fn multipart_model(head: &[u8]) -> Option<&str> {
    let name = br#"name="model""#;
    let at = head.windows(name.len()).position(|window| window == name)?;
    let rest = &head[at + name.len()..];
    let blank = rest.windows(4).position(|window| window == b"\r\n\r\n")?;
    let value = &rest[blank + 4..];
    let end = value.windows(2).position(|window| window == b"\r\n")?;
    let model = std::str::from_utf8(&value[..end]).ok()?;
    (!model.is_empty() && model.len() <= 256).then_some(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found_in_a_multipart_form() {
        let form = b"--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--x";
        assert_eq!(multipart_model(form), Some("whisper-1"));
        assert_eq!(multipart_model(b"--x\r\nname=\"model\"\r\n\r\nwhis"), None);
        assert_eq!(multipart_model(b"name=\"model\""), None);
        assert_eq!(multipart_model(b""), None);
        assert_eq!(multipart_model(b"name=\"model\"\r\n\r\n\xff\xfe\r\n"), None);
    }
}
