//! The directory that DPDK makes per process, `/var/run/dpdk/PREFIX`, and its leftovers.
//!
//! No shared configuration is written there in either memory mode, so it stays
//! empty; but DPDK never removes it, and a killed process cannot.

use std::ffi::CStr;
use std::path::{Path, PathBuf};

const PREFIX: &str = "hummingbird-";

/// The `--file-prefix` of this process.
pub(crate) fn file_prefix() -> String {
    format!("{PREFIX}{}", std::process::id())
}

/// The directory of this process, once the EAL has made it.
pub(crate) fn current() -> Option<PathBuf> {
    // SAFETY: returns a static C string, empty before the EAL has chosen a directory.
    let text = unsafe { CStr::from_ptr(dpdk_sys::rte_eal_get_runtime_dir()) };
    let path = PathBuf::from(text.to_str().ok()?);
    path.file_name()?.to_str()?.starts_with(PREFIX).then_some(path)
}

/// Removes the empty directories that earlier processes left beside `own`.
///
/// Whether they still live does not matter: nobody looks for an empty one again.
pub(crate) fn sweep(own: &Path) {
    let entries = own.parent().and_then(|parent| std::fs::read_dir(parent).ok());
    for entry in entries.into_iter().flatten().flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if ours && entry.path() != own {
            // Refused when not empty, which is right; a race with another sweeper is harmless.
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_only_empty_directories_of_ours() {
        let root = std::env::temp_dir().join(format!("dpdk-sweep-{}", std::process::id()));
        let own = root.join("hummingbird-2");
        for name in ["hummingbird-1", "hummingbird-2", "hummingbird-3/config", "rte"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        sweep(&own);
        let mut left: Vec<_> = std::fs::read_dir(&root)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["hummingbird-2", "hummingbird-3", "rte"]);
        std::fs::remove_dir_all(&root).unwrap();
    }
}
