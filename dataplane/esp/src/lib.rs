//! ESP by RFC 4303: header logic, sequence numbers, replay window, SA state.
