//! What a figure has to be, and whether it is.

use std::fmt::Write;

/// What is asked of a figure.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// One line: a figure, often one of the product divided by the same of another side.
pub(crate) struct Aim {
    pub(crate) what: String,
    pub(crate) figure: f64,
    pub(crate) goal: Goal,
}

/// The lines as a table of Markdown; `title` is that of what they are, and of their figures.
pub(crate) fn render(text: &mut String, title: &str, aims: &[Aim]) {
    let _ = writeln!(text, "\n| {title} | asked for | |\n|---|--:|--:|---|");
    for Aim { what, figure, goal } in aims {
        let (asked, holds) = match goal {
            Goal::AtLeast(least) => (format!("at least {least}"), figure >= least),
            Goal::AtMost(most) => (format!("at most {most}"), figure <= most),
        };
        let holds = if holds { "holds" } else { "**missed**" };
        let _ = writeln!(text, "| {what} | **{figure:.2}** | {asked} | {holds} |");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_stands_beside_what_was_asked_for() {
        let aim = |figure, goal| Aim { what: "one".to_owned(), figure, goal };
        let mut text = String::new();
        render(&mut text, "what | ratio", &[aim(0.5, Goal::AtLeast(0.6)), aim(0.5, Goal::AtMost(0.5))]);
        let lines: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(
            lines,
            ["| one | **0.50** | at least 0.6 | **missed** |", "| one | **0.50** | at most 0.5 | holds |"]
        );
    }
}
