//! The terminal: where text goes and whether it is coloured.
//!
//! Results go to standard output, everything else (progress, notes, errors) to standard error. Colours appear on a
//! terminal only, and never with `NO_COLOR`, unless `--color` says otherwise.

use std::fmt;
use std::io::{IsTerminal, Write};

use clap::ValueEnum;

use crate::failure::Failure;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The process's output, decided once at start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// Colours of standard output.
    pub(crate) out: Palette,
    /// Colours of standard error.
    pub(crate) error: Palette,
}

/// Paints text, or leaves it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Palette {
    colored: bool,
}

/// What a piece of text is, not how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// A heading or a figure that matters.
    Strong,
    /// Secondary text.
    Faint,
    /// Something went wrong.
    Bad,
    /// Something went well; also JSON strings.
    Good,
    /// Needs attention; also JSON numbers.
    Notice,
    /// A name; also JSON keys.
    Name,
}

impl Terminal {
    /// Looks at both streams, `NO_COLOR` and `TERM`.
    pub(crate) fn new(choice: ColorChoice) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let palette = |is_terminal: bool| Palette {
            colored: match choice {
                ColorChoice::Auto => is_terminal && !refused,
                ColorChoice::Always => true,
                ColorChoice::Never => false,
            },
        };
        Self { out: palette(std::io::stdout().is_terminal()), error: palette(std::io::stderr().is_terminal()) }
    }

    /// Writes a line of result. A reader that went away is no error of ours, but ends the command.
    ///
    /// # Errors
    /// [`Failure::PipeClosed`], or a report when standard output cannot be written.
    #[expect(clippy::unused_self, reason = "output goes through the terminal, so that tests and callers see one door")]
    pub(crate) fn line(&self, text: impl fmt::Display) -> Result<(), Failure> {
        writeln!(std::io::stdout().lock(), "{text}").map_err(Failure::from_output)
    }

    /// Writes a line of secondary information to standard error. Nothing can be done when that fails.
    #[expect(clippy::unused_self, reason = "see `line`")]
    pub(crate) fn note(&self, text: impl fmt::Display) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}

impl Palette {
    /// Whether it paints at all.
    pub(crate) fn is_colored(self) -> bool {
        self.colored
    }

    /// `text` in `ink`.
    pub(crate) fn paint<T: fmt::Display>(self, ink: Ink, text: T) -> Painted<T> {
        Painted { ink: self.colored.then_some(ink), text }
    }
}

/// Text with its ink; writes itself with the terminal's control sequences around it.
#[derive(Debug)]
pub(crate) struct Painted<T> {
    ink: Option<Ink>,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ANSI SGR codes; the eight basic colours follow the user's own theme.
        let code = match self.ink {
            None => return self.text.fmt(formatter),
            Some(Ink::Strong) => "1",
            Some(Ink::Faint) => "2",
            Some(Ink::Bad) => "1;31",
            Some(Ink::Good) => "32",
            Some(Ink::Notice) => "33",
            Some(Ink::Name) => "36",
        };
        write!(formatter, "\x1b[{code}m")?;
        self.text.fmt(formatter)?;
        formatter.write_str("\x1b[0m")
    }
}

/// An aligned table without lines, figures to the right; cells are wrapped to the width of the terminal, where there is one.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let is_numeric = |index: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(index));
        cells.all(|cell| is_figure(cell))
    };
    let numeric: Vec<bool> = (0..header.len()).map(is_numeric).collect();
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header.iter().copied());
    if let Some(width) = width() {
        table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic).set_width(width);
    }
    table.add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        // Without lines, the first column's padding would only indent the table.
        column.set_padding((0, 2));
        if numeric.get(index).copied().unwrap_or(false) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// Whether a cell is a number, a unit behind it or not; a time is none.
fn is_figure(cell: &str) -> bool {
    let number = cell.split(' ').next().unwrap_or_default();
    number.starts_with(|first: char| first.is_ascii_digit())
        && number.chars().all(|letter| letter.is_ascii_digit() || ".,%".contains(letter))
}

/// The width of the terminal on standard output, where it is one.
pub(crate) fn width() -> Option<u16> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| width.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_to_the_right() {
        for (cell, expected) in
            [("1,200", true), ("0.5 s", true), ("2013-01-01T10:00:00Z", false), ("", false), ("a1", false)]
        {
            assert_eq!(is_figure(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn ink_shows_only_where_it_is_wanted() {
        let always = Terminal::new(ColorChoice::Always);
        assert_eq!(always.out.paint(Ink::Good, 7).to_string(), "\u{1b}[32m7\u{1b}[0m");
        let never = Terminal::new(ColorChoice::Never);
        assert_eq!(never.error.paint(Ink::Bad, "x").to_string(), "x");
    }
}
