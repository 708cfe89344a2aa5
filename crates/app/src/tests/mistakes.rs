//! Files with mistakes, and what is said about each.

use super::{check, load};

#[test]
fn syntax_errors_have_a_place_and_a_way_out() {
    check("app: a\ntopics: {", &["2:9 RR0001 no valid YAML"]);
    check("app: a\n\tx: 1", &["2:1 RR0001  => spaces"]);
    check("app: 'a", &["1:6 RR0001  => close the quote"]);
    check("app: a\nlog: x: y", &["2:7 RR0001 "]);
    check("app: a\nx: '\"a\"' == data.x", &["2:10 RR0001  => in quotes as a whole"]);
    check("app: @x", &["1:6 RR0001  => quotes"]);
}

#[test]
fn a_file_is_one_mapping() {
    check("", &["1:1 RR0005 `app`"]);
    check("just text", &["1:1 RR0006 found a text"]);
    check("- a\n- b", &["1:1 RR0006 found a list"]);
    check("app: a\n---\napp: b", &["2:1 RR0018 more than one"]);
}

#[test]
fn fields_are_known_once_and_there() {
    check("app: a\nap: b", &["2:1 RR0003 `ap` => did you mean `app`"]);
    check("app: a\nzzzzzz: b", &["2:1 RR0003 `zzzzzz` => `topics`"]);
    check("app: a\napp: b", &["2:1 RR0004 `app` is given twice"]);
    check("app:\nlog: local", &["1:1 RR0005 `app` is missing"]);
    check("app: a\ninclude: [x.yaml]", &["2:11 RR0019 no file matches `x.yaml`"]);
    check("app: a\n<<: { log: local }", &["2:1 RR0003 `<<` => merge key"]);
    check("app: a\n[1]: b", &["2:1 RR0006 name has to be a text"]);
}

#[test]
fn a_compacted_topic_feeds_only_models_that_the_newest_event_is_enough_for() {
    let file = |model: &str| {
        format!(
            "app: a\ntopics: {{ t: {{ key: data.k, compact: {{ after: 1h }} }} }}\nmodels: {{ m: {{ from: t{model} }} }}"
        )
    };
    check(&file(""), &["3:22 RR0014 history is for ever"]);
    check(&file(", history: 7d, merge: data"), &["3:45 RR0014 merges"]);
    check(&file(", history: 7d, when: data.x"), &["3:44 RR0014 leaves out"]);
    check(&file(", history: 7d, key: data.other"), &["3:43 RR0014 another key"]);
    check(&file(", history: 7d, key: data.k"), &["3:11 RR0051"]);
}

#[test]
fn names_keep_to_the_alphabet() {
    check("app: Flights", &["1:6 RR0007 `Flights` cannot be the name of an app"]);
    check("app: a\ntopics: { Über: }", &["2:11 RR0007 `Über`"]);
    check("app: ${env:HIDDEN}!", &["1:6 RR0007 `${env:HIDDEN}!`"]);
}

#[test]
fn values_fit_their_fields() {
    check("app: a\ndurability: never", &["2:13 RR0008 `never` => `commit`"]);
    check("app: a\ncache: 10KiB", &["2:8 RR0008 from 1MiB to 1TiB"]);
    check("app: a\ndurability: 2m", &["2:13 RR0008 from 1ms to 1m"]);
    check("app: a\ncompression: zstd", &["2:14 RR0008 `zstd` => `lz4` or `none`"]);
    check("app: a\ntopics: { t: { partitions: 0 } }", &["2:28 RR0008 1 to 1024"]);
    check("app: a\ntopics: { t: { partitions: [1] } }", &["2:28 RR0006 found a list"]);
    check(
        "app: a\ntopics: { t: { retention: { age: 7days, size: 1gb } } }",
        &["2:34 RR0008 duration", "2:47 RR0008 size"],
    );
    check("app: a\ntopics: { t: { accept: [a*b, ''] } }", &["2:25 RR0008 `a*b`", "2:30 RR0008 ``"]);
    check("app: a\ntopics: { t: { accept: x }, u: { accept: x } }", &["2:42 RR0004 both `t` and `u`"]);
    check("app: a\nlisten: here", &["2:9 RR0008 `here` is not an address"]);
    check("app: a\nlisten: ${env:HIDDEN}", &["2:9 RR0008 `${env:HIDDEN}` is not an address"]);
    check(
        "app: a\nlimits: { body: 0, deduplication: 36h, time_ahead: 10ms }",
        &["2:17 RR0008 size", "2:35 RR0008 whole days", "2:52 RR0008 whole seconds"],
    );
    for brokers in ["", "broker", ":9092", "broker:0", "broker:x", "a:1,,b:2"] {
        check(&format!("app: a\nlog: kafka://{brokers}"), &["2:6 RR0015 names no brokers => kafka://broker-1:9092"]);
    }
    check(
        "app: a\nkafka: { instance: 'a b', prefix: '', replication: 0, session: 1s, tls: { key: k } }",
        &[
            "2:20 RR0008 `a b`",
            "2:35 RR0008 ``",
            "2:52 RR0008 from 1 to 100",
            "2:64 RR0008 from 6s to 30m",
            "2:68 RR0005 both `certificate` and `key`",
        ],
    );
    let assignor = |text: &str, expected: &[&str]| check(&format!("app: a\nkafka: {{ assignor: {text} }}"), expected);
    assignor("sticky", &["2:20 RR0008 `sticky` => round_robin"]);
    assignor("{}", &["2:10 RR0005 none of `static`, `score` and `custom`"]);
    assignor("{ score: '1', custom: x }", &["2:10 RR0008 more than one"]);
    assignor("{ static: { a: [0, 1], b: [1] } }", &["2:47 RR0004 partition 1 is given to both `a` and `b`"]);
    assignor("{ static: { 'a b': x } }", &["2:32 RR0007 `a b`", "2:39 RR0008 from 0 to 1023"]);
    assignor("{ static: { a: 0 }, reassign_after: soon }", &["2:56 RR0008 a duration such as 7d"]);
    assignor("{ score: '1', reassign_after: 5m }", &["2:34 RR0008 is for `static`"]);
    assignor("{ score: '-member.tasks + data.x' }", &["2:46 RR0009 `data` is not known => `task` and `member`"]);
    check("app: a\nkafka: { labels: { 'a b': 1, c: [] } }", &["2:20 RR0007 `a b`", "2:33 RR0006 found a list"]);
    check("app: a\nkafka: { standbys: 17 }", &["2:20 RR0008 from 0 to 16"]);
    check("app: a\nkafka: { address: shop-1 }", &["2:19 RR0008 host:port"]);
    check("app: a\nkafka: { address: 'https://shop-1:80' }", &["2:19 RR0008 `https://shop-1:80` is not `host:port`"]);
    check("app: a\nkafka: { sasl: { mechanism: gssapi } }", &["2:29 RR0008 `gssapi` is not plain, scram-sha-256"]);
    check("app: a\nkafka: { sasl: { mechanism: plain } }", &["2:10 RR0005 user", "2:10 RR0005 secret"]);
    check("app: a\nkafka: { sasl: { mechanism: oauthbearer } }", &["2:10 RR0005 token_file"]);
    check("app: a\nlog: postgres", &["2:6 RR0015 `postgres` is no log"]);
    check("app: a\naccess: { hosts: ['http://x/'] }", &["2:19 RR0008 host name"]);
    check(
        "app: a\naccess: { tokens: [{ name: t, secret: '${env:HIDDEN}', verbs: [write], topics: [_own, 'a*b'] }] }",
        &["2:64 RR0008 `write` is not publish, read or operate", "2:81 RR0008 `_own`", "2:87 RR0008 `a*b`"],
    );
    let twice = "{ name: t, secret: '${env:HIDDEN}' }, { name: u, secret: '${env:HIDDEN}' }";
    check(&format!("app: a\naccess: {{ tokens: [{twice}] }}"), &["2:66 RR0004 secret of another"]);
    check("app: a\naccess: { tokens: [{ name: t, secret: '' }, x] }", &["2:39 RR0008 empty", "2:45 RR0006 text"]);
}

#[test]
fn outside_values_have_to_be_there() {
    check("app: ${env:NONE}", &["1:6 RR0012 `NONE` is not set => ${env:NONE:-value}"]);
    check("app: a\ndata_dir: 'x/${file:none}'", &["2:14 RR0012 `none` cannot be read"]);
    check("app: a\ndata_dir: x/${HOME}", &["2:13 RR0012 no substitution => ${env:NAME}"]);
}

const PIPELINE: &str = "app: a\ntopics: { t: }\npipelines:\n  p:\n    from: t\n    to: u\n    steps:\n";

fn check_step(step: &str, expected: &[&str]) {
    check(&format!("{PIPELINE}      - {step}\n"), expected);
}

#[test]
fn steps_say_one_verb() {
    check_step("fliter: data.x", &["8:9 RR0003 `fliter` => `filter`"]);
    check_step("name: x", &["8:9 RR0013 without a verb"]);
    check_step("{ filter: data.x, set: { data.y: '1' } }", &["8:27 RR0013 both `filter` and `set`"]);
    check_step("filter", &["8:9 RR0006 found a text"]);
    check_step("set:", &["8:9 RR0006 found nothing"]);
    check_step("remove: []", &["8:17 RR0008 no field"]);
    check_step("remove: [year]", &["8:18 RR0010 `year` => did you mean `data.year`"]);
    check_step("rename: { data.a: b }", &["8:27 RR0010 `b`"]);
    check_step("transform: { named: risk }", &["8:22 RR0003 `named` => did you mean `name`"]);
    check_step("{ filter: data.x, name: s }\n      - { filter: data.y, name: s }", &["9:33 RR0004 two steps"]);
    check_step("transform: risk\n      - transform: risk", &["9:9 RR0014 another step is named risk"]);
    check(
        "app: a\ntopics: { t: }\npipelines: { p: { from: t, to: u, steps: { filter: data.x } } }",
        &["3:42 RR0006 takes a list => - filter"],
    );
}

#[test]
fn steps_within_steps_have_their_places() {
    check_step("map: { data.a: '1' }", &["8:16 RR0010 \"data.a\" => leave `data.` out: `a`"]);
    check_step("map: { a: '1', a.b: '2' }", &["8:24 RR0010 a.b is a field of its own"]);
    check_step("map: {}", &["8:9 RR0006 found nothing"]);
    check_step("flat_map: { of: data.x }", &["8:9 RR0005 `each` is missing", "8:21 RR0003 `of`"]);
    check_step("flat_map: { each: data.x, as: item }", &["8:39 RR0010 `item` => did you mean `data.item`"]);
    check_step("branch: {}", &["8:9 RR0006 found nothing"]);
    check_step("branch: { big: { to: v } }", &["8:19 RR0005 `when` is missing"]);
    check_step("branch: { default: { when: data.x } }", &["8:36 RR0008 no condition"]);
    check_step("branch: { big: { when: data.x, steps: [fliter: data.y] } }", &["8:48 RR0003 `fliter`"]);
    check_step("branch: { big: { when: data.x, to: t } }", &["8:44 RR0014 t is also an input"]);
    check_step("branch: { a: { when: data.x, steps: [name: s, filter: data.y] } }", &["8:46 RR0013 without a verb"]);
    check_step("branch: { default: { to: v } }", &["6:9 RR0014 no event comes here"]);
    check_step("merge: w", &["8:16 RR0011 no topic `w`"]);
    check_step("merge: { steps: [filter: data.x] }", &["8:9 RR0005 `from` is missing"]);
    let two =
        "branch: { a: { when: data.x, steps: [{ name: s, filter: data.y }] } }\n      - { name: s, filter: data.z }";
    check_step(two, &["9:17 RR0004 two steps"]);
}

#[test]
fn events_need_somewhere_to_go() {
    let pipeline = |rest: &str| format!("app: a\ntopics: {{ t: }}\npipelines:\n  p:\n    from: t\n{rest}");
    check(&pipeline(""), &["4:3 RR0005 `to` is missing"]);
    check(
        &pipeline("    steps: [branch: { big: { when: data.x, to: u } }]"),
        &["4:3 RR0014 an event that comes to the end of the steps has nowhere to go"],
    );
    check(&pipeline("    to: { route: data.x, topics: [a, B] }"), &["6:38 RR0007 `B`"]);
    check(
        &pipeline("    to: { topics: [a], defualt: b }"),
        &["6:5 RR0005 `route`", "6:24 RR0003 `defualt` => `default`"],
    );
}

const FRAGMENTS: &str = "app: a\ntopics: { t: }\npipelines: { p: { from: t, to: u, steps: [use: one] } }\nfragments:\n";

#[test]
fn mistakes_in_fragments_are_shown_there() {
    let check = |fragments: &str, expected: &[&str]| check(&format!("{FRAGMENTS}{fragments}"), expected);
    check("  one: [filter: data.x ==]", &["5:26 RR0009 does not parse"]);
    check("  one: [snapshot: { m: { key: data.x } }]", &["5:21 RR0011 no model `m`"]);
    check(
        "  one: [{ name: s, filter: data.x }, { name: s, filter: data.y }]",
        &["5:46 RR0004 two steps are named `one.s`"],
    );
    check(
        "  one: [branch: { default: { to: t } }]",
        &["3:32 RR0014 no event comes here", "5:34 RR0014 t is also an input"],
    );
    check("  one: [filter: data.x, merge: t]", &["5:32 RR0014 t is named twice"]);
    check("  onee: [filter: data.x]", &["3:48 RR0011 no fragment `one` => did you mean `onee`"]);
    check("  one: [use: two]\n  two: [use: one]", &["6:14 RR0030 the fragment `one` uses itself: one -> two -> one"]);
    let mut many = String::from("  one: [use: f0]\n");
    for level in 0..10 {
        many.push_str(&format!("  f{level}: [{}]\n", vec![format!("use: f{}", level + 1); 4].join(", ")));
    }
    many.push_str("  f10: [filter: data.x]\n");
    check(&many, &["15:18 RR0002 more than 1000 steps"]);
    let deep: String = (0..40).map(|level| format!("  f{level}: [use: f{}]\n", level + 1)).collect();
    check(&format!("  one: [use: f0]\n{deep}  f40: [filter: data.x]"), &["36:14 RR0002 more than 32 deep"]);
}

#[test]
fn expressions_are_pointed_into() {
    check_step("filter: data.x ==", &["8:26 RR0009 does not parse"]);
    check_step("filter: 'data.x ? ''a'' b'", &["8:33 RR0009 does not parse"]);
    check_step("filter: \"data.x == \\\"a\\\" nonsense\"", &["8:34 RR0009 does not parse"]);
    check_step("filter: |\n          data.x == 1\n            && data.y === 2\n", &["10:25 RR0009 does not parse"]);
    check_step("filter: >-\n          data.x == 1\n          && data.y ! 2\n", &["10:"]);
    check_step("filter: !data.x", &["8:17 RR0018 YAML tag => quotes"]);
    check_step("filter: *x", &["8:17 RR0018 no anchor `&x` => '*x'"]);
    check_step("filter:", &["8:15 RR0006 found nothing"]);
    check_step("filter: { data.x }", &["8:17 RR0006 found a mapping => quotes"]);
    check_step("filter: data.x == ${env:PORT}", &["8:27 RR0009  => not filled in"]);
}

#[test]
fn references_are_resolved() {
    let models = "app: a\ntopics: { airlines: }\nmodels: { airline: { from: airlinse } }\n";
    check(models, &["3:28 RR0011 `airlinse` => did you mean `airlines`"]);
    check("app: a\npipelines: { p: { from: [x, x], to: y } }", &["2:26 RR0011 `x` => declare it", "2:29 RR0004 twice"]);
    check_step("snapshot: { plan: { key: data.x } }", &["8:21 RR0011 no model `plan` => declare it"]);
    check_step(
        "snapshot: { plan: { kee: data.x } }",
        &["8:21 RR0011 no model", "8:29 RR0003 `kee` => did you mean `key`"],
    );
}

#[test]
fn aliases_keep_to_a_budget() {
    let mut bomb = String::from("app: a\nx0: &x0 [a,a,a,a,a,a,a,a,a,a]\n");
    for level in 1..12 {
        let below = format!("*x{}", level - 1);
        bomb.push_str(&format!("x{level}: &x{level} [{}]\n", vec![below; 10].join(",")));
    }
    assert!(load(&bomb).unwrap_err().iter().any(|item| item.code == "RR0002"));
    check("app: a\ntopics: &t { x: *t }", &["2:17 RR0018 within what it refers to"]);
    let deep = format!("app: {}1{}", "[".repeat(40), "]".repeat(40));
    check(&deep, &["1:38 RR0002 nested too deep"]);
    check(&"#".repeat(1_100_000), &["1:1 RR0002 1100000 bytes"]);
}

#[test]
fn aggregates_say_what_is_wrong_with_them() {
    let step = |step: &str| {
        format!("app: a\ntopics: {{ t:, s: }}\npipelines: {{ p: {{ from: t, to: u, steps: [\n{step}\n] }} }}")
    };
    let checked = |text: &str, expected: &[&str]| check(&step(text), expected);
    checked("{ count: { as: 'a b' } }", &["4:16 RR0010 \"a b\" is no name of a field"]);
    checked("{ count: { window: } }", &["4:12 RR0032 without a kind => `tumbling: 1h`"]);
    checked("{ count: { window: { tumbling: 1h, session: 1m } } }", &["4:36 RR0032 either tumbling or session"]);
    checked(
        "{ count: { window: { tumbling: 1h, every: 1m } } }",
        &["4:36 RR0032 `every` is for hopping => `hopping: 1h`"],
    );
    checked("{ count: { window: { hopping: 1h } } }", &["4:12 RR0005 `every` is missing"]);
    checked("{ count: { window: { tumblin: 1h } } }", &["4:22 RR0003 `tumblin` => did you mean `tumbling`"]);
    checked("{ count: { window: { tumbling: 0s } } }", &["4:32 RR0014 zero length"]);
    checked("{ count: { window: { hopping: 1m, every: 1h } } }", &["4:42 RR0014 would be in none"]);
    checked("{ count: { window: { tumbling: 1h, clock: wall } } }", &["4:43 RR0008 `event` or `accepted`"]);
    checked("{ count: { emit: close } }", &["4:18 RR0014 `close` waits for the end of a window"]);
    checked("{ count: { emit: closed } }", &["4:18 RR0008 `closed` is not"]);
    checked("{ count: { emit: { every: 0s } } }", &["4:27 RR0014 every zero seconds"]);
    checked("{ count: { keep: 1d, view: V } }", &["4:28 RR0007 `V`"]);
    checked("{ aggregate: { fields: {} } }", &["4:16 RR0006 found nothing"]);
    checked(
        "{ aggregate: { fields: { n: cont(), m: 'sum(dat.x)' } } }",
        &[
            "4:29 RR0009 there is no function `cont`; did you mean `count`?",
            "4:45 RR0009 `dat` is not known => sum(data.amount)",
        ],
    );
    checked("{ reduce: {} }", &["4:3 RR0005 `with` is missing"]);
    checked(
        "{ fold: { initial: '{', with: stat } }",
        &["4:20 RR0008 `{` is not JSON", "4:31 RR0009 did you mean `state` => `state.n + data.amount`"],
    );
    checked(
        "{ fold: { initial: '0', with: state + 1, window: { session: 1m } } }",
        &["4:3 RR0014 say how two states become one"],
    );
    checked(
        "{ cogroup: { initial: '0', with: state + 1, streams: { none: state } } }",
        &["4:56 RR0011 there is no topic `none`"],
    );
    checked("{ count: { window: { tumbling: 1h }, late: t } }", &["4:44 RR0014 t is also an input"]);
    checked("{ cogroup: { initial: '0', with: state + 1 } }", &["4:3 RR0005 `streams` is missing"]);
}

#[test]
fn an_outbox_names_a_database() {
    check("app: a\noutbox: {}", &["2:1 RR0005 `url` is missing"]);
    check(
        "app: a\noutbox: { url: mysql://x }",
        &["2:16 RR0008 does not begin with postgres:// => postgres://shop@localhost"],
    );
    let with = |field: &str| format!("app: a\noutbox: {{ url: 'postgres://x@y/z', {field} }}");
    check(&with("attempts: 0"), &["2:46 RR0008 `0` is not a whole number from 1"]);
    check(&with("on_dead: forget"), &["2:45 RR0008 `forget` is not park or skip"]);
    check(&with("notify: maybe"), &["2:44 RR0008 `maybe` is not true or false"]);
    check(&with("poll: 1ms"), &["2:42 RR0008 `1ms` is not a duration from 10ms to 1h"]);
    check(&with("backoff: 2m"), &["2:45 RR0008 `2m` is not a duration from 10ms to 1m"]);
    check(&with(&format!("schema: {}", "x".repeat(64))), &["2:44 RR0008 the name of a schema"]);
    check(&with("retries: 3"), &["2:36 RR0003 `retries`"]);
    check("app: a\noutbox: { url: 'postgres://x:secret@y/z' }", &["2:16 RR0053 password is written into the app file"]);
}
