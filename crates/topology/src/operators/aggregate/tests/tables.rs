//! Windows, against tables written by hand.

use riverrun_event::{Key, TopicName, ViewName};

use super::*;
use crate::draft::Cause;
use crate::sink::Sink;

#[test]
fn without_a_window_all_events_of_a_key_are_one() {
    let world = check(
        &counting(None, Emit::Change),
        &[
            (5, "a", r#"{"n":1}"#, &[r#"a {"n":1,"sum":1}"#]),
            (3, "b", r#"{"n":0.5}"#, &[r#"b {"n":1,"sum":0.5}"#]),
            (9, "a", r#"{"n":null}"#, &[r#"a {"n":2,"sum":1}"#]),
            (1, "a", r#"{"n":41}"#, &[r#"a {"n":3,"sum":42}"#]),
        ],
    );
    assert_eq!((world.rows(), world.late.len()), (2, 0));
}

#[test]
fn tumbling_windows_emit_each_change() {
    let window = Window::tumbling(seconds(10)).grace(seconds(5));
    let world = check(
        &counting(window, Emit::Change),
        &[
            (1, "a", r#"{"n":1}"#, &[r#"a 0..10 {"n":1,"sum":1}"#]),
            (9, "a", r#"{"n":2}"#, &[r#"a 0..10 {"n":2,"sum":3}"#]),
            (10, "a", r#"{"n":4}"#, &[r#"a 10..20 {"n":1,"sum":4}"#]),
            (14, "b", r#"{"n":8}"#, &[r#"b 10..20 {"n":1,"sum":8}"#]),
            // Late, but within the grace.
            (2, "a", r#"{"n":16}"#, &[r#"a 0..10 {"n":3,"sum":19}"#]),
            // At 15 the first window takes no more.
            (15, "a", r#"{"n":32}"#, &[r#"a 10..20 {"n":2,"sum":36}"#]),
            (9, "a", r#"{"n":64}"#, &[]),
            (-20, "b", r#"{"n":128}"#, &[]),
            (-1, "c", "", &[]),
        ],
    );
    assert_eq!(world.late, [r#"a {"n":64}"#, r#"b {"n":128}"#, "c -"]);
    // Two windows and their timers; that of the first window is gone.
    assert_eq!(world.rows(), 4);
}

#[test]
fn windows_before_1970_are_windows() {
    check(
        &counting(Window::tumbling(seconds(10)), Emit::Change),
        &[
            (-11, "a", r#"{"n":1}"#, &[r#"a -20..-10 {"n":1,"sum":1}"#]),
            (-10, "a", r#"{"n":1}"#, &[r#"a -10..0 {"n":1,"sum":1}"#]),
            (-1, "a", r#"{"n":1}"#, &[r#"a -10..0 {"n":2,"sum":2}"#]),
        ],
    );
}

#[test]
fn closed_windows_emit_once() {
    let window = Window::tumbling(seconds(10)).grace(seconds(5));
    let world = check(
        &counting(window, Emit::Close),
        &[
            (1, "b", r#"{"n":1}"#, &[]),
            (3, "a", r#"{"n":2}"#, &[]),
            (12, "b", r#"{"n":4}"#, &[]),
            (4, "b", r#"{"n":8}"#, &[]),
            (15, "c", "{}", &[r#"a 0..10 {"n":1,"sum":2}"#, r#"b 0..10 {"n":2,"sum":9}"#]),
            (5, "b", r#"{"n":16}"#, &[]),
            (90, "c", "{}", &[r#"b 10..20 {"n":1,"sum":4}"#, r#"c 10..20 {"n":1,"sum":0}"#]),
        ],
    );
    assert_eq!(world.late, [r#"b {"n":16}"#]);
    assert_eq!(world.rows(), 2);
}

#[test]
fn hopping_windows_overlap() {
    let world = check(
        &counting(Window::hopping(seconds(10), seconds(5)), Emit::Change),
        &[
            (7, "a", r#"{"n":1}"#, &[r#"a 0..10 {"n":1,"sum":1}"#, r#"a 5..15 {"n":1,"sum":1}"#]),
            (10, "a", r#"{"n":2}"#, &[r#"a 5..15 {"n":2,"sum":3}"#, r#"a 10..20 {"n":1,"sum":2}"#]),
            // Too late for the one, in time for the other.
            (8, "a", r#"{"n":4}"#, &[r#"a 5..15 {"n":3,"sum":7}"#]),
        ],
    );
    assert_eq!(world.late, [r#"a {"n":4}"#]);
}

#[test]
fn sliding_windows_end_with_each_event() {
    let window = Window::sliding(seconds(10)).grace(seconds(20));
    check(
        &counting(window, Emit::Change),
        &[
            (100, "a", r#"{"n":1}"#, &[r#"a 90..100 {"n":1,"sum":1}"#]),
            (109, "a", r#"{"n":2}"#, &[r#"a 99..109 {"n":2,"sum":3}"#]),
            // What is ten seconds before is no longer in it.
            (110, "a", r#"{"n":4}"#, &[r#"a 100..110 {"n":2,"sum":6}"#]),
            (110, "a", r#"{"n":8}"#, &[r#"a 100..110 {"n":3,"sum":14}"#]),
            // An event that comes late changes the windows of those after it, too.
            (
                101,
                "a",
                r#"{"n":16}"#,
                &[r#"a 91..101 {"n":2,"sum":17}"#, r#"a 99..109 {"n":3,"sum":19}"#, r#"a 100..110 {"n":4,"sum":30}"#],
            ),
            (111, "b", r#"{"n":32}"#, &[r#"b 101..111 {"n":1,"sum":32}"#]),
            (111, "a", r#"{"n":64}"#, &[r#"a 101..111 {"n":4,"sum":78}"#]),
        ],
    );
}

#[test]
fn sliding_windows_close_behind_their_end() {
    let window = Window::sliding(seconds(10));
    let world = check(
        &counting(window, Emit::Close),
        &[
            (100, "a", r#"{"n":1}"#, &[]),
            (100, "a", r#"{"n":2}"#, &[]),
            (105, "a", r#"{"n":4}"#, &[r#"a 90..100 {"n":2,"sum":3}"#]),
            // Its own window is over, that of the event after it is not.
            (102, "a", r#"{"n":8}"#, &[]),
            // The window of 102 has no result, since it was over when its event came.
            (106, "a", "{}", &[r#"a 95..105 {"n":4,"sum":15}"#]),
            (111, "a", r#"{"n":16}"#, &[r#"a 96..106 {"n":5,"sum":15}"#]),
            (95, "a", r#"{"n":32}"#, &[]),
            (200, "b", "{}", &[r#"a 101..111 {"n":4,"sum":28}"#]),
        ],
    );
    assert_eq!(world.late, [r#"a {"n":8}"#, r#"a {"n":32}"#]);
    // Only the last event's row and its timer are left.
    assert_eq!(world.rows(), 2);
}

#[test]
fn sessions_end_when_nothing_comes_for_a_gap() {
    let window = Window::session(seconds(10)).grace(seconds(30));
    let world = check(
        &counting(window, Emit::Change),
        &[
            (100, "a", r#"{"n":1}"#, &[r#"a 100..110 {"n":1,"sum":1}"#]),
            (109, "a", r#"{"n":2}"#, &[r#"a 100..119 {"n":2,"sum":3}"#]),
            // Exactly a gap later is another session.
            (119, "a", r#"{"n":4}"#, &[r#"a 119..129 {"n":1,"sum":4}"#]),
            (130, "a", r#"{"n":8}"#, &[r#"a 130..140 {"n":1,"sum":8}"#]),
            // One that comes late is in between: two become one.
            (128, "a", r#"{"n":16}"#, &[r#"a 119..140 {"n":3,"sum":28}"#]),
            // And all of them.
            (118, "a", r#"{"n":32}"#, &[r#"a 100..140 {"n":6,"sum":63}"#]),
            // Before all of them, so the session begins earlier.
            (95, "a", r#"{"n":64}"#, &[r#"a 95..140 {"n":7,"sum":127}"#]),
            (131, "b", r#"{"n":1}"#, &[r#"b 131..141 {"n":1,"sum":1}"#]),
            (85, "a", r#"{"n":1}"#, &[]),
            (90, "a", r#"{"n":1}"#, &[r#"a 90..140 {"n":8,"sum":128}"#]),
        ],
    );
    assert_eq!(world.late, [r#"a {"n":1}"#]);
    // The sessions of a and b; timers of sessions that went into others are still to come.
    assert_eq!(world.own_rows().len(), 2);
}

#[test]
fn closed_sessions_emit_once_and_leave_nothing() {
    let world = check(
        &counting(Window::session(seconds(10)).grace(seconds(5)), Emit::Close),
        &[
            (100, "a", r#"{"n":1}"#, &[]),
            (105, "a", r#"{"n":2}"#, &[]),
            (112, "a", r#"{"n":4}"#, &[]),
            (98, "a", r#"{"n":8}"#, &[]),
            (126, "b", r#"{"n":1}"#, &[]),
            // On time since its session waits, though alone it would be late.
            (102, "a", r#"{"n":16}"#, &[]),
            (127, "b", "{}", &[r#"a 98..122 {"n":5,"sum":31}"#]),
            (121, "a", r#"{"n":32}"#, &[]),
            (500, "c", "{}", &[r#"a 121..131 {"n":1,"sum":32}"#, r#"b 126..137 {"n":2,"sum":1}"#]),
        ],
    );
    assert_eq!(world.late, Vec::<String>::new());
    assert_eq!(world.rows(), 2);
}

#[test]
fn results_come_at_most_every_so_often() {
    let window = Window::tumbling(seconds(100));
    let operator = counting(window, Emit::Every(seconds(10)));
    let mut world = check(
        &operator,
        &[
            (0, "a", r#"{"n":1}"#, &[r#"a 0..100 {"n":1,"sum":1}"#]),
            (1, "a", r#"{"n":2}"#, &[]),
            (5, "b", r#"{"n":1}"#, &[r#"b 0..100 {"n":1,"sum":1}"#]),
            (9, "a", r#"{"n":4}"#, &[]),
            // What waited comes before the event that lets time go on.
            (10, "a", r#"{"n":8}"#, &[r#"a 0..100 {"n":3,"sum":7}"#]),
            // It was due at 20, and counts from there, though nobody looked at the clock before now.
            (98, "a", r#"{"n":16}"#, &[r#"a 0..100 {"n":4,"sum":15}"#, r#"a 0..100 {"n":5,"sum":31}"#]),
            (99, "a", r#"{"n":32}"#, &[]),
            // The window closes and yet its last result waits.
            (100, "b", r#"{"n":2}"#, &[r#"b 100..200 {"n":1,"sum":2}"#]),
        ],
    );
    assert_eq!(world.wait_until(&operator, 107), Vec::<String>::new());
    let last: Vec<String> = world.wait_until(&operator, 109).into_iter().map(short).collect();
    assert_eq!(last, [r#"a 0..100 {"n":6,"sum":63}"#]);
    // The window of b is left, with its timer.
    assert_eq!(world.rows(), 2);
}

#[test]
fn results_without_windows_can_be_bounded_too() {
    let operator = counting(None, Emit::Every(seconds(10)));
    let mut world = check(
        &operator,
        &[
            (0, "a", r#"{"n":1}"#, &[r#"a {"n":1,"sum":1}"#]),
            (3, "a", r#"{"n":2}"#, &[]),
            (4, "b", r#"{"n":4}"#, &[r#"b {"n":1,"sum":4}"#]),
            (12, "b", "{}", &[r#"a {"n":2,"sum":3}"#]),
            (13, "a", r#"{"n":8}"#, &[]),
        ],
    );
    // That of a was due at 10, though it came at 12, so the next comes at 20.
    assert_eq!(world.wait_until(&operator, 19), [r#"b {"n":2,"sum":4}"#]);
    assert_eq!(world.wait_until(&operator, 20), [r#"a {"n":3,"sum":11}"#]);
    assert_eq!(world.wait_until(&operator, 99), Vec::<String>::new());
    assert_eq!(world.rows(), 2);
}

#[test]
fn windows_may_go_by_the_time_of_acceptance() {
    let window = Window::tumbling(seconds(10)).by_accept_time();
    let operator = counting(window, Emit::Close);
    let mut world = World::default();
    for (time, accepted) in [(500, 1), (3, 9)] {
        let mut draft = event_at(accepted, "a", r#"{"n":1}"#);
        draft.header_mut().time = Some(Time::from_unix(time, 0));
        assert_eq!(world.step(&operator, 0, draft), Vec::<String>::new());
    }
    let closed: Vec<String> = world.wait_until(&operator, 10).into_iter().map(short).collect();
    assert_eq!(closed, [r#"a 0..10 {"n":2,"sum":2}"#]);
    assert_eq!((world.rows(), world.late.len()), (0, 0));
}

#[test]
fn what_is_emitted_later_is_the_last_event_with_new_data() {
    let operator = counting(Window::tumbling(seconds(10)), Emit::Close);
    let mut world = World::default();
    for (at, tenant) in [(1, "red"), (2, "blue")] {
        let mut draft = event_at(at, "a", r#"{"n":1}"#);
        draft.header_mut().attributes.set("tenant", tenant);
        world.step(&operator, 0, draft);
    }
    let drafts = world.fired(&operator, &event_at(30, "b", "{}"));
    let [draft] = &drafts[..] else { panic!("{drafts:?}") };
    let event = draft.header();
    assert_eq!((&*event.id, event.key.clone(), event.time), ("e-2", Key::new("a").ok(), Some(Time::from_unix(2, 0))));
    assert_eq!(event.attributes.get("tenant"), Some("blue"));
    let cause = Cause { position: "input-0/0@1".parse().unwrap(), id: "e-2".into(), source: "/test".into() };
    assert_eq!(draft.cause(), Some(&cause));
}

#[test]
fn rows_are_read_as_what_is_emitted() {
    let shapes = [
        None,
        Some(Window::tumbling(seconds(10))),
        Some(Window::hopping(seconds(10), seconds(5))),
        Some(Window::sliding(seconds(10))),
        Some(Window::session(seconds(10))),
    ];
    for window in shapes {
        let options = Options { window, view: ViewName::new("counts").ok(), ..Options::default() };
        let operator = operator(fields(&[("n", "count()"), ("all", "collect(data, 9)")]), options);
        assert_eq!(operator.view(), ViewName::new("counts").ok().as_ref());
        let mut world = World::default();
        let out = outputs(&mut world, &operator, &[(6, "a\0", "1"), (7, "b", "[2]")]);
        let rows = world.own_rows();
        let mut read = Vec::new();
        for (row_key, value) in &rows {
            let row = operator.view_row(row_key, value).unwrap().unwrap();
            assert_eq!(row.window.is_some(), window.is_some());
            let key = Key::new(row.key).unwrap();
            read.push(short(format!("{key} {}", std::str::from_utf8(&row.data).unwrap())));
        }
        assert_eq!(read, out.concat(), "{window:?}");
    }
}

#[test]
fn closed_windows_can_be_kept() {
    let window = Window::tumbling(seconds(10));
    for emit in [Emit::Change, Emit::Close] {
        let operator = operator(
            Method::Count(Fields::new(vec![("n".to_owned(), Function::count())]).unwrap()),
            Options { window: Some(window), emit, keep: seconds(60), ..Options::default() },
        );
        let mut world = World::default();
        outputs(&mut world, &operator, &[(1, "a", "{}"), (69, "b", "{}")]);
        assert_eq!(world.own_rows().len(), 2, "{emit:?}");
        let out = outputs(&mut world, &operator, &[(2, "a", "{}"), (70, "b", "{}")]);
        assert_eq!((out[0].len(), world.late.len(), world.own_rows().len()), (0, 1, 2), "{emit:?}");
        outputs(&mut world, &operator, &[(71, "b", "{}")]);
        assert_eq!(world.own_rows().len(), 2);
    }
}

#[test]
fn events_that_do_not_fit_are_refused() {
    let counting = counting(Window::tumbling(seconds(10)), Emit::Change);
    let message = "aggregate keeps state per key, but the event has no key; give its topic a key expression, or put `select_key` before it";
    check_error(&counting, "", "{}", "RR0305", message);
    let message = "sum() takes numbers and has come to text (in `sum(data.n)`)";
    check_error(&counting, "a", r#"{"n":"1"}"#, "RR0316", message);
    let message = "the data is not valid JSON: expected a member name in double quotes at byte 1 (in `data.n`)";
    check_error(&counting, "a", "{", "RR0301", message);
    let message = "the event's window reaches beyond the years 0000 to 9999, which are all that can be written";
    let century = super::counting(Window::session(seconds(36_525 * 86_400)), Emit::Change);
    let mut draft = event_at(0, "a", "{}");
    draft.header_mut().time = Some(Time::LATEST);
    let Err(StepError::Event(error)) = World::default().apply(&century, &mut draft) else { panic!("no error") };
    assert_eq!((error.code, error.message.as_str()), ("RR0318", message));
}

#[test]
fn aggregates_that_cannot_be_are_refused() {
    let late = Some(Sink::Topic(TopicName::new("late").unwrap()));
    let tumbling = Some(Window::tumbling(seconds(10)));
    let count = || fields(&[("n", "count()")]);
    for (method, options, field, part) in [
        (count(), Options { emit: Emit::Close, ..Options::default() }, "emit", "`close` waits"),
        (count(), Options { late, ..Options::default() }, "late", "too late without a window"),
        (count(), Options { keep: seconds(1), ..Options::default() }, "keep", "everything is kept"),
        (count(), Options { emit: Emit::Every(seconds(0)), ..Options::default() }, "emit.every", "zero seconds"),
        (
            count(),
            Options { window: Some(Window::tumbling(seconds(0))), ..Options::default() },
            "window.tumbling",
            "zero length",
        ),
        (
            fields(&[("window", "count()")]),
            Options { window: tumbling, ..Options::default() },
            "fields.window",
            "choose another name",
        ),
    ] {
        let error = Aggregate { method, options }.check().unwrap_err();
        assert!(error.field == field && error.message.contains(part), "{error:?}");
    }
    let named = |name: &str| Fields::new(vec![(name.to_owned(), Function::count()); 2]).unwrap_err().to_string();
    assert_eq!(named("n"), "the field n is given twice");
    assert_eq!(named("data.n"), "\"data.n\" is no name of a field; write a word, without points and spaces");
    assert_eq!(
        Fields::new(Vec::new()).unwrap_err().to_string(),
        "an aggregate names no field, so nothing would come out"
    );
}
