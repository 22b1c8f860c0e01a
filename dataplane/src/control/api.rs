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
        match route(door, request.method(), request.uri().path()) {
            Ok(Route::Status) => self.status().await,
            Ok(Route::Metrics) => self.metrics().await,
            Ok(Route::Drain) => self.drain(),
            Ok(Route::Tables) => self.tables(request).await,
            Err(Misrouted::Path(known)) => {
                let reason = format!("there is no {}: the paths are {known}", request.uri().path());
                answer::error(StatusCode::NOT_FOUND, "path", reason)
            }
            Err(Misrouted::Method(allowed)) => answer::method_not_allowed(allowed),
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

    async fn tables(&self, request: Request<Incoming>) -> Answer {
        if let Err((header, reason)) = media_type(request.headers()) {
            return answer::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, header, reason);
        }
        let wanted = match generation(request.uri().query()) {
            Ok(wanted) => wanted,
            Err(reason) => return answer::error(StatusCode::BAD_REQUEST, "generation", reason),
        };
        let read = body::read(request.into_body(), &self.limits, &self.budget, &self.ending).await;
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
