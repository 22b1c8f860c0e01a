//! What the figures were taken on.

use std::{fs, process::Command};

/// One line for each thing that a reader must know.
pub fn describe() -> Vec<(&'static str, String)> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        cpuinfo
            .lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(':'))
            .map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let flags = field("flags");
    let known = ["avx2", "avx512f", "vaes", "sha_ni"];
    let has: Vec<_> = known.into_iter().filter(|flag| flags.split(' ').any(|has| has == *flag)).collect();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = |name: &str| {
        memory
            .lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_whitespace().nth(1))
            .and_then(|value| value.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let packages = ["libdpdk-dev", "libipsec-mb1", "libvectorscan5", "openssl", "pocl-opencl-icd"];
    vec![
        (
            "CPU",
            format!(
                "{} × {}, {}",
                cpuinfo.matches("processor\t").count(),
                field("model name"),
                has.join(" ")
            ),
        ),
        (
            "memory",
            format!("{} GiB, {} hugepages", kilobytes("MemTotal") >> 20, kilobytes("HugePages_Total")),
        ),
        ("kernel", fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()),
        ("packages", packages.into_iter().filter_map(package).collect::<Vec<_>>().join(", ")),
        ("load at the start", load.split(' ').next().unwrap_or("unknown").to_owned()),
    ]
}

fn package(name: &str) -> Option<String> {
    let output = Command::new("dpkg-query").args(["-W", "-f=${Package} ${Version}", name]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Today, `2026-11-24`.
pub fn date() -> String {
    let seconds =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    civil(seconds / 86_400)
}

/// A day since 1970-01-01 in the Gregorian calendar (Howard Hinnant, `civil_from_days`).
fn civil(days: u64) -> String {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        assert_eq!(civil(0), "1970-01-01");
        assert_eq!(civil(11_016), "2000-02-29");
        assert_eq!(civil(20_781), "2026-11-24");
    }
}
