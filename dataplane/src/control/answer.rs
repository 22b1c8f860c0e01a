//! Answers. All that are not 2xx say `{"errors": [{"field", "reason"}]}`.

use http_body_util::Full;
use hummingbird_crds::Violation;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER},
    http::HeaderValue,
};
use serde::Serialize;

use super::{Limits, Refusal, body::BodyError};

/// A whole answer.
pub type Answer = Response<Full<Bytes>>;

/// Seconds after which a client whom a busy server refused may come again.
pub const SOON: u32 = 1;

/// What is wrong, and with `reason` a word for programs.
#[derive(Serialize)]
struct Wrong<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    errors: &'a [Violation],
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<u64>,
}

/// `body` of media type `kind`.
pub fn plain(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// `body` as JSON.
pub fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    match serde_json::to_vec(body) {
        Ok(mut text) => {
            text.push(b'\n');
            plain(status, "application/json", text)
        }
        Err(error) => {
            let text = format!("{{\"errors\":[{{\"field\":\"\",\"reason\":{:?}}}]}}\n", error.to_string());
            plain(StatusCode::INTERNAL_SERVER_ERROR, "application/json", text.into_bytes())
        }
    }
}

/// One thing is wrong.
pub fn error(status: StatusCode, field: &str, reason: impl Into<String>) -> Answer {
    wrong(status, None, &[Violation::new(field, reason)], None)
}

/// The path has other methods.
pub fn method_not_allowed(allowed: &'static str) -> Answer {
    let reason = format!("this path takes {allowed}");
    with(error(StatusCode::METHOD_NOT_ALLOWED, "method", reason), ALLOW, HeaderValue::from_static(allowed))
}

/// Not now.
pub fn unavailable(word: &str, reason: &str, retry_after: u32) -> Answer {
    let answer =
        wrong(StatusCode::SERVICE_UNAVAILABLE, Some(word), &[Violation::new("generation", reason)], None);
    with(answer, RETRY_AFTER, HeaderValue::from(retry_after))
}

/// The run ends.
pub fn ending(retry_after: u32) -> Answer {
    unavailable("Ending", "the chain drains and ends: ask the process that follows it", retry_after)
}

/// A body that was not read.
pub fn body(error_: BodyError, limits: &Limits) -> Answer {
    match error_ {
        BodyError::TooLarge => error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body",
            format!("it is larger than {} bytes: split what the chain does", limits.body_bytes),
        ),
        BodyError::TooSlow => error(
            StatusCode::REQUEST_TIMEOUT,
            "body",
            format!("nothing came for {:?}, or not all within {:?}", limits.body_idle, limits.body_within),
        ),
        BodyError::Busy => unavailable("Busy", "other requests' bodies fill the memory for them", SOON),
        BodyError::Broken => {
            error(StatusCode::BAD_REQUEST, "body", "it ends too early or its chunks are wrong")
        }
        BodyError::Ending => ending(SOON),
    }
}

/// A change that the chain refused while generation `running` ran.
pub fn refusal(refusal: &Refusal, running: u64) -> Answer {
    match refusal {
        Refusal::Invalid(errors) => wrong(StatusCode::UNPROCESSABLE_ENTITY, None, errors, None),
        Refusal::NotNewer { running } => {
            let reason = format!("it is not newer than {running}, which runs with other content");
            let errors = [Violation::new("generation", reason)];
            wrong(StatusCode::CONFLICT, Some("NotNewer"), &errors, Some(*running))
        }
        Refusal::RequiresRestart(errors) => {
            wrong(StatusCode::CONFLICT, Some("RequiresRestart"), errors, Some(running))
        }
        Refusal::Draining { retry_after } => unavailable(
            "Draining",
            "packets of too many older generations are still on their way",
            *retry_after,
        ),
        Refusal::Ending { retry_after } => ending(*retry_after),
    }
}

fn wrong(status: StatusCode, reason: Option<&str>, errors: &[Violation], running: Option<u64>) -> Answer {
    json(status, &Wrong { reason, errors, running })
}

fn with(mut answer: Answer, name: HeaderName, value: HeaderValue) -> Answer {
    answer.headers_mut().insert(name, value);
    answer
}
