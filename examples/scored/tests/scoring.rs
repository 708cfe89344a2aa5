//! The app as its users see it, without disk or network: orders in, scored orders out.
#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use riverrun::testing::{Driver, run_file};
use riverrun::{App, Event};
use scored::{Order, Risk, Scored};

fn driver() -> Driver {
    let app = App::load(concat!(env!("CARGO_MANIFEST_DIR"), "/riverrun.yaml")).unwrap();
    Driver::start(app.transform("risk", Risk)).unwrap()
}

fn order(account: &str, amount: f64) -> Event<Order> {
    Event::new("order.placed", Order { account: account.to_owned(), amount })
}

#[test]
fn an_order_is_measured_against_what_its_account_usually_spends() {
    let mut driver = driver();
    for (account, amount) in [("ada", 10.0), ("bob", 500.0), ("ada", 30.0), ("ada", 100.0)] {
        driver.publish("orders", order(account, amount)).unwrap();
    }
    let scored: Vec<Event<Scored>> = driver.read("scored-orders").unwrap();
    let of_ada = scored.iter().filter(|event| event.key().is_some_and(|key| key.as_bytes() == b"ada"));
    assert_eq!(of_ada.map(|event| event.data.risk).collect::<Vec<_>>(), [1.0, 3.0, 5.0]);
    assert_eq!(scored.len(), 4);
}

#[test]
fn state_survives_a_restart() {
    let mut driver = driver();
    driver.publish("orders", order("ada", 10.0)).unwrap();
    driver.restart().unwrap();
    driver.publish("orders", order("ada", 20.0)).unwrap();
    let scored: Vec<Event<Scored>> = driver.read("scored-orders").unwrap();
    assert_eq!(scored.last().map(|event| event.data.risk), Some(2.0));
}

#[test]
fn an_order_that_does_not_fit_is_set_aside_and_its_account_goes_on() {
    let mut driver = driver();
    let odd = std::collections::BTreeMap::from([("account", "ada"), ("amount", "many")]);
    driver.publish("orders", Event::new("order.placed", odd)).unwrap();
    driver.publish("orders", order("ada", 10.0)).unwrap();
    assert_eq!(driver.read::<Scored>("scored-orders").unwrap().len(), 1);
    assert_eq!(driver.dead_letters("scored").unwrap().len(), 1);
}

#[test]
fn the_tests_of_the_app_file_pass() {
    let app = App::load(concat!(env!("CARGO_MANIFEST_DIR"), "/riverrun.yaml")).unwrap().transform("risk", Risk);
    run_file(&app, concat!(env!("CARGO_MANIFEST_DIR"), "/orders.test.yaml")).unwrap();
}
