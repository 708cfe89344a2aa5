//! What one run cost, as the programs print it in one line of JSON, and the median of several runs.

use serde_json::Value;

use crate::Failure;

/// The figures of one run, or medians over several.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) events_per_second: f64,
    pub(crate) cpu_seconds_per_million: f64,
    /// MB of 10^6 bytes.
    pub(crate) peak_memory_mb: f64,
    /// Of a batch, commit or request, where the program measures it.
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
}

impl Figures {
    /// Reads the line a program printed.
    pub(crate) fn parse(line: &str) -> Result<Self, Failure> {
        let parsed: Value =
            serde_json::from_str(line).map_err(|error| format!("not a line of figures: {line:?}: {error}"))?;
        let number = |name: &str| parsed.get(name).and_then(Value::as_f64);
        let required = |name: &str| number(name).ok_or_else(|| format!("no {name} in {line}"));
        Ok(Self {
            events_per_second: required("events_per_second")?,
            cpu_seconds_per_million: required("cpu_seconds_per_million")?,
            peak_memory_mb: required("peak_rss_mb")?,
            p50_ms: number("p50_ms"),
            p99_ms: number("p99_ms"),
        })
    }

    /// The median of each figure by itself.
    pub(crate) fn median(runs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(runs.iter().map(figure).collect()).unwrap_or_default();
        Self {
            events_per_second: of(|run| run.events_per_second),
            cpu_seconds_per_million: of(|run| run.cpu_seconds_per_million),
            peak_memory_mb: of(|run| run.peak_memory_mb),
            p50_ms: median(runs.iter().filter_map(|run| run.p50_ms).collect()),
            p99_ms: median(runs.iter().filter_map(|run| run.p99_ms).collect()),
        }
    }
}

/// The middle one, of an even count the lower; none of none.
pub(crate) fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_taken_figure_by_figure() {
        let line = |rate: u32, p99: u32| {
            let text = format!(
                r#"{{"limit":"append","events_per_second":{rate},"cpu_seconds_per_million":1.5,"peak_rss_mb":80,"p99_ms":{p99}}}"#
            );
            Figures::parse(&text).unwrap()
        };
        let median = Figures::median(&[line(300, 1), line(100, 3), line(200, 2)]);
        assert_eq!((median.events_per_second, median.p99_ms, median.p50_ms), (200.0, Some(2.0), None));
        assert!(Figures::parse("{}").is_err());
    }
}
