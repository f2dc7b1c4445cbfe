//! Forms that calls are: the model that they name, found while they come, and another in its place.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;

use crate::intake::{IntakeError, next_piece};
use crate::multipart::{Malformed, Multipart, Piece};
use crate::respond::Problem;
use crate::server::CallerBody;
use crate::shared::{BufferedBytes, Shared};

/// A form that announces at most this size is read in full: it can be sent again.
const WHOLE_BYTES_MAX: u64 = 1 << 20;

/// How much of another one is read before it is passed on as it comes.
const HEAD_BYTES: usize = 16 * 1024;

/// The longest name of a model that is read.
const MODEL_BYTES_MAX: usize = 256;

/// A form, as far as it was read.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) head: Bytes,
    /// Whether that is all of it.
    pub(crate) is_whole: bool,
    pub(crate) model: Option<NamedModel>,
    /// Room that it takes.
    pub(crate) room: Option<BufferedBytes>,
}

/// The model that a form names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedModel {
    pub(crate) name: Arc<str>,
    /// Where the name is, in the part of the form that was read.
    place: Range<usize>,
}

impl NamedModel {
    /// The beginning of the form with another model in its place.
    pub(crate) fn replaced(&self, head: &[u8], model: &str) -> Option<Bytes> {
        let before = head.get(..self.place.start)?;
        let behind = head.get(self.place.end..)?;
        Some([before, model.as_bytes(), behind].concat().into())
    }
}

/// How forms are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FormBounds {
    /// The most that is read of one, in search of its model.
    pub(crate) bytes_max: u64,
    /// Longest pause between two pieces.
    pub(crate) pause_max: Duration,
    /// Whether the model has to be known, because of what its name means here.
    pub(crate) needs_model: bool,
}

/// Reads a form until its model is known, and short ones to their end.
///
/// The official SDKs send plain fields before files, and others do not: the search goes on through a
/// file where the model has to be known.
///
/// # Errors
/// When the caller stops sending, there is no room, or a model that has to be known is not found.
pub(crate) async fn read_form(
    body: &mut CallerBody,
    content_type: &str,
    bounds: FormBounds,
    shared: &Arc<Shared>,
) -> Result<Form, IntakeError> {
    let short = WHOLE_BYTES_MAX.min(bounds.bytes_max);
    let is_short = body.size_hint().exact().is_some_and(|all| all <= short);
    let mut search = Search::new(content_type);
    let mut head = BytesMut::new();
    let mut room = Vec::new();
    let is_whole = loop {
        let seeks = bounds.needs_model && !search.is_over();
        if head.len() >= HEAD_BYTES && !is_short && !seeks {
            break false;
        }
        let Some(piece) = next_piece(body, bounds.pause_max).await? else {
            break true;
        };
        if seeks && (head.len() + piece.len()) as u64 > bounds.bytes_max {
            return Err(IntakeError::Problem(model_comes_late(bounds.bytes_max)));
        }
        let taken = shared.reserve_bytes(piece.len() as u64);
        room.push(taken.ok_or_else(|| IntakeError::Problem(Problem::overloaded()))?);
        search.push(&piece);
        head.extend_from_slice(&piece);
    };
    let model = match bounds.needs_model {
        true => search.only_model().map_err(IntakeError::Problem)?,
        false => search.model,
    };
    drop(room);
    Ok(Form {
        room: shared.reserve_bytes(head.len() as u64),
        head: head.freeze(),
        is_whole,
        model,
    })
}

fn model_comes_late(bytes_max: u64) -> Problem {
    let message = format!(
        "the form does not name its model in its first {bytes_max} bytes; send the field model before the file"
    );
    Problem::invalid_request(message, Some("model"))
}

/// The search for the field `model` of a form that comes in pieces.
#[derive(Debug)]
struct Search {
    /// `None`: there is nothing more to be found.
    form: Option<Multipart>,
    /// The value of the field that is being read, and where it begins.
    value: Option<(Vec<u8>, usize)>,
    model: Option<NamedModel>,
    fields_seen: usize,
    malformed: Option<Malformed>,
}

impl Search {
    fn new(content_type: &str) -> Self {
        let form = Multipart::new(content_type);
        Self {
            malformed: form.as_ref().err().copied(),
            form: form.ok(),
            value: None,
            model: None,
            fields_seen: 0,
        }
    }

    /// Whether the field was found, or will not be.
    fn is_over(&self) -> bool {
        self.form.is_none() || (self.fields_seen > 0 && self.value.is_none())
    }

    fn push(&mut self, bytes: &[u8]) {
        let Some(mut form) = self.form.take() else {
            return;
        };
        form.push(bytes);
        loop {
            match form.next() {
                Ok(None) => break,
                Ok(Some(Piece::End)) => return,
                Ok(Some(piece)) => self.take(piece, form.offset()),
                Err(malformed) => {
                    self.malformed = Some(malformed);
                    return;
                }
            }
        }
        self.form = Some(form);
    }

    /// Takes a piece that ends at `offset`.
    fn take(&mut self, piece: Piece, offset: usize) {
        match piece {
            Piece::Part { name, filename } => {
                let is_model = name == "model" && filename.is_none();
                self.fields_seen += usize::from(is_model);
                self.value = is_model.then(|| (Vec::new(), offset));
            }
            Piece::Content(content) => {
                if let Some((value, _)) = &mut self.value {
                    // One byte more than a name may have says that it is too long.
                    let left = (MODEL_BYTES_MAX + 1).saturating_sub(value.len());
                    value.extend_from_slice(&content[..content.len().min(left)]);
                }
            }
            Piece::PartEnd => {
                if let Some((value, start)) = self.value.take() {
                    self.model = self.model.take().or_else(|| named(&value, start));
                }
            }
            Piece::End => {}
        }
    }

    /// The model, where the form says without doubt which one it is.
    fn only_model(self) -> Result<Option<NamedModel>, Problem> {
        let (message, param) = match (self.malformed, self.fields_seen) {
            (Some(malformed), _) => (
                format!("the body is no form of multipart/form-data: {malformed}"),
                None,
            ),
            (None, 2..) => (
                "'model' appears more than once; send it once".to_owned(),
                Some("model"),
            ),
            (None, _) => return Ok(self.model),
        };
        Err(Problem::invalid_request(message, param))
    }
}

fn named(value: &[u8], start: usize) -> Option<NamedModel> {
    let name = std::str::from_utf8(value).ok()?;
    (!name.is_empty() && name.len() <= MODEL_BYTES_MAX).then(|| NamedModel {
        name: Arc::from(name),
        place: start..start + value.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=x";

    /// What is found in a form that comes in pieces of this size.
    fn search(form: &[u8], size: usize) -> Search {
        let mut search = Search::new(TYPE);
        for piece in form.chunks(size) {
            search.push(piece);
        }
        search
    }

    #[test]
    fn the_model_is_found_wherever_it_is_and_replaced_where_it_is() {
        let form = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\n\r\n\
            name=\"model\"\r\n\r\nnone\r\n--x\r\nContent-Disposition: form-data; name=model\r\n\r\nwhisper-1\r\n--x--";
        for size in [1, 7, 64, form.len()] {
            let model = search(form, size).only_model().unwrap().unwrap();
            assert_eq!(&*model.name, "whisper-1", "{size}");
            let replaced = model.replaced(form, "tiny").unwrap();
            let expected = String::from_utf8_lossy(form).replace("whisper-1", "tiny");
            assert_eq!(replaced, expected, "{size}");
        }
    }

    #[test]
    fn what_names_no_model_and_what_names_two_is_told_apart() {
        let field = |value: &str| {
            format!("--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{value}\r\n")
        };
        let found = |form: &str| search(form.as_bytes(), 9).only_model().map(|m| m.is_some());
        assert!(found(&format!("{}--x--", field("a"))).unwrap());
        for value in ["", &"a".repeat(MODEL_BYTES_MAX + 1)] {
            assert!(
                !found(&format!("{}--x--", field(value))).unwrap(),
                "{value}"
            );
        }
        let two = found(&format!("{}{}--x--", field("a"), field("b"))).unwrap_err();
        assert!(two.message.contains("more than once"), "{}", two.message);
        assert!(found("--xyz").is_err());
        let cut = search(field("whis").trim_end().as_bytes(), 9);
        assert!(!cut.is_over(), "the name may go on");
        assert!(Search::new("text/plain").only_model().is_err());
    }
}
