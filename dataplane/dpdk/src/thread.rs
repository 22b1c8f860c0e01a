//! Threads of ours that DPDK shall know.

use std::cell::Cell;
use std::marker::PhantomData;

use crate::eal::Eal;
use crate::error::{Errno, Error};

thread_local! {
    /// Whether DPDK knows this thread as an lcore.
    static IS_LCORE: Cell<bool> = const { Cell::new(false) };
}

/// The thread that initialised the EAL is an lcore by that.
pub(crate) fn mark_main() {
    IS_LCORE.set(true);
}

/// The calling thread as a (non-EAL) lcore: its mempool caches work while this lives.
///
/// An unregistered thread may use everything too, but every packet that it
/// allocates or frees then goes through the pool's shared ring.
#[must_use = "the thread is registered only as long as the guard lives"]
pub struct EalThread {
    /// `None` where the thread was an lcore already: then there is nothing to undo.
    registered: Option<Eal>,
    /// Registration belongs to the thread: the guard must not leave it.
    _not_send: PhantomData<*const ()>,
}

impl EalThread {
    pub(crate) fn register(eal: &Eal) -> Result<Self, Error> {
        if IS_LCORE.get() {
            return Ok(Self { registered: None, _not_send: PhantomData });
        }
        // SAFETY: the EAL is initialised.
        Errno::check(unsafe { dpdk_sys::rte_thread_register() })
            .map_err(|errno| Error::call("rte_thread_register", "this thread", errno))?;
        IS_LCORE.set(true);
        Ok(Self { registered: Some(eal.clone()), _not_send: PhantomData })
    }

    /// Whether this guard registered the thread; else it was an lcore already.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.registered.is_some()
    }
}

impl Drop for EalThread {
    fn drop(&mut self) {
        if self.registered.is_some() {
            IS_LCORE.set(false);
            // SAFETY: this very thread was registered by this guard.
            unsafe { dpdk_sys::rte_thread_unregister() }
        }
    }
}
