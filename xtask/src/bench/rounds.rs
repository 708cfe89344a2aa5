//! Two sides of a comparison, run in turns: what the machine does meanwhile hits both.

use super::figures::Figures;
use crate::Failure;

/// One line of the report: what was measured, and both sides' medians.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) product: Figures,
    pub(crate) bare: Figures,
}

/// Runs both sides `rounds` times; who begins alternates.
pub(crate) fn alternate(
    what: &str,
    rounds: usize,
    mut product: impl FnMut() -> Result<Figures, Failure>,
    mut bare: impl FnMut() -> Result<Figures, Failure>,
) -> Result<Row, Failure> {
    println!("\n== {what}");
    let mut runs = (Vec::new(), Vec::new());
    for round in 0..rounds {
        if round % 2 == 0 {
            runs.0.push(shown("product", product()?));
            runs.1.push(shown("bare", bare()?));
        } else {
            runs.1.push(shown("bare", bare()?));
            runs.0.push(shown("product", product()?));
        }
    }
    Ok(Row { what: what.to_owned(), product: Figures::median(&runs.0), bare: Figures::median(&runs.1) })
}

fn shown(side: &str, figures: Figures) -> Figures {
    println!(
        "{side:>8}: {:>10.0} events/s, {:.2} CPU s per million, {:.0} MB",
        figures.events_per_second, figures.cpu_seconds_per_million, figures.peak_memory_mb
    );
    figures
}
