//! What a pipeline does with its events: steps, state, models, failures.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod world;

use riverrun_topology::OnError;
use world::World;

fn data(world: &World, topic: &str, key: &str) -> Vec<String> {
    let events = world.by_key(topic).remove(key).unwrap_or_default();
    events.iter().map(|event| String::from_utf8(event.data.clone().unwrap().to_vec()).unwrap()).collect()
}

#[test]
fn events_are_filtered_enriched_and_counted_per_key_and_in_order() {
    let world = World::new(OnError::DeadLetter);
    world.publish("accounts", &[("ada", r#"{"tier":"gold"}"#)], 0);
    world.publish(
        "orders",
        &[
            ("ada", r#"{"amount":1}"#),
            ("bob", r#"{"amount":2}"#),
            ("ada", r#"{"amount":0}"#),
            ("ada", r#"{"amount":3}"#),
        ],
        10,
    );
    world.run(2);
    assert_eq!(
        data(&world, "scored", "ada"),
        [
            r#"{"amount":1,"account":{"tier":"gold"},"last":{"amount":1},"seen":1}"#,
            r#"{"amount":3,"account":{"tier":"gold"},"last":{"amount":3},"seen":2}"#,
        ]
    );
    assert_eq!(data(&world, "scored", "bob"), [r#"{"amount":2,"account":null,"last":{"amount":2},"seen":1}"#]);
}

#[test]
fn a_snapshot_takes_the_version_of_the_events_own_time() {
    let world = World::new(OnError::DeadLetter);
    world.publish("accounts", &[("ada", r#"{"tier":"old"}"#)], 0);
    world.publish("accounts", &[("ada", r#"{"tier":"new"}"#)], 100);
    world.publish("accounts", &[("ada", "")], 200);
    for time in [50, 150, 250] {
        world.publish("orders", &[("ada", r#"{"amount":1}"#)], time);
    }
    world.run(1);
    let tiers: Vec<bool> = data(&world, "scored", "ada")
        .iter()
        .zip([r#"{"tier":"old"}"#, r#"{"tier":"new"}"#, "null"])
        .map(|(data, account)| data.contains(&format!("\"account\":{account}")))
        .collect();
    assert_eq!(tiers, [true, true, true]);
    let snapshots: Vec<String> = world.by_key("scored")["ada"]
        .iter()
        .map(|event| event.attributes.get("rrsnapshot").unwrap().to_owned())
        .collect();
    assert!(snapshots[0].starts_with("account=accounts/"), "{snapshots:?}");
    assert!(snapshots[2].starts_with("account=-,last=orders/"), "{snapshots:?}");
}

#[test]
fn outputs_name_their_cause() {
    let world = World::new(OnError::DeadLetter);
    world.publish("orders", &[("ada", r#"{"amount":1}"#)], 7);
    world.run(1);
    let cause = world.read("orders").remove(0).position;
    let output = world.read("scored").remove(0).event;
    assert_eq!(&*output.id, format!("{cause}/to.0"));
    assert_eq!(&*output.source, "/shop/scored");
    for (name, value) in [
        ("rrcause", &*cause.to_string()),
        ("causationid", "orders-7"),
        ("causationsource", "/test"),
        ("correlationid", "orders-7"),
    ] {
        assert_eq!(output.attributes.get(name), Some(value), "{name}");
    }
}

const TROUBLED: [(&str, &str); 5] = [
    ("ada", r#"{"amount":1}"#),
    ("ada", r#"{"amount":2,"do":"refuse"}"#),
    ("ada", r#"{"amount":3,"do":"panic"}"#),
    ("", r#"{"amount":4}"#),
    ("ada", r#"{"amount":5}"#),
];

fn check_failure(on_error: OnError, outputs: usize, dead_letters: usize) {
    let world = World::new(on_error);
    world.publish("orders", &TROUBLED, 0);
    world.run(2);
    let seen = data(&world, "scored", "ada");
    assert_eq!(seen.len(), outputs, "{on_error:?}: {seen:?}");
    assert_eq!(world.read("_dead-letters.scored").len(), dead_letters, "{on_error:?}");
    // A failed event leaves no trace in the state: the next one counts on from the last that succeeded.
    let last = format!("\"seen\":{outputs}}}");
    assert!(seen.last().unwrap().ends_with(&last), "{on_error:?}: {seen:?}");
}

#[test]
fn failing_events_go_the_declared_way() {
    check_failure(OnError::DeadLetter, 2, 3);
    check_failure(OnError::Skip, 2, 0);
    check_failure(OnError::Stop, 1, 0);
}

#[test]
fn a_dead_letter_is_the_event_with_its_error() {
    let world = World::new(OnError::DeadLetter);
    world.publish("orders", &TROUBLED, 0);
    world.run(1);
    let dead = world.by_key("_dead-letters.scored");
    let event = &dead["ada"][0];
    assert_eq!(
        (&*event.id, &*event.source, event.data.as_deref().unwrap()),
        ("orders-1", "/test", TROUBLED[1].1.as_bytes())
    );
    let attribute = |name: &str| event.attributes.get(name).unwrap().to_owned();
    assert_eq!(
        (attribute("rroperator"), attribute("rrpipeline"), attribute("rrattempts")),
        ("count".into(), "scored".into(), "1".into())
    );
    assert!(attribute("rrerror").contains("the order asks to be refused"));
    assert!(attribute("rrerrorcode").starts_with("RR03"));
    assert!(dead["ada"][1].attributes.get("rrerror").unwrap().contains("the order asks for a panic"));
}
