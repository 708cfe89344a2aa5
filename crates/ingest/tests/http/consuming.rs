//! Named consumers over HTTP: readers that share, commit, lose, wait and start over.

use axum::body::Body;
use riverrun_event::{Offset, Position};
use riverrun_log::Faults;

use crate::door::{Answer, Door, JSON};

/// Reads a page as JSON.
async fn read(door: &Door, query: &str) -> Answer {
    let line = format!("GET /consumers/billing/events?topic=flights&wait=0&{query}");
    door.ask(&line, &[("accept", "application/json")], Body::empty()).await
}

async fn commit(door: &Door, cursor: &str) -> Answer {
    door.ask("POST /consumers/billing/commit", &[JSON], format!(r#"{{"cursor":"{cursor}"}}"#)).await
}

impl Answer {
    fn ids(&self) -> Vec<String> {
        let events = self.json()["events"].as_array().cloned().unwrap_or_else(|| panic!("{self:?}"));
        events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }

    fn cursor(&self) -> String {
        self.json()["cursor"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }

    fn code(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["code"].as_str().unwrap_or_default().to_owned())
    }
}

#[tokio::test]
async fn what_is_committed_is_not_read_again() {
    let door = Door::open().await;
    for id in ["1", "2", "3"] {
        door.fly(id, "k").await;
    }
    let first = read(&door, "reader=a&limit=2").await;
    assert_eq!(first.ids(), ["1", "2"]);
    assert_eq!(read(&door, "reader=a&limit=2").await.ids(), ["1", "2"], "nothing is committed yet");
    assert_eq!(commit(&door, &first.cursor()).await.status, 204);
    let rest = read(&door, "reader=a").await;
    assert_eq!(rest.ids(), ["3"]);
    assert_eq!(commit(&door, &first.cursor()).await.status, 204, "an older cursor changes nothing");
    assert_eq!(read(&door, "reader=a").await.ids(), ["3"]);
    assert_eq!(commit(&door, &rest.cursor()).await.status, 204);
    let empty = read(&door, "reader=a").await;
    assert_eq!((empty.ids().len(), empty.json()["cursor"].is_null()), (0, true));
}

#[tokio::test]
async fn a_page_behind_an_uncommitted_one_covers_both() {
    let door = Door::open().await;
    for id in ["1", "2", "3"] {
        door.fly(id, "k").await;
    }
    let first = read(&door, "reader=a&limit=1").await.cursor();
    let second = read(&door, &format!("reader=a&limit=1&after={first}")).await;
    assert_eq!(second.ids(), ["2"]);
    assert_eq!(commit(&door, &second.cursor()).await.status, 204);
    assert_eq!(read(&door, "reader=a").await.ids(), ["3"]);
}

#[tokio::test]
async fn lines_carry_the_cursor_in_a_header() {
    let door = Door::open().await;
    door.fly("1", "k").await;
    let lines = door.get("/consumers/billing/events?topic=flights&wait=0").await;
    assert_eq!(lines.column("id"), ["1"]);
    assert!(lines.headers["riverrun-reader"].to_str().unwrap().starts_with("reader-"));
    let cursor = lines.headers["riverrun-cursor"].to_str().unwrap();
    assert_eq!(commit(&door, cursor).await.status, 204);
}

#[tokio::test]
async fn readers_share_and_one_that_leaves_makes_room() {
    let door = Door::open().await;
    let partitions = |answer: Answer| answer.json()["partitions"].as_array().unwrap().len();
    assert_eq!(partitions(read(&door, "reader=a").await), 4);
    assert_eq!(partitions(read(&door, "reader=b").await), 0, "a may be processing");
    assert_eq!(partitions(read(&door, "reader=a").await), 2);
    assert_eq!(partitions(read(&door, "reader=b").await), 2);
    let left = door.ask("DELETE /consumers/billing/readers/a", &[], Body::empty()).await;
    assert_eq!(left.status, 204);
    assert_eq!(partitions(read(&door, "reader=b").await), 4);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stays_away_loses_its_partitions_and_is_told_so() {
    let door = Door::open().await;
    door.fly("1", "k").await;
    let held = read(&door, "reader=a&session=5").await;
    // b waits for events; it gets the partition when the session of a ends, long before its own wait does.
    let line = "GET /consumers/billing/events?topic=flights&wait=30&reader=b";
    let taken = door.ask(line, &[("accept", "application/json")], Body::empty()).await;
    assert_eq!(taken.ids(), ["1"], "at least once");
    assert_eq!(commit(&door, &held.cursor()).await.code(), (409, "RR0187".to_owned()));
    assert_eq!(commit(&door, &taken.cursor()).await.status, 204);
}

#[tokio::test]
async fn a_waiting_reader_is_given_what_comes() {
    let door = Door::open().await;
    assert_eq!(read(&door, "reader=a").await.ids().len(), 0);
    let line = "GET /consumers/billing/events?topic=flights&wait=30&reader=a";
    let (answer, ()) = tokio::join!(door.ask(line, &[], Body::empty()), door.fly("1", "k"));
    assert_eq!(answer.column("id"), ["1"]);
}

#[tokio::test]
async fn a_second_call_of_a_reader_ends_the_first() {
    let door = Door::open().await;
    read(&door, "reader=a").await;
    let line = "GET /consumers/billing/events?topic=flights&wait=30&reader=a";
    let (first, second) = tokio::join!(door.ask(line, &[], Body::empty()), read(&door, "reader=a"));
    assert_eq!((first.status.as_u16(), first.text.as_str()), (200, ""));
    assert_eq!(second.status, 200);
}

#[tokio::test]
async fn a_consumer_starts_where_it_is_told_once() {
    let door = Door::open().await;
    door.fly("1", "k").await;
    assert_eq!(read(&door, "reader=a&from=latest").await.ids().len(), 0);
    door.fly("2", "k").await;
    assert_eq!(read(&door, "reader=a&from=beginning").await.ids(), ["2"], "it has a position already");
}

#[tokio::test]
async fn topics_are_added_and_kept() {
    let door = Door::open().await;
    door.fly("1", "k").await;
    assert_eq!(read(&door, "reader=a").await.ids(), ["1"]);
    assert_eq!(door.ask("POST /topics/single/events", &[JSON], "{}").await.status, 202);
    let both = door.get("/consumers/billing/events?topic=single&reader=a&wait=0").await;
    assert_eq!(both.text.lines().count(), 2);
    let without = door.get("/consumers/billing/events?reader=a&wait=0").await;
    assert_eq!(without.text.lines().count(), 2, "who names no topics reads the consumer's");
}

#[tokio::test]
async fn positions_outlive_the_process() {
    let door = Door::open().await;
    for id in ["1", "2"] {
        door.fly(id, "k").await;
    }
    let page = read(&door, "reader=a&limit=1").await;
    assert_eq!(commit(&door, &page.cursor()).await.status, 204);
    let ahead = read(&door, "reader=a").await.cursor();
    let restarted = door.restarted();
    assert_eq!(commit(&restarted, &ahead).await.code(), (409, "RR0187".to_owned()), "sessions do not");
    assert_eq!(restarted.get("/consumers").await.json()[0]["lag"], 1);
    assert_eq!(read(&restarted, "reader=a").await.ids(), ["2"]);
}

#[tokio::test]
async fn positions_can_be_set_anew() {
    let door = Door::open().await;
    for id in ["1", "2"] {
        door.fly(id, "k").await;
    }
    let page = read(&door, "reader=a").await;
    assert_eq!(commit(&door, &page.cursor()).await.status, 204);
    for (to, lag) in [("beginning", 2), ("latest", 0), ("2020-01-01T00:00:00Z", 2), ("0@0,1@0,2@0,3@0", 2), ("kept", 2)]
    {
        let answer = door.ask("POST /consumers/billing/reset", &[JSON], format!(r#"{{"to":"{to}"}}"#)).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["lag"]), (200, &lag.into()), "{to}");
    }
    assert_eq!(read(&door, "reader=a").await.ids(), ["1", "2"]);
    assert_eq!(commit(&door, &page.cursor()).await.code(), (409, "RR0187".to_owned()), "from before the reset");
}

#[tokio::test]
async fn retention_that_passes_a_position_is_told_with_the_way_on() {
    let door = Door::open().await;
    for id in ["1", "2", "3"] {
        door.fly(id, "k").await;
    }
    assert_eq!(read(&door, "reader=a&limit=1").await.ids(), ["1"]);
    *door.log.start.lock().unwrap() = Offset(2);
    let gone = read(&door, "reader=a").await;
    assert_eq!(gone.code(), (410, "RR0189".to_owned()));
    assert!(gone.json()["position"].as_str().unwrap().parse::<Position>().is_ok_and(|start| start.offset == Offset(2)));
    let reset = door.ask("POST /consumers/billing/reset", &[JSON], r#"{"to":"kept"}"#).await;
    assert_eq!(reset.status, 200);
    assert_eq!(read(&door, "reader=a").await.ids(), ["3"]);
}

#[tokio::test]
async fn a_commit_the_log_does_not_confirm_is_no_commit() {
    let door = Door::open().await;
    door.fly("1", "k").await;
    let page = read(&door, "reader=a").await;
    let uncertain = Faults { uncertain_commits_per_mille: 1_000, ..Faults::default() };
    let _same_log = door.log.memory.clone().with_faults(uncertain);
    assert_eq!(commit(&door, &page.cursor()).await.code(), (500, "RR0192".to_owned()));
    let _same_log = door.log.memory.clone().with_faults(Faults::default());
    assert_eq!(commit(&door, &page.cursor()).await.code(), (409, "RR0187".to_owned()), "the topic is opened anew");
    let again = read(&door, "reader=a").await;
    assert!(again.ids().is_empty() || commit(&door, &again.cursor()).await.status == 204, "{again:?}");
    assert_eq!(door.get("/consumers").await.json()[0]["lag"], 0);
}

#[tokio::test]
async fn a_removed_consumer_begins_anew() {
    let door = Door::open().await;
    door.fly("1", "k").await;
    let page = read(&door, "reader=a").await;
    assert_eq!(commit(&door, &page.cursor()).await.status, 204);
    assert_eq!(door.ask("DELETE /consumers/billing", &[], Body::empty()).await.status, 204);
    assert_eq!(door.get("/consumers").await.text, "[]");
    let restarted = door.restarted();
    assert_eq!(restarted.get("/consumers").await.text, "[]");
    assert_eq!(read(&restarted, "reader=a").await.ids(), ["1"]);
}

#[tokio::test]
async fn mistakes_have_codes() {
    let door = Door::open().await;
    read(&door, "reader=a").await;
    let get = |path: &'static str| door.get(path);
    assert_eq!(get("/consumers/other/events?wait=0").await.code(), (404, "RR0190".to_owned()));
    assert_eq!(get("/consumers/Bad/events?topic=flights").await.code(), (404, "RR0190".to_owned()));
    assert_eq!(get("/consumers/other/events?topic=nothing").await.code(), (404, "RR0140".to_owned()));
    assert_eq!(get("/consumers/other/events?topic=flights&from=9@1").await.code(), (400, "RR0160".to_owned()));
    assert_eq!(get("/consumers/other/events?topic=flights&follow=true").await.code(), (400, "RR0160".to_owned()));
    assert_eq!(get("/consumers/other").await.code(), (404, "RR0190".to_owned()));
    assert_eq!(commit(&door, "flights/0@1").await.code(), (400, "RR0188".to_owned()));
    assert_eq!(commit(&door, "flights/0@1~9.9").await.code(), (409, "RR0187".to_owned()));
    for (body, headers, code) in
        [("{}", JSON, "RR0193"), (r#"{"cursor":""}"#, ("content-type", "text/plain"), "RR0194")]
    {
        let answer = door.ask("POST /consumers/billing/commit", &[headers], body).await;
        assert_eq!(answer.code().1, code, "{answer:?}");
    }
    let unknown_topic = door.ask("POST /consumers/billing/reset", &[JSON], r#"{"to":"kept","topic":"single"}"#).await;
    assert_eq!(unknown_topic.code(), (400, "RR0160".to_owned()));
}
