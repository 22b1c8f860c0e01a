//! The control socket and the metrics endpoint.
