//! Rust source as far as the rules need it: what is code, what is a comment, what is a literal, and how long functions are.
//!
//! A small lexer, not a parser: it follows comments, strings, raw strings, character literals and braces. It does not expand
//! macros; a function written inside one counts like any other.

/// A source file taken apart.
pub(crate) struct RustText {
    /// The source with comments and the insides of literals blanked out; lines and columns as before.
    pub(crate) code: String,
    /// The insides of string literals, with the line each begins on.
    pub(crate) strings: Vec<(usize, String)>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The line of its `fn`, from 1.
    pub(crate) line: usize,
    /// From the line of `fn` to the line of the closing brace.
    pub(crate) lines: usize,
}

impl RustText {
    pub(crate) fn parse(source: &str) -> Self {
        let mut lexer = Lexer { rest: source, line: 1, code: String::with_capacity(source.len()), strings: Vec::new() };
        while !lexer.rest.is_empty() {
            lexer.step();
        }
        Self { code: lexer.code, strings: lexer.strings }
    }

    /// Every function with a body, in order.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for (start, _) in self.code.match_indices("fn ") {
            let before = self.code.get(..start).unwrap_or_default();
            let after = self.code.get(start + 3..).unwrap_or_default();
            let name: String = after.chars().take_while(|c| is_word(*c)).collect();
            if name.is_empty() || before.ends_with(is_word) {
                continue;
            }
            if let Some(body) = body_end(after) {
                let lines = 1 + line_breaks(after.get(..body).unwrap_or_default());
                functions.push(Function { name, line: 1 + line_breaks(before), lines });
            }
        }
        functions
    }
}

fn line_breaks(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Where the body that follows a function's name ends; `None` for a declaration without one.
fn body_end(code: &str) -> Option<usize> {
    let mut braces = 0_usize;
    let mut brackets = 0_usize;
    for (index, character) in code.char_indices() {
        match character {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            ';' if braces == 0 && brackets == 0 => return None,
            '{' => braces += 1,
            '}' if braces <= 1 => return Some(index),
            '}' => braces -= 1,
            _ => {}
        }
    }
    None
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    code: String,
    strings: Vec<(usize, String)>,
}

impl<'a> Lexer<'a> {
    fn step(&mut self) {
        let inside_word = self.code.ends_with(is_word);
        if self.rest.starts_with("//") {
            let length = self.rest.find('\n').unwrap_or(self.rest.len());
            self.blank(length);
        } else if self.rest.starts_with("/*") {
            self.blank(block_comment(self.rest));
        } else if !inside_word && let Some((opening, hashes)) = raw_string(self.rest) {
            self.string(opening, &format!("\"{}", "#".repeat(hashes)), false);
        } else if self.rest.starts_with('"') {
            self.string(1, "\"", true);
        } else if let Some(length) = character_literal(self.rest) {
            self.blank(length);
        } else {
            let length = self.rest.chars().next().map_or(1, char::len_utf8);
            let taken = self.take(length);
            self.code.push_str(taken);
        }
    }

    fn string(&mut self, opening: usize, closing: &str, escapes: bool) {
        let line = self.line;
        self.blank(opening);
        let length = string_end(self.rest, closing, escapes);
        let inside = self.rest.get(..length).unwrap_or_default().to_owned();
        self.strings.push((line, inside));
        self.blank(length);
        self.blank(closing.len().min(self.rest.len()));
    }

    /// Passes over bytes, leaving spaces and line breaks in the code.
    fn blank(&mut self, length: usize) {
        let taken = self.take(length);
        self.code.extend(taken.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.line += line_breaks(taken);
        self.rest = rest;
        taken
    }
}

/// The length of the block comment a text begins with; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut index = 0;
    while let Some(rest) = text.get(index..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            index += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            index += 2;
            if depth == 0 {
                return index;
            }
        } else {
            index += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of the opening of the raw string a text begins with (`br##"`), and how many hashes it has.
fn raw_string(text: &str) -> Option<(usize, usize)> {
    let prefix = ["r", "br", "cr"]
        .into_iter()
        .find(|prefix| text.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('#') || rest.starts_with('"')))?;
    let rest = text.strip_prefix(prefix)?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest.get(hashes..)?.starts_with('"').then_some((prefix.len() + hashes + 1, hashes))
}

fn string_end(text: &str, closing: &str, escapes: bool) -> usize {
    let mut index = 0;
    while let Some(rest) = text.get(index..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(closing) {
            return index;
        }
        let mut characters = rest.chars();
        let first = characters.next();
        index += first.map_or(1, char::len_utf8);
        if escapes && first == Some('\\') {
            index += characters.next().map_or(0, char::len_utf8);
        }
    }
    text.len()
}

/// The length of the character literal a text begins with; `None` for a lifetime.
fn character_literal(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    let end = if first == '\\' {
        2 + inside.get(2..)?.find('\'')?
    } else {
        let length = first.len_utf8();
        inside.get(length..)?.starts_with('\'').then_some(length)?
    };
    Some(end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        let source =
            "let a = \"x { \\\" }\"; // fn no() {\n/* { /* } */ */ let b = '{'; let c: &'static str = r#\"q\"}\"#;";
        let text = RustText::parse(source);
        assert!(!text.code.contains(['{', '}']), "{}", text.code);
        assert!(text.code.contains("&'static str"));
        assert_eq!(text.code.chars().count(), source.chars().count());
        assert_eq!(text.strings, [(1, "x { \\\" }".to_owned()), (2, "q\"}".to_owned())]);
    }

    #[test]
    fn functions_are_measured() {
        let source = "trait T { fn declared(&self, a: [u8; 2]); }\npub async fn long<'a>(x: &'a str) -> u8\n{\n    if a { b }\n    1\n}\n\
                      type F = fn (u8);\nfn short() {}\n";
        let function = |name: &str, line, lines| Function { name: name.to_owned(), line, lines };
        assert_eq!(RustText::parse(source).functions(), [function("long", 2, 5), function("short", 8, 1)]);
    }
}
