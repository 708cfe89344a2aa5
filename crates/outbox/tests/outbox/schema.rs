//! The schema: applied once, whoever does it, however often, wherever.

use riverrun_outbox::{NewEvent, Outbox, SchemaName, schema};

use crate::fresh::Fresh;

/// Everything that makes an outbox, without the numbers that differ from database to database.
const CATALOG: &str = "
    select 'column ' || c.table_name || '.' || c.column_name || ' ' || c.data_type || ' ' || c.is_nullable || ' ' || coalesce(c.column_default, '')
      from information_schema.columns c where c.table_schema = $1
    union all select 'index ' || indexdef from pg_indexes where schemaname = $1
    union all select 'function ' || pg_get_functiondef(p.oid) from pg_proc p where p.pronamespace = (select oid from pg_namespace where nspname = $1)
    union all select 'trigger ' || pg_get_triggerdef(t.oid) from pg_trigger t join pg_class c on c.oid = t.tgrelid
      where c.relnamespace = (select oid from pg_namespace where nspname = $1) and not t.tgisinternal
    union all select 'options ' || c.relname || array_to_string(c.reloptions, ',') from pg_class c
      where c.relnamespace = (select oid from pg_namespace where nspname = $1)
    union all select 'version ' || version from SCHEMA.riverrun_outbox_version
    order by 1";

async fn catalog(fresh: &Fresh, name: &SchemaName) -> Vec<String> {
    let sql = CATALOG.replace("SCHEMA", &name.quoted());
    let rows = fresh.client().await.query(&sql, &[&name.as_str()]).await.unwrap();
    rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect()
}

async fn published(fresh: &Fresh, name: &SchemaName) -> i64 {
    let mut client = fresh.client().await;
    let transaction = client.transaction().await.unwrap();
    let outbox = Outbox::new("/shop").schema(name.clone());
    outbox.publish(&transaction, &NewEvent::new("orders", "x").key("o-1").json("{}")).await.unwrap();
    transaction.commit().await.unwrap();
    let sql = format!("select {}.riverrun_publish('orders', 'o-1', 'x', '{{}}')", name.quoted());
    client.query(&sql, &[]).await.unwrap();
    let sql = format!("select count(*) from {}.riverrun_outbox", name.quoted());
    client.query_one(&sql, &[]).await.unwrap().get(0)
}

async fn printed_equals_applied(name: &SchemaName) {
    let (applied, printed) = (Fresh::empty().await, Fresh::empty().await);
    assert_eq!(schema::apply(&mut applied.client().await, name).await.unwrap(), 0);
    let before = catalog(&applied, name).await;
    assert!(before.len() > 40, "{before:#?}");

    // Again and again, and as a script: nothing changes.
    assert_eq!(schema::apply(&mut applied.client().await, name).await.unwrap(), schema::VERSION);
    for _ in 0..2 {
        printed.client().await.batch_execute(&schema::script(name)).await.unwrap();
        assert_eq!(catalog(&printed, name).await, before);
    }
    assert_eq!(catalog(&applied, name).await, before);
    assert_eq!(schema::version(&printed.client().await, name).await.unwrap(), schema::VERSION);
    assert_eq!((published(&applied, name).await, published(&printed, name).await), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_script_equals_what_is_applied() {
    printed_equals_applied(&SchemaName::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_with_strange_names_are_schemas() {
    printed_equals_applied(&SchemaName::new("It's the \"Shop\" $$ of $q$ \\ \u{20ac}; --").unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_at_once_apply_it_once() {
    let fresh = Fresh::empty().await;
    let name = SchemaName::new("shop").unwrap();
    let applying = (0..8).map(|_| {
        let (database, name) = (fresh.database(), name.clone());
        tokio::spawn(async move { schema::apply(&mut database.connect().await.unwrap(), &name).await.unwrap() })
    });
    let mut before = Vec::new();
    for applied in applying.collect::<Vec<_>>() {
        before.push(applied.await.unwrap());
    }
    before.sort_unstable();
    assert_eq!(before, [&[0][..], &[schema::VERSION; 7]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_an_outbox_has_version_zero() {
    let fresh = Fresh::empty().await;
    assert_eq!(schema::version(&fresh.client().await, &SchemaName::new("nowhere").unwrap()).await.unwrap(), 0);
}
