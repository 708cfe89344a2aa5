//! Files that run, but are likely not meant so.

use super::{check, load};

#[test]
fn a_topic_nobody_uses() {
    let file =
        "app: a\ntopics:\n  t:\n  forgotten:\n  collected: { accept: x.* }\npipelines: { p: { from: t, to: u } }";
    check(file, &["4:3 RR0050 `forgotten`"]);
    check("app: a\ntopics: { log-only: }", &[]);
}

#[test]
fn a_model_nobody_snapshots() {
    check("app: a\ntopics: { t: }\nmodels: { m: { from: t } }", &["3:11 RR0051 `m` => snapshot: { m:"]);
}

#[test]
fn an_open_address_without_tokens() {
    check("app: a\nlisten: 0.0.0.0:80", &["2:9 RR0052 no tokens => --insecure"]);
    check("app: a\nlisten: 0.0.0.0:80\naccess: { tokens: [{ name: t, secret: '${env:HIDDEN}' }] }", &[]);
}

#[test]
fn a_secret_in_the_file_is_told_but_not_shown() {
    let file = "app: a\naccess: { tokens: [{ name: t, secret: hunter2 }] }";
    check(file, &["2:39 RR0053 written into"]);
    let printed = load(file).unwrap().warnings.to_string();
    assert!(!printed.contains("hunter2") && printed.contains("secret: *******"), "{printed}");
}
