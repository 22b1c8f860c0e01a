//! A security association as the packet path uses it.

use std::sync::Arc;

use hummingbird_crds::tables::{EspMode, Match, SaKeys, SecurityAssociation};
use hummingbird_esp::{Direction, Mode, Sa, SaIdentity};
use hummingbird_gpu::{Accelerator, TableMemoryFull, TableRef};
use hummingbird_kernels::layout::SaRecord;

/// Why an SA cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum SaError {
    /// Its state of an earlier run cannot be used.
    #[error("security association {name}: {source}")]
    State {
        /// The SA's name.
        name: String,
        /// What is wrong.
        source: hummingbird_esp::StateError,
    },
    /// Table memory is full.
    #[error("security association {name}: {source}")]
    Memory {
        /// The SA's name.
        name: String,
        /// How full.
        source: TableMemoryFull,
    },
}

/// One SA, with its state of type `S`.
pub struct LiveSa<S> {
    /// Headers.
    pub sa: Sa,
    /// Numbers or window, shared by every generation that names the SA.
    pub state: Arc<S>,
    /// Keys as intel-ipsec-mb wants them.
    pub key: ipsec_mb::Key,
    /// Keys as the kernels want them, where the function runs on the GPU.
    pub record: Option<TableRef>,
    /// Which packets it is for.
    pub selector: Match,
}

impl<S> LiveSa<S> {
    /// Makes an SA ready, its `state` given.
    ///
    /// # Errors
    /// No room in table memory.
    pub fn new(
        spec: &SecurityAssociation,
        state: Arc<S>,
        manager: &ipsec_mb::Manager,
        accelerator: Option<&dyn Accelerator>,
    ) -> Result<Self, SaError> {
        let SaKeys { cipher, integrity } = &spec.keys;
        let record = accelerator
            .map(|accelerator| accelerator.publish(&SaRecord::new(cipher, integrity, spec.esn).to_bytes()))
            .transpose()
            .map_err(|source| SaError::Memory { name: spec.name.clone(), source })?;
        Ok(Self {
            sa: Sa::new(spec.spi, mode(spec.mode)),
            state,
            key: ipsec_mb::Key::new(manager, cipher, integrity),
            record,
            selector: spec.selector.clone(),
        })
    }

    /// Offset of its kernel record in table memory.
    pub fn table(&self) -> u32 {
        self.record.as_ref().map_or(0, TableRef::offset)
    }
}

/// Who an SA is.
pub fn identity(direction: Direction, spec: &SecurityAssociation) -> SaIdentity {
    let destination = match spec.mode {
        EspMode::Transport => None,
        EspMode::Tunnel { destination, .. } => Some(destination),
    };
    SaIdentity::new(direction, spec.spi, destination, &spec.keys.cipher, &spec.keys.integrity)
}

fn mode(mode: EspMode) -> Mode {
    match mode {
        EspMode::Transport => Mode::Transport,
        EspMode::Tunnel { source, destination } => Mode::Tunnel { source, destination },
    }
}
