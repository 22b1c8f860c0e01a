//! Records as the little-endian words that the kernels read.

/// Words as bytes.
pub(crate) fn to_bytes(words: impl IntoIterator<Item = u32>) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// The first `N` words of `bytes`, which holds as many.
#[cfg(feature = "oracle")]
pub(crate) fn from_bytes<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let (words, _) = bytes.as_chunks();
    std::array::from_fn(|i| u32::from_le_bytes(words[i]))
}
