//! What may come in from outside: one TLS stack, and licences that allow the product to be given away under its own.

use super::finding::Finding;
use super::metadata::{Metadata, Package};

const PATH: &str = "Cargo.lock";

/// Packages of another TLS stack than rustls with ring.
const REFUSED: [&str; 8] =
    ["openssl", "openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys", "aws-lc-fips-sys", "boring", "boring-sys"];

/// Licences that ask for no more than notices; MPL-2.0 asks for changes to the licensed files alone.
const ALLOWED: [&str; 16] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "0BSD",
    "BSL-1.0",
    "ISC",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
    "CC0-1.0",
    "MPL-2.0",
    // Of the list of root certificates, which is data.
    "CDLA-Permissive-2.0",
];

pub(crate) fn check(metadata: &Metadata) -> Vec<Finding> {
    metadata.packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Finding> {
    let Package { name, version, license } = package;
    let mut findings = Vec::new();
    if REFUSED.contains(&name.as_str()) {
        findings.push(Finding::new(
            PATH,
            1,
            format!("{name} {version} brings a second TLS stack; use rustls with ring"),
        ));
    }
    match license {
        None => findings.push(Finding::new(PATH, 1, format!("{name} {version} names no licence"))),
        Some(expression) if !is_allowed(expression) => {
            let message = format!("{name} {version} is under {expression:?}; allowed are {}", ALLOWED.join(", "));
            findings.push(Finding::new(PATH, 1, message));
        }
        Some(_) => {}
    }
    findings
}

/// Whether an SPDX expression can be met with allowed licences: one side of each OR, both sides of each AND.
fn is_allowed(expression: &str) -> bool {
    // Before SPDX expressions, cargo wrote `MIT/Apache-2.0` for OR.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words };
    reader.any() && reader.words.is_empty()
}

struct Reader<'a> {
    words: &'a [&'a str],
}

impl<'a> Reader<'a> {
    fn take(&mut self, expected: &str) -> bool {
        match self.words.split_first() {
            Some((word, rest)) if *word == expected => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }

    fn word(&mut self) -> &'a str {
        match self.words.split_first() {
            Some((word, rest)) => {
                self.words = rest;
                word
            }
            None => "",
        }
    }

    fn any(&mut self) -> bool {
        let mut met = self.all();
        while self.take("OR") {
            met |= self.all();
        }
        met
    }

    fn all(&mut self) -> bool {
        let mut met = self.one();
        while self.take("AND") {
            met &= self.one();
        }
        met
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let met = self.any();
            return self.take(")") && met;
        }
        let license = self.word();
        if self.take("WITH") {
            let exception = self.word();
            return ALLOWED.contains(&format!("{license} WITH {exception}").as_str());
        }
        ALLOWED.contains(&license)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_expressions_are_evaluated() {
        for (expression, allowed) in [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT", true),
            ("GPL-3.0-only AND MIT", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("(MIT OR GPL-2.0) AND LGPL-3.0", false),
            ("Apache-2.0 WITH LLVM-exception OR LGPL-2.1", true),
            ("Apache-2.0 WITH Other-exception", false),
            ("", false),
            ("MIT )", false),
        ] {
            assert_eq!(is_allowed(expression), allowed, "{expression}");
        }
    }

    #[test]
    fn a_second_tls_stack_is_refused() {
        let package =
            Package { name: "openssl-sys".to_owned(), version: "0.9.1".to_owned(), license: Some("MIT".to_owned()) };
        assert_eq!(check_package(&package).len(), 1);
    }
}
