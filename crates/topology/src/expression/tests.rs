//! Expressions over events: what they give, and what they say when they cannot.

use riverrun_event::{Event, Key, Time};

use super::{Expression, Value};
use crate::document::Json;
use crate::draft::Draft;

const DATA: &str = r#"{"distance": 1400, "air_time": 227.0, "tail": "N14228", "none": null, "delay": -3, "big": 12345678901234567890,
 "bigger": 12345678901234567891, "late": true, "tags": ["a", "b", "c\n"], "legs": [{"to": "IAH", "late": false}, {"to": "ORD", "late": true}],
 "nested": {"x": {"y": 1.50}, "x-y": 7}, "text\u0020key": "quo\"te", "list": [10, 20], "when": "2013-01-01T11:15:00+01:00"}"#;

fn draft(data: Option<&'static str>) -> Draft {
    let mut event = Event::new("e1", "/airport", "flight.departed");
    event.subject = Some("N14228".into());
    event.key = Some(Key::new("N14228").unwrap());
    event.time = Some(Time::parse("2013-01-01T10:15:00Z").unwrap());
    event.attributes.set("tenant", "blue");
    event.data = data.map(Into::into);
    Draft::new(event, Time::from_unix(0, 0))
}

/// The JSON an expression gives over [`DATA`], or the message it fails with, without the trailing source.
fn outcome(source: &str) -> String {
    let expression = match Expression::parse(source) {
        Ok(expression) => expression,
        Err(error) => return format!("{}: {}", error.offset, error.message),
    };
    match expression.evaluate_json(&mut draft(Some(DATA))) {
        Ok(json) => String::from_utf8(json.to_vec()).unwrap(),
        Err(error) => error.message.replace(&format!(" (in `{source}`)"), ""),
    }
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        assert_eq!(outcome(source), *expected, "{source}");
    }
}

/// The same beside a state.
fn outcome_over(state: &str, source: &str) -> String {
    let expression = match Expression::parse_with_state(source) {
        Ok(expression) => expression,
        Err(error) => return format!("{}: {}", error.offset, error.message),
    };
    match expression.evaluate_over(&mut draft(Some(DATA)), &Json::check(state.to_owned()).unwrap()) {
        Ok(json) => json.as_str().to_owned(),
        Err(error) => error.message.replace(&format!(" (in `{source}`)"), ""),
    }
}

#[test]
fn a_state_is_known_where_there_is_one() {
    for (source, expected) in [
        ("state", r#"{"n": 1.50, "last": {"tail": "N1"}}"#),
        ("{'n': state.n + data.delay, 'last': data.tail}", r#"{"n":-1.5,"last":"N14228"}"#),
        ("state.last.tail != data.tail ? data.big : state.n", "12345678901234567890"),
        ("state['n']", "1.50"),
        ("state.none.at.all", "null"),
        ("has(state.n) && !has(state.last.none)", "true"),
        ("data.list.map(x, x + state.n)", "[11.5,21.5]"),
        ("data.list.map(state, state)", "[10,20]"),
        ("state.none + 1", "state.none is null or missing; + cannot compute with it"),
        ("state.last + 1", "+ cannot compute with an object (state.last) and a number (1)"),
        ("stat.n", "0: `stat` is not known; did you mean `state`?"),
    ] {
        assert_eq!(outcome_over(r#"{"n": 1.50, "last": {"tail": "N1"}}"#, source), expected, "{source}");
    }
    check(&[(
        "state.n",
        "0: `state` is not known; an expression knows id, source, type, subject, time, key, attributes, data; text is written 'in quotes'",
    )]);
}

#[test]
fn paths_copy_bytes() {
    check(&[
        ("data.big", "12345678901234567890"),
        ("data.air_time", "227.0"),
        ("data.nested.x", r#"{"y": 1.50}"#),
        ("data.nested['x-y']", "7"),
        ("data['text key']", r#""quo\"te""#),
        ("data.nothing.at.all", "null"),
        ("data.tail.x", "null"),
        ("data.late ? data.big : 0", "12345678901234567890"),
        ("[data.big, data.tail]", r#"[12345678901234567890,"N14228"]"#),
        ("data.legs[1]", r#"{"to": "ORD", "late": true}"#),
        ("data.legs[1].to", r#""ORD""#),
        ("data.list[0]", "10"),
        ("data.list[2]", "null"),
        ("data.list[data.list[0] / 10]", "20"),
    ]);
    assert_eq!(Expression::parse("data").unwrap().evaluate_json(&mut draft(Some(DATA))).unwrap(), DATA);
}

#[test]
fn numbers_are_doubles() {
    check(&[
        ("227 / 60", "3.783333333333333"),
        ("data.distance * 1.609344 / (data.air_time / 60)", "595.5281762114538"),
        ("data.delay + 3", "0"),
        ("-data.delay", "3"),
        ("7 % 4 + 1u", "4"),
        ("size(data.tags) > 2 && size(data.tags) * 2 == 6", "true"),
        ("data.tags.size()", "3"),
        ("size('äöü')", "3"),
        ("1 / 0", "the result is inf, which JSON cannot hold (a division by zero?)"),
        ("data.big == data.bigger", "false"),
        ("data.big < data.bigger", "true"),
        ("data.big == 12345678901234567890u", "true"),
        ("9007199254740993 == 9007199254740993", "true"),
        ("int('12') + int(2.9) + double('0.5')", "14.5"),
        ("string(3.0) + string(data.big) + string(true)", "\"312345678901234567890true\""),
        ("math.round(2.5) + math.greatest(1, 2, data.list[1])", "23"),
    ]);
}

#[test]
fn null_is_quiet_in_questions_and_loud_in_arithmetic() {
    check(&[
        ("data.none > 15", "false"),
        ("data.none <= 15 || data.missing < 3", "false"),
        ("data.none == null && data.missing == null", "true"),
        ("data.none != 3", "true"),
        ("has(data.none) && !has(data.missing) && has(attributes.tenant) && !has(attributes.x)", "true"),
        ("!data.missing", "true"),
        ("data.missing.startsWith('a') || 'a' in data.missing || data.missing.exists(x, x)", "false"),
        ("data.none * 2", "data.none is null or missing; * cannot compute with it"),
        ("1 + data.nested.z", "data.nested.z is null or missing; + cannot compute with it"),
        ("size(data.none)", "data.none is null or missing; size() needs a value"),
        ("data.none == null ? null : data.none * 2", "null"),
        ("data.tail > 3", "data.tail is text and 3 is a number; > cannot compare them"),
        ("data.tail * 3", "* cannot compute with text (data.tail) and a number (3)"),
        ("data.tail && true", "data.tail is text; a condition is true or false"),
        ("data.tail == 3", "false"),
        ("data.tail && false", "false"),
        ("true || data.tail > 3", "true"),
    ]);
}

#[test]
fn lists_objects_and_texts() {
    check(&[
        ("'b' in data.tags && !('x' in data.tags) && 'c\\n' in data.tags", "true"),
        ("'x' in data.nested", "true"),
        ("data.legs.exists(leg, leg.late && leg.to == 'ORD')", "true"),
        ("data.legs.all(leg, has(leg.to))", "true"),
        ("data.legs.exists_one(l, l.late)", "true"),
        ("data.list.map(x, x * 2)", "[20,40]"),
        ("data.list.map(x, x > 10, [x])", "[[20]]"),
        ("data.legs.filter(leg, leg.late)", r#"[{"to": "ORD", "late": true}]"#),
        ("data.list.map(x, data.list.map(y, x + y))", "[[20,30],[30,40]]"),
        ("{'z': data.list, 'a': data.none, 'm': [1]}", r#"{"z":[10, 20],"a":null,"m":[1]}"#),
        ("data.list + [30] == [10, 20, 30.0]", "true"),
        ("data.nested == {'x-y': 7, 'x': {'y': 1.5}}", "true"),
        ("data.tail.startsWith('N') && data.tail.matches('^N[0-9]+$') && data.tail.contains('422')", "true"),
        ("data.tail.lowerAscii().substring(1, 3)", "\"14\""),
        ("data.tags.join('-')", "\"a-b-c\\n\""),
        ("'%s has %d'.format([data.tail, 3])", "\"N14228 has 3\""),
        ("data.tail.split('4')", r#"["N1","228"]"#),
        ("id + source + type + subject + key", "\"e1/airportflight.departedN14228N14228\""),
        ("attributes.tenant + attributes['tenant']", "\"blueblue\""),
        ("attributes", r#"{"tenant":"blue"}"#),
    ]);
}

#[test]
fn times_are_timestamps() {
    check(&[
        ("time > timestamp('2013-01-01T00:00:00Z')", "true"),
        ("time == timestamp(data.when)", "true"),
        ("time", "\"2013-01-01T10:15:00Z\""),
        ("time - timestamp('2013-01-01T08:45:00Z')", "\"5400s\""),
        ("time + duration('1h30m')", "\"2013-01-01T11:45:00Z\""),
        ("time.getHours() + time.getMinutes()", "25"),
        ("time.getHours('America/New_York')", "5"),
        ("int(time) == 1357035300", "true"),
        ("time > '2013'", "time is a time and \"2013\" is text; > cannot compare them"),
    ]);
}

#[test]
fn mistakes_are_found_when_compiled() {
    check(&[
        ("data.x > dat.x", "9: `dat` is not known; did you mean `data`?"),
        (
            "UA == data.carrier",
            "0: `UA` is not known; an expression knows id, source, type, subject, time, key, attributes, data; text is written 'in quotes'",
        ),
        ("'é' == data.x && sise(data.x) > 1", "18: there is no function sise(); did you mean size()?"),
        ("startsWith(data.x, 'a')", "0: startsWith() is called on a value: x.startsWith(...)"),
        ("data.x.contains()", "7: contains() takes 1 argument, not 0"),
        ("data.x.matches('[')", "7: \"[\" is no regular expression: unclosed character class"),
        ("id.x", "2: `id` has no fields; did you mean data.x or attributes.x?"),
        ("has(3)", "0: has() takes a field, for example has(data.name)"),
        ("data.l.exists(1, true)", "14: the first argument of exists() is a new name for the elements, for example x"),
        ("b'x'", "0: bytes (b'...') are not supported; JSON has only text"),
        ("T{a: 1}", "1: `T{...}` makes a message type; write an object: {'name': value}"),
    ]);
    assert!(Expression::parse(&vec!["data.x"; 400].join(" + ")).unwrap_err().message.contains("nested too deeply"));
}

#[test]
fn keys_are_texts_and_integers() {
    for (source, expected) in [
        ("data.tail", Ok(Some("N14228"))),
        ("data.big", Ok(Some("12345678901234567890"))),
        ("data.none", Ok(None)),
        ("data.list[0] + 1", Ok(Some("11"))),
        ("data.tail + ':' + string(data.delay)", Ok(Some("N14228:-3"))),
        (
            "data.air_time",
            Err("the key is 227.0; a number that is a key is written as an integer, without point or exponent"),
        ),
        ("1 / 3", Err("the key is 0.3333333333333333; a key is text or an integer")),
        ("data.late", Err("the key is a truth value; a key is text or an integer")),
        ("data.legs", Err("the key is a list; a key is text or an integer")),
    ] {
        let key = Expression::parse(source).unwrap().evaluate_key(&mut draft(Some(DATA)));
        let key = key.map(|key| key.map(|key| key.to_string()));
        let expected = expected.map(|key| key.map(str::to_owned)).map_err(|error| format!("{error} (in `{source}`)"));
        assert_eq!(key.map_err(|error| error.message), expected);
    }
}

#[test]
fn values_are_typed() {
    let value = |source: &str| Expression::parse(source).unwrap().evaluate(&mut draft(Some(DATA))).unwrap();
    assert_eq!(value("data['text key']"), Value::Text("quo\"te".to_owned()));
    assert_eq!(value("data.none"), Value::Null);
    assert_eq!(value("data.late"), Value::Bool(true));
    assert_eq!(value("data.distance"), Value::Json("1400".into()));
    assert_eq!(value("data.distance + 0"), Value::Number(1400.0));
    assert!(Expression::parse("data.none").unwrap().evaluate_bool(&mut draft(Some(DATA))) == Ok(false));
}

#[test]
fn events_without_json_data_say_so() {
    let expression = Expression::parse("data.x == null").unwrap();
    assert_eq!(expression.evaluate_bool(&mut draft(None)), Ok(true));
    let mut csv = draft(Some("a;b"));
    csv.header_mut().content_type = Some("text/csv".into());
    let error = expression.evaluate_bool(&mut csv).unwrap_err();
    assert_eq!(error.message, "the data is text/csv, not JSON; only JSON data has fields (in `data.x == null`)");
    let error = expression.evaluate_bool(&mut draft(Some("{"))).unwrap_err();
    assert_eq!(
        error.message,
        "the data is not valid JSON: expected a member name in double quotes at byte 1 (in `data.x == null`)"
    );
    assert_eq!(Expression::parse("id == 'e1'").unwrap().evaluate_bool(&mut draft(Some("{"))), Ok(true));
}

#[test]
fn expressions_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    shared(&Expression::parse("data.tail.matches('x') && data.x in [1, 'a']").unwrap());
}

#[test]
fn without_an_event_only_the_given_values_are_known() {
    let message = |source: &str| Expression::parse_over(source, &["task", "member"]).unwrap_err().message;
    assert_eq!(message("data.x"), "`data` is not known; here an expression knows task, member");
    assert_eq!(message("id"), "`id` is not known; here an expression knows task, member");
    assert_eq!(message("tasks + 1"), "`tasks` is not known; did you mean `task`?");
    let value = |source: &str, values: &[&str]| {
        let values: Vec<Json> = values.iter().map(|value| Json::check((*value).to_owned()).unwrap()).collect();
        Expression::parse_over(source, &["task", "member"]).unwrap().evaluate_values(&values)
    };
    assert_eq!(value("[1, 2].exists(x, x == task)", &["2", "{}"]), Ok(Value::Bool(true)));
    assert_eq!(value("member.labels.rack", &["2", "{}"]), Ok(Value::Null));
    assert!(value("member.labels.size * 2", &["2", "{}"]).is_err());
}
