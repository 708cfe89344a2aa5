//! Test files as data: what is read from them, and the mistakes that are found in them.

use crate::diagnostic::Diagnostics;
use crate::test_file::fields::SECTIONS;
use crate::test_file::{ClockMove, GivenData, RowIs, TestFile};

const SHOP: &str = "
app: shop
topics: { orders: , customers: }
models: { customer: { from: customers } }
pipelines:
  billing:
    from: orders
    steps:
      - snapshot: { customer: { key: data.customer } }
    to: bills
  hours:
    from: bills
    steps: [{ count: { window: { tumbling: 1h }, view: hourly } }]
    to: hours
";

pub(super) fn load(text: &str) -> Result<TestFile, Diagnostics> {
    load_for(SHOP, text)
}

fn load_for(app: &str, text: &str) -> Result<TestFile, Diagnostics> {
    TestFile::parse(text, "shop.test.yaml", &super::load(app).unwrap().topology)
}

/// Checks what is found in a file: `line:column code`, a part of the message, and of the help behind ` => `.
fn check(text: &str, expected: &[&str]) {
    let found = match load(text) {
        Ok(_) => Vec::new(),
        Err(found) => {
            let place = |start| found.source().place(start);
            found
                .iter()
                .map(|item| {
                    let help = item.help.clone().unwrap_or_default();
                    (format!("{} {} {}", place(item.span.start), item.code, item.message), help)
                })
                .collect()
        }
    };
    assert_eq!(found.len(), expected.len(), "{text}\nfound {found:#?}");
    for ((found, help), expected) in found.iter().zip(expected) {
        let (message, expected_help) = expected.split_once(" => ").unwrap_or((expected, ""));
        let (place_and_code, part) =
            message.split_at(message.match_indices(' ').nth(1).map_or(message.len(), |(at, _)| at));
        assert!(
            found.starts_with(place_and_code) && found.contains(part.trim()),
            "{text}\nfound    {found}\nexpected {expected}"
        );
        assert!(help.contains(expected_help), "{text}\nfound    {found} => {help}\nexpected {expected}");
    }
}

#[test]
fn a_file_is_read_with_its_places() {
    let file = load(
        "tests:\n  a test:\n    - at: 2026-03-01T12:00:00Z\n      given:\n        - { topic: orders, id: 7, data: { total: 1.50, on: yes, \
         \"n\": \"1\", x: null, list: [true, -2e3, 07] } }\n        - { topic: customers, raw: '{', refused: RR0120 }\n    - { after: 10m, \
         expect: { bills: nothing } }\n",
    )
    .unwrap();
    let [first, second] = &file.tests[0].steps[..] else { panic!("two steps") };
    assert_eq!(file.tests[0].name, "a test");
    assert!(matches!(first.clock, Some(ClockMove::At(time)) if time.to_string() == "2026-03-01T12:00:00Z"));
    assert_eq!(second.clock, Some(ClockMove::After(std::time::Duration::from_secs(600))));
    assert_eq!(first.given[0].attributes, [("id".to_owned(), "7".to_owned())]);
    let json = r#"{"total":1.50,"on":"yes","n":"1","x":null,"list":[true,-2e3,"07"]}"#;
    assert_eq!(first.given[0].data, Some(GivenData::Json(json.to_owned())));
    assert_eq!(first.given[1].data, Some(GivenData::Raw("{".to_owned())));
    assert_eq!(first.given[1].refused.as_deref(), Some("RR0120"));
    assert_eq!(file.source.place(first.given[1].span.start).line, 6);
    assert!(second.expect[0].records.is_empty());
}

#[test]
fn rows_of_views_and_answers_of_lookups_are_read() {
    let asking = "- lookup: { get: \"'http://prices/' + data.what\", as: data.price }\n      - snapshot:";
    let file = load_for(
        &SHOP.replace("- snapshot:", asking),
        "tests:\n  a:\n    lookups: { \"http://prices/tea\": { price: 1.50 }, other: }\n    views:\n      hourly:\n        - { key: 7, \
         window: { start: 2026-03-01T12:00:00Z }, data: { count: 2 } }\n        - { key: b, contains: { count: 1 } }\n        - { key: c }\n\
         \x20       - { key: d, window: { end: 2026-03-01T13:00:00Z }, no_row: true }\n",
    )
    .unwrap();
    let step = &file.tests[0].steps[0];
    let answers = [("http://prices/tea", r#"{"price":1.50}"#), ("other", "null")];
    assert_eq!(step.lookups, answers.map(|(address, json)| (address.to_owned(), json.to_owned())));
    let rows = &step.views[0].rows;
    let count = |count: u32| serde_json::json!({ "count": count });
    let is: Vec<RowIs> = rows.iter().map(|row| row.is.clone()).collect();
    assert_eq!(is, [RowIs::Data(count(2)), RowIs::Containing(count(1)), RowIs::There, RowIs::Gone]);
    assert_eq!((step.views[0].view.as_str(), rows[0].key.as_str()), ("hourly", "7"));
    let shown = |time: Option<riverrun_event::Time>| time.map(|time| time.to_string());
    assert_eq!(shown(rows[0].window_start).as_deref(), Some("2026-03-01T12:00:00Z"));
    assert_eq!(shown(rows[3].window_end).as_deref(), Some("2026-03-01T13:00:00Z"));
    assert_eq!(file.source.place(rows[3].span.start).line, 9);
}

#[test]
fn mistakes_about_views_and_lookups_have_places() {
    check("tests:\n  a: { views: { hourli: [{ key: a }] } }", &["2:17 RR0011 no view `hourli` => `hourly`"]);
    check("tests:\n  a: { views: { hourly: { key: a } } }", &["2:25 RR0006 takes a list of rows => `- `"]);
    check("tests:\n  a: { views: { hourly: [{ data: 1 }] } }", &["2:28 RR0005 `key` is missing"]);
    check("tests:\n  a: { views: { hourly: [{ key: a, window: { start: noon } }] } }", &["2:53 RR0008 `noon`"]);
    check(
        "tests:\n  a: { views: { hourly: [{ key: a, data: 1, no_row: true }] } }",
        &["2:45 RR0041 `data` and `no_row`"],
    );
    check("tests:\n  a: { views: { hourly: [] } }", &["2:3 RR0042 `a` expects nothing"]);
    check("tests:\n  a: { lookups: { x: 1 }, expect: { bills: nothing } }", &["2:8 RR0043 no step => leave it out"]);
}

#[test]
fn mistakes_have_places() {
    check("", &["1:1 RR0005 `tests` is missing"]);
    check("test: {}", &["1:1 RR0003 `test` => did you mean `tests`"]);
    check("tests:\n  a: { givn: [] }", &["2:8 RR0003 `givn` => did you mean `given`"]);
    check("tests:\n  a: { expect: { bill: nothing } }", &["2:18 RR0011 no topic `bill` => did you mean `bills`"]);
    check("tests:\n  a: { expect: { bills: } }", &["2:18 RR0006 does not say => write `nothing`"]);
    check("tests:\n  a: { expect: { bills: none } }", &["2:25 RR0006 takes a list => `- `"]);
    check(
        "tests:\n  a: { given: { topic: orders }, expect: { bills: nothing } }",
        &["2:15 RR0006 takes a list => `- `"],
    );
    check("tests:\n  a: { given: [{ data: 1 }], expect: { bills: nothing } }", &["2:18 RR0005 `topic` is missing"]);
    check("tests:\n  a: { at: yesterday, expect: { bills: nothing } }", &["2:12 RR0008 `yesterday`"]);
    check("tests:\n  a: { dead_letters: [{ pipeline: biling }] }", &["2:35 RR0011 no pipeline `biling` => `billing`"]);
    check("tests:\n  a: { dead_letters: [{ model: costumer }] }", &["2:32 RR0011 no model `costumer` => `customer`"]);
    check("tests:\n  a: { dead_letters: [{ code: 301 }] }", &["2:31 RR0008 `301`"]);
    check("tests:\n  a: { expect: { bills: [{ no_data: false }] } }", &["2:37 RR0008 `false`"]);
    check("tests:\n  a: { stopped: bills }", &["2:17 RR0011 no pipeline `bills`"]);
}

#[test]
fn fields_that_exclude_each_other_are_refused() {
    check(
        "tests:\n  a: { at: 2026-01-01T00:00:00Z, after: 1m, expect: { bills: nothing } }",
        &["2:34 RR0041 both `at` and `after`"],
    );
    check("tests:\n  a: { expect: { bills: [{ data: 1, contains: 1 }] } }", &["2:37 RR0041 `data` and `contains`"]);
    check(
        "tests:\n  a: { given: [{ topic: orders, data: 1, raw: '1' }], expect: { bills: nothing } }",
        &["2:42 RR0041 `data` and `raw`"],
    );
}

#[test]
fn a_test_that_cannot_fail_is_refused() {
    check("tests:\n  a: { given: [{ topic: orders, data: 1 }] }", &["2:3 RR0042 `a` expects nothing => nothing"]);
    check("tests:\n  a:", &["2:3 RR0042 `a`"]);
    check("tests:\n  a: { given: [{ topic: orders, data: 1, refused: RR0134 }] }", &[]);
}

#[test]
fn every_example_of_the_reference_is_accepted() {
    let place = |path: &str, example: &str| match path {
        "*.test.yaml" => example.to_owned(),
        "tests.<name>" => format!("tests: {{ a: {{ {example} }} }}"),
        "tests.<name>.given[]" => format!("tests: {{ a: {{ given: [{{ {example} }}] }} }}"),
        "tests.<name>.views.<view>[]" => format!("tests: {{ a: {{ views: {{ hourly: [{{ {example} }}] }} }} }}"),
        "tests.<name>.views.<view>[].window" => {
            format!("tests: {{ a: {{ views: {{ hourly: [{{ key: a, window: {{ {example} }} }}] }} }} }}")
        }
        "tests.<name>.expect.<topic>[]" => format!("tests: {{ a: {{ expect: {{ bills: [{{ {example} }}] }} }} }}"),
        _ => format!("tests: {{ a: {{ dead_letters: [{{ {example} }}] }} }}"),
    };
    for section in SECTIONS {
        for field in section.fields {
            assert!(field.example.starts_with(&format!("{}:", field.name)), "{}", field.example);
            // An example stands alone, so what goes with it is missing: a topic, an expectation, a lookup.
            let lone = ["RR0005", "RR0042", "RR0043"];
            let file = place(section.path, field.example);
            if let Err(found) = load(&file) {
                assert!(found.iter().all(|item| lone.contains(&item.code)), "{file}\n{found}");
            }
        }
    }
}
