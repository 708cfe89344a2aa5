//! Whichever library a service has its transactions in, the rows are the same.

use diesel::Connection as _;
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use riverrun_outbox::{NewEvent, Outbox, Time};
use sqlx::Connection as _;

use crate::fresh::Fresh;

fn outbox() -> Outbox {
    Outbox::new("/shop")
}

fn full() -> NewEvent {
    NewEvent::new("orders", "order.placed")
        .id("e-1")
        .key("o-17")
        .source("/shop/north")
        .subject("o-17")
        .time(Time::parse("2026-05-01T10:00:00.123456Z").unwrap())
        .data_schema("https://shop.example/order.json")
        .data("application/vnd.shop+json", "{\"amount\": \"12 \u{20ac}\"}")
        .attribute("tenant", "blue")
        .attribute("empty", "")
}

fn small() -> NewEvent {
    NewEvent::new("orders", "order.gone").id("e-2").time(Time::parse("2026-05-01T10:00:00Z").unwrap())
}

async fn by_tokio_postgres(url: &str, events: &[NewEvent]) {
    let mut client = riverrun_outbox::Database::new(url).unwrap().connect().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    for event in events {
        outbox().publish(&transaction, event).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

async fn by_sqlx(url: &str, events: &[NewEvent]) {
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    for event in events {
        outbox().publish_sqlx(&mut transaction, event).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

type Diesel = AsyncConnectionWrapper<AsyncPgConnection>;

async fn by_diesel(url: &str, events: &[NewEvent]) {
    let (url, events) = (url.to_owned(), events.to_vec());
    let publishing = move || {
        let mut connection = Diesel::establish(&url).unwrap();
        let published = connection.transaction(|transaction| {
            events.iter().try_for_each(|event| outbox().publish_diesel(transaction, event).map(|_| ()))
        });
        published.unwrap();
    };
    tokio::task::spawn_blocking(publishing).await.unwrap();
}

/// All columns but those that say when and by whom.
const ROWS: &str =
    "select (to_jsonb(o) - array['id', 'slot', 'xid', 'stored_at'])::text from riverrun_outbox o order by id";

#[tokio::test(flavor = "multi_thread")]
async fn all_libraries_store_the_same_rows() {
    let fresh = Fresh::with_outbox().await;
    let events = [full(), small()];
    by_tokio_postgres(&fresh.url, &events).await;
    let rows = fresh.ask(ROWS).await;
    by_sqlx(&fresh.url, &events).await;
    by_diesel(&fresh.url, &events).await;
    let all = fresh.ask(ROWS).await;
    assert_eq!((all[..2].to_vec(), all[2..4].to_vec(), all[4..].to_vec()), (rows.clone(), rows.clone(), rows.clone()));

    let row: serde_json::Value = serde_json::from_str(&rows[0]).unwrap();
    let shard = row["shard"].as_i64().unwrap();
    assert!((0..64).contains(&shard), "{shard}");
    let data: String = "{\"amount\": \"12 \u{20ac}\"}".bytes().map(|byte| format!("{byte:02x}")).collect();
    let expected = serde_json::json!({
        "shard": shard, "topic": "orders", "key": "o-17", "event_id": "e-1", "source": "/shop/north", "type": "order.placed",
        "subject": "o-17", "time": "2026-05-01T10:00:00.123456+00:00", "content_type": "application/vnd.shop+json",
        "data_schema": "https://shop.example/order.json", "attributes": ["tenant", "blue", "empty", ""], "data": format!("\\x{data}"),
        "attempts": 0, "error": null, "retry_at": null, "dead_at": null, "blocks": false,
    });
    let time = |row: &serde_json::Value| Time::parse(row["time"].as_str().unwrap()).unwrap();
    assert_eq!(time(&row), time(&expected));
    let without_time = |mut row: serde_json::Value| {
        row.as_object_mut().unwrap().remove("time");
        row
    };
    assert_eq!(without_time(row), without_time(expected));
    let row: serde_json::Value = serde_json::from_str(&rows[1]).unwrap();
    for null in ["key", "subject", "content_type", "data_schema", "attributes", "data"] {
        assert!(row[null].is_null(), "{null} in {row}");
    }
    assert_eq!(row["source"], "/shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_did_not_commit_is_not_there() {
    let fresh = Fresh::with_outbox().await;
    let mut client = fresh.client().await;
    let transaction = client.transaction().await.unwrap();
    outbox().publish(&transaction, &full()).await.unwrap();
    transaction.rollback().await.unwrap();
    assert!(fresh.ask(ROWS).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sql_publishes_is_what_rust_publishes() {
    let fresh = Fresh::with_outbox().await;
    by_tokio_postgres(&fresh.url, &[full()]).await;
    let headers = "{\"id\": \"e-1\", \"source\": \"/shop/north\", \"subject\": \"o-17\", \"time\": \"2026-05-01T10:00:00.123456Z\", \
                    \"datacontenttype\": \"application/vnd.shop+json\", \"dataschema\": \"https://shop.example/order.json\", \
                    \"tenant\": \"blue\", \"nothing\": null}";
    let data = "{\"amount\": \"12 \u{20ac}\"}";
    for data in [
        format!("'{data}'"),
        format!("'{data}'::json"),
        format!("'{data}'::jsonb"),
        format!("convert_to('{data}', 'UTF8')"),
    ] {
        let sql = format!("select riverrun_publish('orders', 'o-17', 'order.placed', {data}, '{headers}')");
        assert_eq!(fresh.ask(&sql).await, ["e-1"]);
    }
    let comparable = "select (to_jsonb(o) - array['id', 'xid', 'stored_at', 'attributes'])::text || coalesce(attributes[2], '') \
                      from riverrun_outbox o order by id";
    let rows = fresh.ask(comparable).await;
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().all(|row| *row == rows[0]), "{rows:#?}");

    let defaults = "select riverrun_publish('orders', null, 'order.gone', null)";
    let id = fresh.ask(defaults).await.remove(0);
    let stored = "select event_id || ' ' || source || ' ' || (time is not null) || ' ' || (data is null) from riverrun_outbox \
                  order by id desc limit 1";
    let source = fresh.url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    assert_eq!(fresh.ask(stored).await, [format!("{id} /{source} true true")]);
}
