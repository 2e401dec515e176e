//! The size of a part, as people write sizes of media.

use std::fmt;
use std::str::FromStr;

/// Smaller parts are of no use.
const MIN_BYTES: u64 = 1024;

/// Bytes per part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartSize(u64);

impl PartSize {
    /// Returns the bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// The factor of a unit: as `split` and `dd` have it, K, M and G count in 1024, KB, MB and GB in 1000.
fn factor(unit: &str) -> Option<u64> {
    Some(match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KIB" => 1 << 10,
        "M" | "MIB" => 1 << 20,
        "G" | "GIB" => 1 << 30,
        "T" | "TIB" => 1 << 40,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    })
}

/// Digits with at most one point, without floating point: `4.7` of a unit is exact.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let divisor = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    u64::try_from(digits.checked_mul(u128::from(factor))? / divisor).ok()
}

impl FromStr for PartSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, unit) = text.split_at(end.unwrap_or(text.len()));
        let bytes = factor(unit.trim()).and_then(|factor| scaled(number, factor));
        let bytes = bytes.ok_or("write a number and a unit, such as 1G, 4480M or 4.7GB")?;
        if bytes < MIN_BYTES {
            return Err(format!("a part has at least {MIN_BYTES} bytes"));
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for PartSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("1G", 1 << 30),
            ("4480M", 4480 << 20),
            ("4.7GB", 4_700_000_000),
            ("4.7 gb", 4_700_000_000),
            ("650MiB", 650 << 20),
            ("1.5K", 1536),
            ("2048", 2048),
        ] {
            assert_eq!(text.parse::<PartSize>().unwrap().bytes(), bytes, "{text}");
        }
        for bad in [
            "",
            "G",
            "1X",
            "-1G",
            "1,5G",
            "1..5G",
            "1023",
            "0",
            "99999999999G",
            "1e9",
        ] {
            assert!(bad.parse::<PartSize>().is_err(), "{bad}");
        }
    }
}
