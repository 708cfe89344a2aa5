//! Durations (`400d`, `12h`, `30m`, `10s`, `250ms`) and sizes (`1GiB`, `500MB`, `1024`).

use std::time::Duration;

/// What a duration looks like, for messages.
pub(crate) const DURATION: &str = "a duration such as 7d, 12h, 30m, 10s or 250ms";
/// What a size looks like, for messages.
pub(super) const SIZE: &str = "a size such as 10GiB, 500MB or 1024";

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (count, unit) = split(text)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" => return Err("the unit is missing; it is one of ms, s, m, h, d".to_owned()),
        other => return Err(format!("`{other}` is no unit of time; they are ms, s, m, h, d")),
    };
    count.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(|| "it is too long".to_owned())
}

pub(super) fn size(text: &str) -> Result<u64, String> {
    let (count, unit) = split(text)?;
    let bytes = match unit {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        other => return Err(format!("`{other}` is no unit of size; they are B, kB, MB, GB, TB, KiB, MiB, GiB, TiB")),
    };
    count.checked_mul(bytes).ok_or_else(|| "it is too large".to_owned())
}

fn split(text: &str) -> Result<(u64, &str), String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    if count.is_empty() {
        return Err("it has to begin with a whole number".to_owned());
    }
    if unit.starts_with(['.', ',']) {
        return Err("fractions are not taken; use a smaller unit".to_owned());
    }
    Ok((count.parse().map_err(|_| "the number is too large".to_owned())?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, ms) in
            [("400d", 34_560_000_000), ("12h", 43_200_000), ("30m", 1_800_000), ("10 s", 10_000), ("250ms", 250)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "7", "d", "1.5h", "-1d", "7days", "99999999999999999999d", "999999999999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_may_have_units() {
        for (text, bytes) in [("1GiB", 1 << 30), ("500MB", 500_000_000), ("1024", 1024), ("1 KiB", 1024)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "GiB", "1.5GB", "1gb", "99999999999TiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
