//! Which request means what.

use hyper::Method;

/// Where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The control socket.
    Control,
    /// The metrics address.
    Metrics,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The report of now.
    Status,
    /// The end of the run.
    Drain,
    /// Another generation.
    Tables,
    /// The report of now for Prometheus.
    Metrics,
}

/// Why a request means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misrouted {
    /// No such path; the ones that there are.
    Path(&'static str),
    /// No such method; the ones that there are.
    Method(&'static str),
}

/// What `method` on `path` means at `door`.
///
/// # Errors
/// It means nothing.
pub fn route(door: Door, method: &Method, path: &str) -> Result<Route, Misrouted> {
    let (route, allowed) = match (door, path) {
        (_, "/metrics") => (Route::Metrics, "GET, HEAD"),
        (Door::Control, "/v1/status") => (Route::Status, "GET, HEAD"),
        (Door::Control, "/v1/drain") => (Route::Drain, "POST"),
        (Door::Control, "/v1/tables") => (Route::Tables, "PUT"),
        (Door::Control, _) => {
            return Err(Misrouted::Path("/v1/status, /v1/drain, /v1/tables and /metrics"));
        }
        (Door::Metrics, _) => return Err(Misrouted::Path("/metrics")),
    };
    if allowed.split(", ").any(|one| one == method.as_str()) {
        Ok(route)
    } else {
        Err(Misrouted::Method(allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_address_serves_metrics_alone() {
        assert_eq!(route(Door::Metrics, &Method::GET, "/metrics"), Ok(Route::Metrics));
        for path in ["/v1/status", "/v1/drain", "/v1/tables"] {
            assert_eq!(route(Door::Metrics, &Method::POST, path), Err(Misrouted::Path("/metrics")));
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        let tried = |method: Method, path| route(Door::Control, &method, path);
        assert_eq!(tried(Method::POST, "/v1/status"), Err(Misrouted::Method("GET, HEAD")));
        assert_eq!(tried(Method::GET, "/v1/drain"), Err(Misrouted::Method("POST")));
        assert_eq!(tried(Method::POST, "/v1/tables"), Err(Misrouted::Method("PUT")));
        assert_eq!(tried(Method::HEAD, "/metrics"), Ok(Route::Metrics));
    }
}
