//! Amazon Bedrock: the exception in a header, and nothing but a message in the body.

use http::StatusCode;

use super::limit_of;
use crate::{
    enforcer::Refusal,
    quota::{Metric, Quota},
    refusal::ApiError,
};

pub(super) fn refusal(refusal: &Refusal) -> ApiError {
    let what = match limit_of(refusal) {
        Some((quota, _)) if quota.metric == Metric::Requests => "requests",
        Some(_) => "tokens",
        None => "requests",
    };
    let window = match limit_of(refusal) {
        Some((quota, _)) if quota.window_ms >= Quota::DAY_MS => " per day",
        _ => "",
    };
    let message = format!("Too many {what}{window}, please wait before trying again.");
    ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "ThrottlingException",
        message,
    )
}

/// The exception of an error; errors that were made for this provider carry theirs.
pub(crate) fn error_type(error: &ApiError) -> &'static str {
    if error.kind.ends_with("Exception") {
        return error.kind;
    }
    match error.status.as_u16() {
        401 => "UnrecognizedClientException",
        403 => "AccessDeniedException",
        404 | 405 => "ResourceNotFoundException",
        408 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        500 => "InternalServerException",
        503 => "ServiceUnavailableException",
        _ => "ValidationException",
    }
}

/// The name of an exception inside a stream, which begins with a small letter.
pub(crate) fn exception_member(error: &ApiError) -> &'static str {
    match error_type(error) {
        "ThrottlingException" => "throttlingException",
        "InternalServerException" => "internalServerException",
        "ServiceUnavailableException" => "serviceUnavailableException",
        "ValidationException" => "validationException",
        _ => "modelStreamErrorException",
    }
}
