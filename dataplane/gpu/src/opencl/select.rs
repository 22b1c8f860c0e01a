//! Which of several devices is meant.

use super::{
    device::{DeviceType, Found},
    error::OpenError,
};
use std::{convert::Infallible, fmt, str::FromStr};

/// A wish for a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first usable one, GPUs before accelerators before CPUs.
    #[default]
    Auto,
    /// The device at this place of [`devices`](super::devices).
    Index(usize),
    /// The first usable device whose platform or name holds this text,
    /// letter case aside.
    Name(String),
}

impl FromStr for DeviceChoice {
    type Err = Infallible;

    /// A number is an index; empty text or `auto` is no wish; all else a name.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.parse() {
            Ok(index) => Self::Index(index),
            Err(_) if text.is_empty() || text.eq_ignore_ascii_case("auto") => Self::Auto,
            Err(_) => Self::Name(text.to_owned()),
        })
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Index(index) => write!(f, "number {index}"),
            Self::Name(name) => write!(f, "called '{name}'"),
        }
    }
}

impl DeviceChoice {
    fn fits(&self, found: &Found) -> bool {
        match self {
            Self::Auto => true,
            Self::Index(index) => found.report.index == *index,
            Self::Name(name) => found.report.description().to_lowercase().contains(&name.to_lowercase()),
        }
    }
}

/// The device that is meant.
pub(super) fn select(choice: &DeviceChoice, all: Vec<Found>) -> Result<Found, OpenError> {
    if all.is_empty() {
        return Err(OpenError::NoDevice);
    }
    let (fitting, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|found| choice.fits(found));
    if fitting.is_empty() {
        let known: Vec<_> = others
            .iter()
            .map(|found| format!("{} {}", found.report.index, found.report.description()))
            .collect();
        return Err(OpenError::NoSuchDevice { wanted: choice.to_string(), known: known.join(", ") });
    }
    let rank = |found: &Found| match found.report.kind {
        DeviceType::Gpu => 0,
        DeviceType::Accelerator => 1,
        DeviceType::Cpu => 2,
        DeviceType::Custom => 3,
    };
    if let Some(best) =
        fitting.iter().filter(|found| found.unusable.is_none()).min_by_key(|found| rank(found))
    {
        return Ok(best.clone());
    }
    let mut reasons =
        fitting.into_iter().filter_map(|found| Some((found.report.description(), found.unusable?)));
    let (device, why) = reasons.next().ok_or(OpenError::NoDevice)?;
    let rest: Vec<_> = reasons.map(|(device, why)| format!("{device}: {why}")).collect();
    if rest.is_empty() {
        return Err(OpenError::Unusable { device, why });
    }
    Err(OpenError::NoneUsable { reasons: format!("{device}: {why}; {}", rest.join("; ")) })
}

#[cfg(test)]
mod tests {
    use super::{
        super::device::{Atomics, DeviceReport, Svm, Unusable},
        *,
    };

    fn device(index: usize, kind: DeviceType, name: &str, unusable: Option<Unusable>) -> Found {
        let report = DeviceReport {
            index,
            platform: "Plat".into(),
            name: name.into(),
            kind,
            version: "OpenCL 3.0".into(),
            svm: Svm::default(),
            atomics: Atomics::default(),
            compute_units: 1,
            workgroup_capacity: 1,
            max_workgroup_size: 1,
            usable: unusable.is_none(),
            reason: None,
        };
        Found { id: std::ptr::null_mut(), report, unusable }
    }

    fn machine() -> Vec<Found> {
        vec![
            device(0, DeviceType::Cpu, "Pocl cpu", None),
            device(1, DeviceType::Gpu, "Old GPU", Some(Unusable::OldOpenCl(1, 2))),
            device(2, DeviceType::Gpu, "Good GPU", None),
        ]
    }

    fn chosen(text: &str) -> Result<usize, String> {
        let choice = text.parse().unwrap();
        select(&choice, machine()).map(|found| found.report.index).map_err(|error| error.to_string())
    }

    #[test]
    fn gpus_come_first_and_wishes_are_kept() {
        assert_eq!(chosen("auto"), Ok(2));
        assert_eq!(chosen(""), Ok(2));
        assert_eq!(chosen("0"), Ok(0));
        assert_eq!(chosen("POCL"), Ok(0));
        assert_eq!(chosen("gpu"), Ok(2), "the first usable one of that name");
    }

    #[test]
    fn refusals_name_the_devices_and_their_lack() {
        assert!(chosen("old").unwrap_err().contains("OpenCL 1.2"));
        assert!(chosen("1").unwrap_err().contains("--gpu none"));
        let unknown = chosen("7").unwrap_err();
        assert!(unknown.contains("number 7") && unknown.contains("0 Plat / Pocl cpu"), "{unknown}");
        assert!(matches!(select(&DeviceChoice::Auto, Vec::new()), Err(OpenError::NoDevice)));
        let broken = vec![
            device(0, DeviceType::Cpu, "a", Some(Unusable::NoAtomics)),
            device(1, DeviceType::Cpu, "b", Some(Unusable::NoSvmAtomics)),
        ];
        let error = select(&DeviceChoice::Auto, broken).unwrap_err().to_string();
        assert!(error.contains("a: ") && error.contains("b: "), "{error}");
    }
}
