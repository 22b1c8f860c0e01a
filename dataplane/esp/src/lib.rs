#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod buffer;
mod decapsulate;
mod drop_reason;
mod ecn;
mod encapsulate;
mod identity;
mod inbound;
mod iv;
mod outbound;
mod padding;
mod sa;
mod state;
mod window;

pub use buffer::{OwnedFrame, PacketBuffer};
pub use decapsulate::{finish_decrypt, open};
pub use drop_reason::EspDrop;
pub use encapsulate::{encapsulate, encapsulated_len};
pub use identity::{Direction, SaIdentity};
pub use inbound::InboundSa;
#[cfg(any(test, feature = "test-iv"))]
pub use iv::SeededIv;
pub use iv::{CtrIv, IvError, IvSource};
pub use outbound::{NumberUse, OutboundSa};
pub use sa::{ESP_HEADER, EspJob, ICV, IV, Mode, Sa};
pub use state::{Damage, Persistence, SaStates, StateError, StateOptions};
pub use window::Refused;
