//! What is refused, and that Rust and SQL refuse it alike.

use riverrun_outbox::tokio_postgres::types::ToSql;
use riverrun_outbox::{NewEvent, Outbox, PublishError};

use crate::fresh::Fresh;

/// An event as both sides take it.
#[derive(Clone)]
struct Given {
    topic: String,
    key: Option<String>,
    id: String,
    source: String,
    kind: String,
    subject: Option<String>,
    content_type: Option<String>,
    schema: Option<String>,
    attributes: Vec<(String, String)>,
    data: Option<Vec<u8>>,
}

impl Given {
    fn rust(&self) -> NewEvent {
        let mut event = NewEvent::new(&self.topic, &self.kind).id(&self.id).source(&self.source);
        if let Some(key) = &self.key {
            event = event.key(key.clone());
        }
        if let Some(subject) = &self.subject {
            event = event.subject(subject);
        }
        if let Some(schema) = &self.schema {
            event = event.data_schema(schema);
        }
        for (name, value) in &self.attributes {
            event = event.attribute(name, value);
        }
        match (&self.content_type, &self.data) {
            (Some(kind), data) => event.data(kind, data.clone().unwrap_or_default()),
            (None, Some(data)) => event.json(data),
            (None, None) => event,
        }
    }
}

fn good() -> Given {
    Given {
        topic: "orders".to_owned(),
        key: Some("o-1".to_owned()),
        id: "e-1".to_owned(),
        source: "/shop".to_owned(),
        kind: "order.placed".to_owned(),
        subject: None,
        content_type: None,
        schema: None,
        attributes: Vec::new(),
        data: Some(b"{}".to_vec()),
    }
}

fn with(change: impl FnOnce(&mut Given)) -> Given {
    let mut given = good();
    change(&mut given);
    given
}

fn attributes(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn many(count: usize) -> Vec<(String, String)> {
    (0..count).map(|number| (format!("a{number}"), "x".to_owned())).collect()
}

/// Whether Rust, and whether SQL, refuse the event; SQL both by its rules and by storing it.
async fn refused(fresh: &Fresh, given: &Given) -> (bool, bool) {
    let mut client = fresh.client().await;
    let transaction = client.transaction().await.unwrap();
    let by_rust = match Outbox::new("/shop").publish(&transaction, &given.rust()).await {
        Ok(_) => false,
        Err(PublishError::Invalid { .. }) => true,
        Err(error) => panic!("{error}"),
    };
    transaction.rollback().await.unwrap();

    let flat: Vec<&String> = given.attributes.iter().flat_map(|(name, value)| [name, value]).collect();
    let flat = (!flat.is_empty()).then_some(flat);
    let arguments: [&(dyn ToSql + Sync); 10] = [
        &given.topic,
        &given.key,
        &given.id,
        &given.source,
        &given.kind,
        &given.subject,
        &given.content_type,
        &given.schema,
        &flat,
        &given.data,
    ];
    let fault = "select riverrun_fault($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let fault: Option<String> = client.query_one(fault, &arguments).await.unwrap().get(0);
    let store = "select riverrun_store($1, $2, $3, $4, $5, $6, now(), $7, $8, $9, $10)";
    let stored = client.query_one(store, &arguments).await;
    assert_eq!(fault.is_some(), stored.is_err(), "{fault:?}");
    if let Err(error) = stored {
        let said = error.as_db_error().unwrap().message();
        assert!(said.starts_with("the event is not stored: "), "{said}");
    }
    (by_rust, fault.is_some())
}

type Named = (&'static str, Given);

fn text(length: usize) -> String {
    "x".repeat(length)
}

/// Broken rules of names, keys and attributes of CloudEvents.
fn with_a_bad_context() -> Vec<Named> {
    vec![
        ("no topic", with(|given| given.topic = String::new())),
        ("a reserved topic", with(|given| given.topic = "_orders".to_owned())),
        ("a hidden topic", with(|given| given.topic = ".orders".to_owned())),
        ("a topic in capitals", with(|given| given.topic = "Orders".to_owned())),
        ("a topic with a line break", with(|given| given.topic = "orders\n".to_owned())),
        ("a long topic", with(|given| given.topic = text(201))),
        ("no type", with(|given| given.kind = String::new())),
        ("a long id", with(|given| given.id = text(4097))),
        ("a long source", with(|given| given.source = text(4097))),
        ("a long type", with(|given| given.kind = text(4097))),
        ("a long subject", with(|given| given.subject = Some(text(4097)))),
        ("a long schema", with(|given| given.schema = Some(text(4097)))),
        ("a long key", with(|given| given.key = Some(text(65_537)))),
        ("a key with a line break", with(|given| given.key = Some("a\nb".to_owned()))),
        ("an id with a control character", with(|given| given.id = "a\u{85}b".to_owned())),
        ("a type with a noncharacter", with(|given| given.kind = "a\u{fdd0}".to_owned())),
        ("a subject with a noncharacter of plane 0", with(|given| given.subject = Some("\u{ffff}".to_owned()))),
        ("a subject with a noncharacter of plane 1", with(|given| given.subject = Some("\u{1fffe}".to_owned()))),
        ("a subject with a noncharacter of plane 16", with(|given| given.subject = Some("\u{10ffff}".to_owned()))),
        ("a source with a blank", with(|given| given.source = "/the shop".to_owned())),
        ("a source with a backslash", with(|given| given.source = "\\shop".to_owned())),
        ("a schema with braces", with(|given| given.schema = Some("{order}".to_owned()))),
        ("an empty subject", with(|given| given.subject = Some(String::new()))),
        ("an empty schema", with(|given| given.schema = Some(String::new()))),
        ("an empty media type", with(|given| given.content_type = Some(String::new()))),
        ("no media type", with(|given| given.content_type = Some("json".to_owned()))),
        ("a media type with a blank", with(|given| given.content_type = Some("text/a b".to_owned()))),
    ]
}

/// Broken rules of extension attributes and data.
fn with_a_bad_content() -> Vec<Named> {
    vec![
        ("an attribute in capitals", with(|given| given.attributes = attributes(&[("Tenant", "x")]))),
        ("an attribute without a name", with(|given| given.attributes = attributes(&[("", "x")]))),
        ("an attribute of CloudEvents", with(|given| given.attributes = attributes(&[("subject", "x")]))),
        ("the attribute of keys", with(|given| given.attributes = attributes(&[("partitionkey", "x")]))),
        ("an attribute twice", with(|given| given.attributes = attributes(&[("a", "1"), ("a", "2")]))),
        ("an attribute with a line break", with(|given| given.attributes = attributes(&[("a", "1\n2")]))),
        ("many attributes", with(|given| given.attributes = many(65))),
        ("large attributes", with(|given| given.attributes = vec![("a".to_owned(), text(32 * 1024))])),
        ("no JSON", with(|given| given.data = Some(b"{".to_vec()))),
        ("JSON that is no UTF-8", with(|given| given.data = Some(b"\"\xff\"".to_vec()))),
        (
            "no JSON of its own kind",
            with(|given| {
                (given.content_type, given.data) =
                    (Some("application/vnd.shop+json; v=1".to_owned()), Some(b"x".to_vec()));
            }),
        ),
    ]
}

fn good_ones() -> Vec<Named> {
    vec![
        ("as it is", good()),
        ("a long topic", with(|given| given.topic = text(200))),
        ("a topic with all there may be", with(|given| given.topic = "-orders.of_2026".to_owned())),
        (
            "long attributes of its own",
            with(|given| {
                (given.id, given.source, given.kind) = (text(4096), text(4096), text(4096));
                (given.subject, given.schema) = (Some(text(4096)), Some(text(4096)));
            }),
        ),
        ("no key", with(|given| given.key = None)),
        ("an empty key", with(|given| given.key = Some(String::new()))),
        ("a long key", with(|given| given.key = Some(text(65_536)))),
        ("letters of all kinds", with(|given| given.subject = Some("\u{20ac} \u{1f600} \u{1fffd}".to_owned()))),
        ("many attributes", with(|given| given.attributes = many(64))),
        ("an empty attribute", with(|given| given.attributes = attributes(&[("a", "")]))),
        ("no data", with(|given| given.data = None)),
        (
            "bytes",
            with(|given| {
                (given.content_type, given.data) = (Some("image/png".to_owned()), Some(vec![0, 255]));
            }),
        ),
        (
            "JSON of its own kind",
            with(|given| {
                (given.content_type, given.data) =
                    (Some("application/vnd.shop+json; v=1".to_owned()), Some(b"1".to_vec()));
            }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_and_sql_refuse_the_same() {
    let fresh = Fresh::with_outbox().await;
    for (name, given) in with_a_bad_context().into_iter().chain(with_a_bad_content()) {
        assert_eq!(refused(&fresh, &given).await, (true, true), "{name}");
    }
    for (name, given) in good_ones() {
        assert_eq!(refused(&fresh, &given).await, (false, false), "{name}");
    }
}

/// What only SQL can be given.
#[tokio::test(flavor = "multi_thread")]
async fn sql_refuses_what_rust_cannot_say() {
    let fresh = Fresh::with_outbox().await;
    let client = fresh.client().await;
    for (attributes, headers) in [
        ("array['a']", ""),
        ("array['a', null]", ""),
        ("array[null, 'a']", ""),
        ("array[array['a', '1'], array['b', '2']]", ""),
        ("'[0:1]={a,1}'::text[]", ""),
        ("", "{\"a\": {}}"),
        ("", "{\"a\": [1]}"),
        ("", "{\"subject\": {\"a\": 1}}"),
    ] {
        let sql = if headers.is_empty() {
            format!(
                "select riverrun_store('orders', 'o-1', 'e-1', '/shop', 'x', null, now(), null, null, {attributes}, null)::text"
            )
        } else {
            format!("select riverrun_publish('orders', 'o-1', 'x', '{{}}', '{headers}')")
        };
        let said = client.query_one(&sql, &[]).await.map(|_| ()).unwrap_err();
        let said = said.as_db_error().unwrap_or_else(|| panic!("{sql}: {said}")).message().to_owned();
        assert!(said.starts_with("the event is not stored: "), "{sql}: {said}");
    }
    let sql = "select riverrun_publish('orders', 'o-1', 'x', '{}', '{\"n\": 1.50, \"yes\": true, \"none\": null}')";
    client.query_one(sql, &[]).await.unwrap();
    assert_eq!(fresh.ask("select attributes::text from riverrun_outbox").await, ["{n,1.50,yes,true}"]);
}
