//! The reference of the app file, printed from the table of fields that the reader uses.

use std::fmt::Write;

use crate::fields::{SECTIONS, Section};
use crate::test_file;

const OPENING: &str = "# The app file

<!-- Printed from crates/app/src/fields/. To change it, change the table there and run
     `RIVERRUN_BLESS=1 cargo test -p riverrun-app reference`. -->

`riverrun.yaml` declares one app. `riverrun init` writes a first one, `riverrun check` reports every mistake in it at once, each with
its place and how to mend it.

Editors know all fields through the JSON Schema that `riverrun init` writes beside the file ([riverrun.schema.json](riverrun.schema.json);
`riverrun schema` prints it): VS Code with the YAML extension, and every editor with yaml-language-server, reads the first line of
the file, `# yaml-language-server: $schema=riverrun.schema.json`, and completes, explains and checks what you type.

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

## Several files

`include` names further files of the app, one by one or by pattern; a `*` stands for any characters within one name:

```yaml
app: shop
include: [topics.yaml, pipelines/*.yaml]
```

They lie in the app file's folder or below it, and hold `topics`, `models`, `pipelines` and `fragments`. All names count in
all files, whatever their order; the same name in two files is a mistake that shows both places. A pattern that matches nothing is a mistake too. Only
the app file itself includes. Hidden names, the app file itself and the files of its environments are never matched.

## Environments

`riverrun --env prod run` (or RIVERRUN_ENV=prod) lays `riverrun.prod.yaml` over `riverrun.yaml`; for `-f shop.yaml` it is
`shop.prod.yaml`. Such a file may hold `log`, `data_dir`, `durability`, `compression`, `cache`, `listen`, `limits` and `access`, so an app does the
same wherever it runs:

```yaml
listen: 0.0.0.0:8080
data_dir: /var/lib/shop
access: { tokens: [{ name: web, secret: '${file:/run/secrets/web}' }] }
```

Mappings are laid over field by field, everything else (a list of tokens, say) as a whole. Every command that loads the app file
takes the environment, `check` too. An environment without a file is an error that names those that have one.
";

/// An example of each step; all of them run in the tests of the library.
const STEPS: &str = include_str!("steps.md");

/// The reference as Markdown: docs/app-file.md.
#[must_use]
pub fn reference() -> String {
    tables(OPENING, SECTIONS) + STEPS
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
            let cells = [&*field.takes.words(), field.default, field.meaning].map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(text, "| `{}` | {} | `{}` |", field.name, cells.join(" | "), field.example);
        }
    }
    text
}
