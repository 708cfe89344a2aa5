//! The reference of the app file, printed from the table of fields that the reader uses.

use std::fmt::Write;

use crate::fields::{SECTIONS, Section};
use crate::test_file;

const OPENING: &str = "# The app file

<!-- Printed from crates/app/src/fields.rs. To change it, change the table there and run
     `RIVERRUN_BLESS=1 cargo test -p riverrun-app reference`. -->

`riverrun.yaml` declares one app. `riverrun init` writes a first one, `riverrun check` reports every mistake in it at once, each with
its place and how to mend it.

## What values look like

| value | looks like |
|---|---|
| name | 1 to 200 characters of `a-z`, `0-9`, `.`, `_`, `-`, beginning with neither `.` nor `_` |
| duration | a whole number and `d`, `h`, `m`, `s` or `ms`: `400d`, `12h`, `250ms` |
| size | a whole number and `kB`, `MB`, `GB`, `TB`, `KiB`, `MiB`, `GiB`, `TiB`, or bytes without a unit: `10GiB`, `1024` |
| field | a place in the event's data: `data.name`, `data.part.name` |
| expression | CEL over the event: `id`, `source`, `type`, `subject`, `time`, `key`, `attributes`, `data`. A missing field is null, an ordering comparison with null is false, arithmetic on null is the event's error |

Put an expression in quotes when it begins with one of `! & * { [ \" ' % @`, or contains `: ` or ` #`.

`${env:NAME}`, `${env:NAME:-default}` and `${file:path}` stand for an environment variable or a file's text in every value except
expressions and fields; `$${` stands for the text `${`. What they give is never printed.
";

/// The reference as Markdown: docs/app-file.md.
#[must_use]
pub fn reference() -> String {
    tables(OPENING, SECTIONS)
}

const TEST_OPENING: &str = "# The test file

<!-- Printed from crates/app/src/test_file/fields.rs. To change it, change the table there and run
     `RIVERRUN_BLESS=1 cargo test -p riverrun-app reference`. -->

A file `*.test.yaml` beside the app file, or in its folder `tests/`, holds tests that `riverrun test` runs. [Testing](testing.md) shows how they are
written; this page has every field. Names, durations and the like look as in [the app file](app-file.md).

Data is written in YAML and sent as JSON: plain numbers, `true`, `false` and `null` are what JSON has under that name, everything else is text, and
so is everything in quotes. `${...}` is not filled in.
";

/// The reference of test files as Markdown: docs/test-file.md.
#[must_use]
pub fn test_reference() -> String {
    tables(TEST_OPENING, test_file::fields::SECTIONS)
}

fn tables(opening: &str, sections: &[&Section]) -> String {
    let mut text = opening.to_owned();
    for section in sections {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n## `{}`\n\n{}\n\n", section.path, section.meaning);
        text.push_str("| field | takes | without it | meaning | example |\n|---|---|---|---|---|\n");
        for field in section.fields {
            let cells = [field.takes, field.default, field.meaning].map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(text, "| `{}` | {} | `{}` |", field.name, cells.join(" | "), field.example);
        }
    }
    text
}
