//! Sizes for people.

use std::fmt;

/// Bytes, shown in the largest unit that they fill: `999 B`, `5.92 MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let at = self.0.max(1).ilog2() / 10;
        let Some(unit) = at.checked_sub(1).and_then(|at| units.get(at as usize)) else {
            return write!(f, "{} B", self.0);
        };
        let one = 1_u128 << (at * 10);
        let hundredths = (u128::from(self.0) * 100 + one / 2) / one;
        write!(f, "{}.{:02} {unit}", hundredths / 100, hundredths % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn a_size_has_two_decimals_of_the_largest_unit_that_it_fills() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (6_207_570, "5.92 MiB"),
            (1 << 40, "1.00 TiB"),
            (u64::MAX, "16.00 EiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }
}
