//! docs/tutorial.md, line by line: every command in it is run in order, and has to print what the page shows.
//!
//! In what is shown, `...` stands for anything: lines where it stands alone, a part of the line elsewhere. Times and the server's port may be
//! others. The server gets a free port; commands of Riverrun find it as they do for everyone, and `curl` is played by this test.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Nothing here takes a second on a quiet machine; the bound is for a busy one.
const PATIENCE: Duration = Duration::from_secs(120);
/// The server's address in the page.
const ADDRESS: &str = "127.0.0.1:8080";

#[test]
fn the_tutorial_prints_what_it_shows() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/tutorial.md")).unwrap();
    let commands = commands(&page);
    assert!(commands.len() > 20, "the page has lost its commands: {}", commands.len());
    let folder = tempfile::tempdir().unwrap();
    let mut reader = Newcomer { folder: folder.path().to_owned(), server: None };
    commands.iter().for_each(|command| reader.follow(command));
    assert!(reader.server.is_none(), "the page leaves a server running");
}

/// A command of the page with what it is to print.
struct Shown {
    line: usize,
    command: String,
    output: Vec<String>,
}

fn commands(page: &str) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    let mut lines = (1..).zip(page.lines());
    let mut inside = false;
    while let Some((line, text)) = lines.next() {
        match text {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ if text == "^C" || text.starts_with("$ ") => {
                let mut command = text.trim_start_matches("$ ").to_owned();
                if command.contains("<<'END'") {
                    let document = lines.by_ref().map(|(_, text)| text).take_while(|text| *text != "END");
                    command = document.fold(command, |command, text| command + "\n" + text) + "\nEND";
                }
                found.push(Shown { line, command, output: Vec::new() });
            }
            _ => found.last_mut().unwrap().output.push(text.to_owned()),
        }
    }
    found
}

/// Somebody who follows the page.
struct Newcomer {
    folder: PathBuf,
    server: Option<Server>,
}

struct Server {
    process: Child,
    lines: Receiver<String>,
    address: String,
}

impl Newcomer {
    fn follow(&mut self, shown: &Shown) {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let (output, success) = self.run(&shown.command);
            let expected = normalized(&shown.output);
            let actual = normalized(&output);
            // A command that only fills a file or changes the folder shows nothing; all others print what is shown.
            if matches(&expected, &actual) {
                let may_fail = shown.output.iter().any(|line| line.contains("failed"));
                assert!(success || may_fail, "line {}: {} failed", shown.line, shown.command);
                return;
            }
            // What a pipeline makes of an event is there a moment later.
            let again = is_read(&shown.command) && Instant::now() < give_up_at;
            assert!(
                again,
                "line {} of docs/tutorial.md: {}\nshows\n{}\nand printed\n{}",
                shown.line,
                shown.command,
                shown.output.join("\n"),
                output.join("\n")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn run(&mut self, command: &str) -> (Vec<String>, bool) {
        match command {
            "riverrun run" => (self.start(), true),
            "^C" => (self.server.take().unwrap().interrupt(), true),
            _ if command.starts_with("curl ") => (vec![curl(command, &self.server.as_ref().unwrap().address)], true),
            _ => self.shell(command),
        }
    }

    fn shell(&mut self, command: &str) -> (Vec<String>, bool) {
        let script = format!("exec 2>&1\n{command}");
        let output = self.environment(Command::new("sh").args(["-c", &script])).output().unwrap();
        if let Some((_, folder)) = command.split_once("&& cd ") {
            self.folder.push(folder);
        }
        let text = String::from_utf8(output.stdout).unwrap();
        (text.lines().map(ToOwned::to_owned).collect(), output.status.success())
    }

    fn start(&mut self) -> Vec<String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_riverrun"));
        let command = self.environment(command.args(["run", "--listen", "127.0.0.1:0"]));
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let error = BufReader::new(process.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || error.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut banner: Vec<String> = Vec::new();
        while !banner.iter().any(|line| line.trim_start().starts_with("pipelines")) {
            banner.push(lines.recv_timeout(PATIENCE).unwrap());
        }
        let url = banner.iter().find_map(|line| line.split_once("http://")).unwrap();
        let address = url.1.to_owned();
        self.server = Some(Server { process, lines, address });
        banner
    }

    fn environment<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let bin = Path::new(env!("CARGO_BIN_EXE_riverrun")).parent().unwrap().display().to_string();
        let path = format!("{bin}:{}", std::env::var("PATH").unwrap_or_default());
        for name in ["RIVERRUN_URL", "RIVERRUN_TOKEN", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.env("PATH", path).env("NO_COLOR", "1").current_dir(&self.folder)
    }
}

/// Commands that change nothing, and may be asked again until the answer is there.
fn is_read(command: &str) -> bool {
    let reads = ["riverrun tail", "riverrun dead-letters", "riverrun status"];
    reads.iter().any(|read| command.starts_with(read)) || command.starts_with("curl ") && !command.contains(" -d ")
}

impl Server {
    /// Ctrl-C, and what it prints then.
    fn interrupt(mut self) -> Vec<String> {
        let status = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status().unwrap();
        assert!(status.success());
        let rest = self.lines.iter().collect();
        assert!(self.process.wait().unwrap().success());
        rest
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What `curl` would print: the body of the answer. Knows what the page uses: a URL, `-H` and `-d`.
fn curl(command: &str, address: &str) -> String {
    let mut words = words(command).into_iter().skip(1);
    let (mut target, mut headers, mut body) = (String::new(), String::new(), None);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-H" => headers.push_str(&format!("{}\r\n", words.next().unwrap())),
            "-d" => body = words.next(),
            url => url.strip_prefix("http://").unwrap().strip_prefix(ADDRESS).unwrap().clone_into(&mut target),
        }
    }
    let method = if body.is_some() { "POST" } else { "GET" };
    let body = body.unwrap_or_default();
    let length = body.len();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head =
        format!("{method} {target} HTTP/1.0\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.trim_end().to_owned()
}

/// The words of a command; single quotes keep spaces.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (index, part) in command.split('\'').enumerate() {
        if index % 2 == 1 {
            words.last_mut().unwrap().push_str(part);
            continue;
        }
        let mut pieces = part.split(' ');
        words.last_mut().unwrap().push_str(pieces.next().unwrap());
        words.extend(pieces.map(ToOwned::to_owned));
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Lines with times and addresses as if all were the same.
fn normalized(lines: &[String]) -> Vec<String> {
    let line = |line: &String| {
        let words: Vec<&str> = line.split(' ').collect();
        let word = |(at, word): (usize, &&str)| {
            let is_time = matches!(words.get(at + 1), Some(&("ms" | "s"))) && word.parse::<f64>().is_ok();
            let is_unit = *word == "ms" || *word == "s";
            match word {
                _ if is_time => "0".to_owned(),
                _ if is_unit => "ms".to_owned(),
                word if word.starts_with("http://127.0.0.1:") && !word.contains("/topics") => {
                    "http://".to_owned() + ADDRESS
                }
                word => (*word).to_owned(),
            }
        };
        words.iter().enumerate().map(word).collect::<Vec<_>>().join(" ")
    };
    let mut lines: Vec<String> = lines.iter().map(line).collect();
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    lines
}

fn matches(shown: &[String], actual: &[String]) -> bool {
    match shown.split_first() {
        None => actual.is_empty(),
        Some((line, rest)) if line.trim() == "..." => {
            (0..=actual.len()).any(|skipped| matches(rest, &actual[skipped..]))
        }
        Some((line, rest)) => {
            actual.split_first().is_some_and(|(first, more)| line_matches(line, first) && matches(rest, more))
        }
    }
}

fn line_matches(shown: &str, actual: &str) -> bool {
    let pieces: Vec<&str> = shown.split("...").collect();
    let [first, between @ .., last] = &pieces[..] else { return shown.trim_end() == actual.trim_end() };
    let Some(mut rest) = actual.strip_prefix(first) else { return false };
    for piece in between {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn shown_lines_are_compared() {
    let lines = |text: &str| text.lines().map(ToOwned::to_owned).collect::<Vec<_>>();
    for (shown, actual, expected) in [
        ("a\nb", "a\nb", true),
        ("a\n...\nc", "a\nb\nb\nc", true),
        ("a\n...", "a", true),
        ("{...,\"x\":1}", "{\"y\":2,\"x\":1}", true),
        ("a ... c ... e", "a b c d e", true),
        ("a ... c", "a b d", false),
        ("a", "a\nb", false),
        ("in 12 ms", "in 1.5 s", true),
        ("url  http://127.0.0.1:8080", "url  http://127.0.0.1:40123", true),
    ] {
        assert_eq!(matches(&normalized(&lines(shown)), &normalized(&lines(actual))), expected, "{shown} and {actual}");
    }
}
