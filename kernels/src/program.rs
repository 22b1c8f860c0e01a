//! The one program text that a device builds.

use std::sync::LazyLock;

/// Name of the persistent kernel in the program.
pub const KERNEL_NAME: &str = "gpu_syncer";

/// Options for the device's compiler. OpenCL C 3.0 is what every runtime with
/// C11 atomics accepts (PoCL 3.1 has no 2.0, Intel's defaults to 1.2).
pub const BUILD_OPTIONS: &str = "-cl-std=CL3.0";

/// The sources in the order in which they need one another.
const SOURCES: [(&str, &str); 7] = [
    ("layout.h", include_str!("../cl/layout.h")),
    ("portable.h", include_str!("../cl/portable.h")),
    ("aes.cl", include_str!("../cl/aes.cl")),
    ("sha1.cl", include_str!("../cl/sha1.cl")),
    ("esp.cl", include_str!("../cl/esp.cl")),
    ("match.cl", include_str!("../cl/match.cl")),
    ("syncer.cl", include_str!("../cl/syncer.cl")),
];

/// All sources as one text, with `#line` marks so that a build error names the
/// file and line of `kernels/cl/` that it is in.
#[must_use]
pub fn program_source() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        SOURCES.iter().map(|(name, text)| format!("#line 1 \"kernels/cl/{name}\"\n{text}\n")).collect()
    });
    &TEXT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::*;
    use std::collections::BTreeMap;
    use std::mem::offset_of;

    /// Every `#define HB_NAME number` of `cl/layout.h`.
    fn header_constants() -> BTreeMap<&'static str, u64> {
        let number = |text: &str| {
            let text = text.trim_end_matches('u');
            match text.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(hex, 16).ok(),
                None => text.parse().ok(),
            }
        };
        SOURCES[0]
            .1
            .lines()
            .filter_map(|line| line.strip_prefix("#define "))
            .filter(|define| !define.contains('('))
            .map(|define| {
                let (name, value) = define.split_once(' ').expect("a constant has a value");
                (name, number(value).unwrap_or_else(|| panic!("{name}: {value} is no number")))
            })
            .collect()
    }

    #[test]
    fn the_header_says_what_the_layout_says() {
        let layout: BTreeMap<&str, u64> = [
            ("HB_LINE", LINE),
            ("HB_CONTROL_BYTES", size_of::<Control>()),
            ("HB_CONTROL_CPU_INDEX", offset_of!(Control, cpu_index)),
            ("HB_CONTROL_GPU_INDEX", offset_of!(Control, gpu_index)),
            ("HB_CONTROL_LEFT", offset_of!(Control, left)),
            ("HB_CONTROL_ALIVE", offset_of!(Control, alive)),
            ("HB_LAUNCH_LEAVE", offset_of!(LaunchControl, leave)),
            ("HB_ROW_HEADER_BYTES", size_of::<RowHeader>()),
            ("HB_ROW_HEADER_KERNEL", offset_of!(RowHeader, kernel)),
            ("HB_ROW_HEADER_COUNT", offset_of!(RowHeader, count)),
            ("HB_DESCRIPTOR_BYTES", size_of::<Descriptor>()),
            ("HB_DESCRIPTOR_FLAG", offset_of!(Descriptor, flag)),
            ("HB_DESCRIPTOR_TABLE", offset_of!(Descriptor, table)),
            ("HB_DESCRIPTOR_DATA", offset_of!(Descriptor, data)),
            ("HB_DESCRIPTOR_LEN", offset_of!(Descriptor, len)),
            ("HB_SIDE_BYTES", size_of::<Side>()),
            ("HB_OUTCOME_BYTES", size_of::<Outcome>()),
            ("HB_KERNEL_ESP_ENCRYPT", KernelId::EspEncrypt as usize),
            ("HB_KERNEL_ESP_DECRYPT", KernelId::EspDecrypt as usize),
            ("HB_KERNEL_MATCH", KernelId::Match as usize),
            ("HB_DONE", DONE as usize),
            ("HB_BAD_ICV", BAD_ICV as usize),
            ("HB_ESP_CIPHER_OFFSET", ESP_CIPHER_OFFSET),
            ("HB_SA_BYTES", size_of::<SaRecord>()),
            ("HB_SA_ENCRYPT", offset_of!(SaRecord, encrypt)),
            ("HB_SA_DECRYPT", offset_of!(SaRecord, decrypt)),
            ("HB_SA_INNER", offset_of!(SaRecord, inner)),
            ("HB_SA_OUTER", offset_of!(SaRecord, outer)),
            ("HB_SA_ESN", offset_of!(SaRecord, esn)),
            ("HB_MATCH_IDS", MATCH_IDS),
            ("HB_MATCH_OVERFLOW", MATCH_OVERFLOW as usize),
            ("HB_MATCH_NONE", MATCH_NONE as usize),
            ("HB_HAS_OUTPUTS", HAS_OUTPUTS as usize),
            ("HB_AUTOMATON_BYTES", size_of::<AutomatonHeader>()),
            ("HB_AUTOMATON_CLASSES", offset_of!(AutomatonHeader, classes)),
            ("HB_AUTOMATON_STATES", offset_of!(AutomatonHeader, states)),
            ("HB_AUTOMATON_CLASS_MAP", offset_of!(AutomatonHeader, class_map)),
            ("HB_AUTOMATON_NEXT", offset_of!(AutomatonHeader, next)),
            ("HB_AUTOMATON_INDEX", offset_of!(AutomatonHeader, index)),
            ("HB_AUTOMATON_OUTPUTS", offset_of!(AutomatonHeader, outputs)),
        ]
        .map(|(name, value)| (name, value as u64))
        .into();
        assert_eq!(header_constants(), layout);
    }

    #[test]
    fn a_build_error_can_name_its_file() {
        for (name, text) in SOURCES {
            assert!(program_source().contains(&format!("#line 1 \"kernels/cl/{name}\"\n{text}")));
        }
        assert!(program_source().contains(&format!("__kernel void {KERNEL_NAME}(")));
    }
}
