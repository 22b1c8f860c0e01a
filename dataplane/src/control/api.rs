//! From a request to its answer.

use std::sync::Arc;

use hyper::{Request, StatusCode, body::Incoming};
use serde::Serialize;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    task::spawn_blocking,
};

use super::{
    Ending, Limits, Operations,
    answer::{self, Answer},
    body::{self, Budget, Held},
    metrics,
    request::{generation, media_type},
    route::{Door, Misrouted, Route, route},
};

/// What answers.
pub struct Api {
    operations: Arc<dyn Operations>,
    limits: Limits,
    budget: Arc<Budget>,
    /// Held by the change that runs: they run one at a time, in the order in
    /// which their bodies were complete.
    turn: Arc<Mutex<()>>,
    ending: Ending,
}

#[derive(Serialize)]
struct Draining {
    draining: bool,
}

#[derive(Serialize)]
struct Changed {
    generation: u64,
}

impl Api {
    /// Answers for the chain behind `operations`.
    pub fn new(operations: Arc<dyn Operations>, limits: Limits, ending: Ending) -> Self {
        let budget = Arc::new(Budget::new(limits.held_bytes));
        Self { operations, limits, budget, turn: Arc::default(), ending }
    }

    /// Answers one request.
    pub async fn answer(&self, door: Door, request: Request<Incoming>) -> Answer {
        match judge(door, &request) {
            Ok(Wish::Status) => self.status().await,
            Ok(Wish::Metrics) => self.metrics().await,
            Ok(Wish::Drain) => self.drain(),
            Ok(Wish::Change(wanted)) => self.tables(request.into_body(), wanted).await,
            Err(refused) => {
                body::discard(request.into_body(), &self.limits, &self.ending).await;
                *refused
            }
        }
    }

    async fn status(&self) -> Answer {
        let operations = Arc::clone(&self.operations);
        aside(move || answer::json(StatusCode::OK, &operations.status())).await
    }

    async fn metrics(&self) -> Answer {
        let operations = Arc::clone(&self.operations);
        aside(move || match metrics::encode(operations.status()) {
            Ok(text) => answer::plain(StatusCode::OK, metrics::MEDIA_TYPE, text.into_bytes()),
            Err(error) => answer::error(StatusCode::INTERNAL_SERVER_ERROR, "metrics", error.to_string()),
        })
        .await
    }

    fn drain(&self) -> Answer {
        tracing::info!("a drain was asked for");
        self.operations.drain();
        answer::json(StatusCode::ACCEPTED, &Draining { draining: true })
    }

    async fn tables(&self, body: Incoming, wanted: Option<u64>) -> Answer {
        let read = body::read(body, &self.limits, &self.budget, &self.ending).await;
        let bundle = match read {
            Ok(bundle) => bundle,
            Err(error) => return answer::body(error, &self.limits),
        };
        let Some(turn) = self.ending.or(Arc::clone(&self.turn).lock_owned()).await else {
            return answer::ending(answer::SOON);
        };
        let operations = Arc::clone(&self.operations);
        aside(move || change(&*operations, &bundle, wanted, turn)).await
    }
}

/// What a request asks for, as its head says.
enum Wish {
    Status,
    Metrics,
    Drain,
    /// With the number that the generation is to have.
    Change(Option<u64>),
}

/// Reads a request's head; fails with the answer to a wrong one.
fn judge<B>(door: Door, request: &Request<B>) -> Result<Wish, Box<Answer>> {
    let path = request.uri().path();
    match route(door, request.method(), path) {
        Ok(Route::Status) => Ok(Wish::Status),
        Ok(Route::Metrics) => Ok(Wish::Metrics),
        Ok(Route::Drain) => Ok(Wish::Drain),
        Ok(Route::Tables) => {
            media_type(request.headers()).map_err(|(header, reason)| {
                Box::new(answer::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, header, reason))
            })?;
            let wanted = generation(request.uri().query())
                .map_err(|reason| Box::new(answer::error(StatusCode::BAD_REQUEST, "generation", reason)))?;
            Ok(Wish::Change(wanted))
        }
        Err(Misrouted::Path(known)) => {
            let reason = format!("there is no {path}: the paths are {known}");
            Err(Box::new(answer::error(StatusCode::NOT_FOUND, "path", reason)))
        }
        Err(Misrouted::Method(allowed)) => Err(Box::new(answer::method_not_allowed(allowed))),
    }
}

/// Makes the change. The turn is kept until it is done, also when its client
/// has gone meanwhile.
fn change(
    operations: &dyn Operations,
    bundle: &Held,
    wanted: Option<u64>,
    _turn: OwnedMutexGuard<()>,
) -> Answer {
    match operations.change(&bundle.bytes, wanted) {
        Ok(generation) => answer::json(StatusCode::OK, &Changed { generation }),
        Err(refusal) => {
            tracing::warn!(?refusal, "a table change is refused");
            answer::refusal(&refusal, operations.status().generation)
        }
    }
}

/// Runs what may block off the thread that serves everybody.
async fn aside(work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request failed");
        answer::error(StatusCode::INTERNAL_SERVER_ERROR, "server", "the request failed: see the log")
    })
}
