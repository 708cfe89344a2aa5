//! What comes in, in each form CloudEvents has, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use riverrun_accept::Received;
use riverrun_event::Event;
use riverrun_ingest::cloudevents::{DecodeError, batch, binary, plain, structured};

const DEPTH: usize = 64;

/// One line that shows everything of an event.
fn show(received: &Received) -> String {
    let Event { id, source, kind, subject, time, data_schema, attributes, content_type, data, .. } = &received.event;
    let mut line = format!("{id} {source} {kind}");
    let named = [
        ("subject", subject.as_deref().map(str::to_owned)),
        ("time", time.map(|time| time.to_string())),
        ("schema", data_schema.as_deref().map(str::to_owned)),
        ("type", content_type.as_deref().map(str::to_owned)),
        ("key", received.partition_key.as_deref().map(str::to_owned)),
    ];
    for (name, value) in named {
        line += &value.map(|value| format!(" {name}={value}")).unwrap_or_default();
    }
    for (name, value) in attributes.iter() {
        line += &format!(" +{name}={value}");
    }
    match data {
        Some(data) => line + &format!(" | {}", String::from_utf8_lossy(data)),
        None => line,
    }
}

fn judge(decoded: Result<Received, DecodeError>, expected: Result<&str, &str>, input: &str) {
    match (decoded, expected) {
        (Ok(received), Ok(expected)) => assert_eq!(show(&received), expected, "{input}"),
        (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{input}: {error}"),
        (decoded, expected) => panic!("{input}: expected {expected:?}, got {decoded:?}"),
    }
}

/// The members, after the four required ones, and what becomes of them.
fn check(members: &str, expected: Result<&str, &str>) {
    let comma = if members.is_empty() { "" } else { "," };
    let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{comma}{members}}}"#);
    judge(structured::decode(&Bytes::from(body), DEPTH), expected, members);
}

#[test]
fn structured_attributes() {
    check("", Ok("1 /s t"));
    check(r#""subject":"a\u0062\"c""#, Ok("1 /s t subject=ab\"c"));
    check(r#""subject":null,"time":null,"unset":null"#, Ok("1 /s t"));
    check(r#""time":"2018-04-05T19:31:00+02:00""#, Ok("1 /s t time=2018-04-05T17:31:00Z"));
    check(r#""dataschema":"https://x/y""#, Ok("1 /s t schema=https://x/y"));
    check(r#""one":"v","two":true,"three":-5,"four":false"#, Ok("1 /s t +one=v +two=true +three=-5 +four=false"));
    check(r#""partitionkey":"k","rrposition":"flights/2@991""#, Ok("1 /s t key=k"));
    check(r#" "a" : "b" , "c" : 1 "#, Ok("1 /s t +a=b +c=1"));
    check(r#""n":2147483648"#, Err("32 bits"));
    check(r#""n":1.5"#, Err("32 bits"));
    check(r#""n":{}"#, Err("\"n\": an extension"));
    check(r#""n":[1]"#, Err("\"n\": an extension"));
    check(r#""a_b":"x""#, Err("a-z and 0-9"));
    check(r#""a":"x\u0001""#, Err("control characters"));
    check(r#""subject":1"#, Err("\"subject\": expected a JSON string"));
    check(r#""subject":{}"#, Err("\"subject\": expected a JSON string"));
    check(r#""time":"yesterday""#, Err("\"time\": \"yesterday\""));
    check(r#""id":"2""#, Err("\"id\" is stated twice"));
    check(r#""subject":null,"subject":"x""#, Err("\"subject\" is stated twice"));
    check(r#""a":"1","a":"1""#, Err("stated twice"));
    check(r#""data":1,"data":1"#, Err("\"data\" is stated twice"));
    check(r#""partitionkey":"a","partitionkey":"b""#, Err("stated twice"));
    check(r#""partitionkey":"""#, Err("must not be empty"));
    check(r#""subject":"\ud800""#, Err("Unicode"));
    check(r#""subject":"x"#, Err("expected the string to go on"));
}

#[test]
fn structured_data_is_kept_byte_for_byte() {
    check(
        "\"data\": {\"a\" :\t1.0 , \"a\":1e400,\n\"b\":[ ]}  ",
        Ok("1 /s t | {\"a\" :\t1.0 , \"a\":1e400,\n\"b\":[ ]}"),
    );
    check(r#""data":123456789012345678901234567890"#, Ok("1 /s t | 123456789012345678901234567890"));
    check(r#""data":"I'm just a string""#, Ok("1 /s t | \"I'm just a string\""));
    check(r#""data":null"#, Ok("1 /s t | null"));
    check(
        r#""data":{"a":1},"datacontenttype":"application/vnd.x+json""#,
        Ok("1 /s t type=application/vnd.x+json | {\"a\":1}"),
    );
    check(
        r#""datacontenttype":"application/xml","data":"<much wow=\"xml\"/>""#,
        Ok("1 /s t type=application/xml | <much wow=\"xml\"/>"),
    );
    check(r#""data":"<a/>","datacontenttype":"text/xml""#, Ok("1 /s t type=text/xml | <a/>"));
    check(r#""data_base64":"aGVsbG8=","datacontenttype":"text/plain""#, Ok("1 /s t type=text/plain | hello"));
    check(r#""data_base64":null"#, Ok("1 /s t"));
    check(r#""data":{},"datacontenttype":"text/plain""#, Err("must be a JSON string"));
    check(r#""data":null,"datacontenttype":"text/plain""#, Err("must be a JSON string"));
    check(r#""data":1,"data_base64":"aGVsbG8=""#, Err("not both"));
    check(r#""data_base64":"?""#, Err("no base64"));
    check(r#""data_base64":1"#, Err("expected a JSON string"));
    check(&format!(r#""data":{}{}"#, "[".repeat(65), "]".repeat(65)), Err("nested deeper than 64"));
    check(r#""data":{"a":}"#, Err("expected a JSON value"));
}

#[test]
fn a_structured_body_is_one_object_with_a_version() {
    for (body, part) in [
        ("", "expected an object"),
        ("[]", "expected an object"),
        ("{}", "\"specversion\" is missing"),
        (r#"{"specversion":"0.3","id":"1"}"#, "\"0.3\" is not supported"),
        (r#"{"specversion":null}"#, "\"specversion\" is missing"),
        (r#"{"specversion":1.0}"#, "expected a JSON string"),
        (r#"{"specversion":"1.0"} x"#, "expected the end"),
        (r#"{"specversion":"1.0",}"#, "a member name"),
        ("\u{feff}{}", "expected an object"),
    ] {
        judge(structured::decode(&Bytes::from(body.to_owned()), DEPTH), Err(part), body);
    }
    let latin = Bytes::from_static(b"{\"specversion\":\"\xe9\"}");
    judge(structured::decode(&latin, DEPTH), Err("byte 16 is not valid UTF-8"), "latin 1");
}

#[test]
fn batches_name_the_event_at_fault() {
    let event = |id: &str| format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t"}}"#);
    let check = |body: String, expected: Result<usize, (Option<usize>, &str)>| match (
        batch::decode(&Bytes::from(body.clone()), 3, DEPTH),
        expected,
    ) {
        (Ok(events), Ok(count)) => assert_eq!(events.len(), count, "{body}"),
        (Err(refused), Err((index, part))) => {
            assert_eq!(refused.index, index, "{body}");
            assert!(refused.error.to_string().contains(part), "{body}: {}", refused.error);
        }
        (decoded, expected) => panic!("{body}: expected {expected:?}, got {decoded:?}"),
    };
    check(" [ ] ".into(), Ok(0));
    check(format!("[{}]", event("1")), Ok(1));
    check(format!("[ {} ,\n{} , {}]", event("1"), event("2"), event("3")), Ok(3));
    check(format!("[{0},{0},{0},{0}]", event("1")), Err((None, "more than 3 events")));
    check(format!("[{},{{}}]", event("1")), Err((Some(1), "specversion")));
    check(format!("[{},1]", event("1")), Err((Some(1), "expected an object")));
    check(format!("[{},]", event("1")), Err((Some(1), "expected an object")));
    check(format!("[{}", event("1")), Err((None, "',' or ']'")));
    check(event("1"), Err((None, "an array of events")));
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    headers
}

/// The headers after the four required ones, the body, and what becomes of them.
fn check_binary(further: &[(&str, &str)], body: &str, expected: Result<&str, &str>) {
    let required = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];
    let headers = headers(&[&required, further].concat());
    judge(binary::decode(&headers, Bytes::from(body.to_owned())), expected, &format!("{further:?}"));
}

#[test]
fn binary_mode() {
    check_binary(
        &[("content-type", "application/json; charset=utf-8")],
        "{ }",
        Ok("1 /s t type=application/json; charset=utf-8 | { }"),
    );
    check_binary(&[], "", Ok("1 /s t"));
    check_binary(
        &[("ce-time", "2018-04-05T03:56:24Z"), ("ce-comexampleothervalue", "5")],
        "x",
        Ok("1 /s t time=2018-04-05T03:56:24Z +comexampleothervalue=5 | x"),
    );
    check_binary(
        &[("CE-Subject", "Euro%20%E2%82%AC"), ("ce-partitionkey", "k")],
        "",
        Ok("1 /s t subject=Euro € key=k"),
    );
    check_binary(&[("accept", "*/*"), ("x-ce-y", "z")], "", Ok("1 /s t"));
    check_binary(&[("ce-id", "2")], "", Err("\"ce-id\" is stated twice"));
    check_binary(&[("ce-datacontenttype", "text/plain")], "", Err("header Content-Type"));
    check_binary(&[("ce-data", "x")], "", Err("as the body"));
    check_binary(&[("ce-a-b", "x")], "", Err("a-z and 0-9"));
    check_binary(&[("ce-subject", "%C0%A0")], "", Err("\"subject\": the header is not UTF-8"));
    check_binary(&[("ce-note", "%0A")], "", Err("control characters"));
    judge(binary::decode(&headers(&[("ce-id", "1")]), Bytes::new()), Err("\"specversion\" is missing"), "no version");
}

#[test]
fn plain_json() {
    let check = |pairs: &[(&str, &str)], expected| {
        judge(plain::decode(&headers(pairs), Bytes::from_static(b" {} ")), expected, &format!("{pairs:?}"))
    };
    check(&[], Ok("   |  {} "));
    check(&[("content-type", "application/json")], Ok("   type=application/json |  {} "));
    check(&[("idempotency-key", "a-1")], Ok("a-1   |  {} "));
    check(&[("idempotency-key", "\"a-1\"")], Ok("a-1   |  {} "));
    check(&[("idempotency-key", "")], Err("Idempotency-Key"));
    check(&[("idempotency-key", "a"), ("idempotency-key", "b")], Err("stated twice"));
}

/// The examples of the CloudEvents JSON format 1.0.2 (3.2) and of its batch format (4.3), the placeholder for base64 filled in.
#[test]
fn the_examples_of_the_specification() {
    let example = |id: &str, rest: &str| {
        format!(
            "{{\n    \"specversion\" : \"1.0\",\n    \"type\" : \"com.example.someevent\",\n    \"source\" : \"/mycontext\",\n    \
             \"id\" : \"{id}-1234-1234\",\n    \"time\" : \"2018-04-05T17:31:00Z\",\n    \"comexampleextension1\" : \"value\",\n    \
             \"comexampleothervalue\" : 5,\n    {rest}\n}}"
        )
    };
    let shown = |id: &str, media: &str, data: &str| {
        format!(
            "{id}-1234-1234 /mycontext com.example.someevent time=2018-04-05T17:31:00Z{media} +comexampleextension1=value \
             +comexampleothervalue=5 | {data}"
        )
    };
    let json = "{\n        \"appinfoA\" : \"abc\",\n        \"appinfoB\" : 123,\n        \"appinfoC\" : true\n    }";
    let examples = [
        (
            "A234",
            r#""datacontenttype" : "application/vnd.apache.thrift.binary", "data_base64" : "AAEC""#.to_owned(),
            " type=application/vnd.apache.thrift.binary",
            "\u{0}\u{1}\u{2}",
        ),
        (
            "B234",
            r#""unsetextension": null, "datacontenttype" : "application/xml", "data" : "<much wow=\"xml\"/>""#
                .to_owned(),
            " type=application/xml",
            "<much wow=\"xml\"/>",
        ),
        (
            "C234",
            format!("\"subject\": null, \"datacontenttype\" : \"application/json\", \"data\" : {json}"),
            " type=application/json",
            json,
        ),
        ("D234", r#""subject": null, "data" : "I'm just a string""#.to_owned(), "", "\"I'm just a string\""),
    ];
    let bodies: Vec<String> = examples.iter().map(|(id, rest, _, _)| example(id, rest)).collect();
    for ((id, _, media, data), body) in examples.iter().zip(&bodies) {
        let decoded = structured::decode(&Bytes::from(body.clone()), DEPTH);
        judge(decoded, Ok(&shown(id, media, data)), body);
    }
    let batch = batch::decode(&Bytes::from(format!("[\n{}\n]", bodies.join(",\n"))), 10, DEPTH).unwrap();
    for ((id, _, media, data), received) in examples.iter().zip(&batch) {
        assert_eq!(show(received), shown(id, media, data));
    }
}
