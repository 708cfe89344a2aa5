//! Sessions and grants, told as scripts: who calls and goes, and who has what afterwards.

use riverrun_event::Partition;

use super::*;

const SESSION: Duration = Duration::from_secs(30);

/// A consumer of one topic, and the clock.
struct World {
    sharing: Sharing,
    now: Instant,
    calls: BTreeMap<char, u64>,
}

fn reader(letter: char) -> ReaderName {
    letter.to_string().parse().unwrap()
}

fn partition(number: u32) -> TopicPartition {
    TopicPartition::new(TopicName::new("orders").unwrap(), Partition(number))
}

impl World {
    fn new(partitions: u32) -> Self {
        let mut sharing = Sharing::default();
        (0..partitions).for_each(|number| sharing.add(partition(number), Epoch(7), Offset(0)));
        Self { sharing, now: Instant::now(), calls: BTreeMap::new() }
    }

    /// `+a` a calls, `-a` its call ends, `~a` it leaves, `.` ten seconds pass.
    fn run(&mut self, script: &str) -> String {
        let mut script = script.chars();
        while let Some(step) = script.next() {
            match step {
                '.' => self.now += Duration::from_secs(10),
                ' ' => {}
                step => {
                    let letter = script.next().unwrap();
                    self.step(step, letter);
                }
            }
        }
        self.owners()
    }

    fn step(&mut self, step: char, letter: char) {
        let name = reader(letter);
        match step {
            '+' => {
                let call = self.sharing.enter(&name, SESSION, self.now).unwrap();
                self.calls.insert(letter, call);
                self.sharing.settle(self.now);
            }
            '-' => self.sharing.exit(&name, self.calls[&letter], self.now),
            '~' => self.sharing.leave(&name),
            _ => panic!("{step}"),
        }
    }

    fn owners(&self) -> String {
        let held = self.sharing.held();
        held.iter().map(|held| held.reader.as_ref().map_or("-".to_owned(), ToString::to_string)).collect()
    }

    /// Hands a reader one event of each of its partitions.
    fn hand_out(&mut self, letter: char) -> Cursor {
        let mut places = self.sharing.places(&reader(letter), &Cursor::default());
        for place in &mut places {
            place.next = place.next.next();
            assert!(self.sharing.hand_out(&place.partition, place.grant, place.next));
        }
        self.sharing.cursor(&reader(letter), &Cursor::default(), &places)
    }

    /// Commits as if the log had.
    fn commit(&mut self, cursor: &Cursor) -> Result<usize, Refused> {
        let new = self.sharing.check(cursor, self.now)?;
        new.iter().for_each(|(partition, next)| self.sharing.committed(partition, *next));
        Ok(new.len())
    }
}

#[test]
fn partitions_stay_with_a_reader_that_has_events_in_hand() {
    for (script, owners) in [
        ("+a", "aaaa"),
        // b waits: a is outside, with events in hand.
        ("+a -a +b", "aaaa"),
        // a calls again, and gives half of them up.
        ("+a -a +b +a", "aabb"),
        // a waits inside its call and has nothing in hand.
        ("+a +b", "aabb"),
        ("+a +b +c", "aabc"),
        // The session of a ends; b notices when it looks again.
        ("+a -a +b ...+b", "bbbb"),
        ("+a -a +b ..+b", "aaaa"),
        // Nobody else asks, so a late reader has lost nothing.
        ("+a -a ......", "aaaa"),
        ("+a -a ......+a", "aaaa"),
        // Who leaves has given everything up at once.
        ("+a +b ~a", "--bb"),
        ("+a +b ~a +b", "bbbb"),
        // A second call of a reader ends the first, not the session.
        ("+a +a -a +b", "aaaa"),
    ] {
        assert_eq!(World::new(4).run(script), owners, "{script}");
    }
}

#[test]
fn a_cursor_counts_only_under_its_grant() {
    let mut world = World::new(2);
    world.run("+a");
    let first = world.hand_out('a');
    world.run("-a");
    assert_eq!(world.commit(&first), Ok(2));
    assert_eq!(world.commit(&first), Ok(0), "again changes nothing");

    world.run("+a");
    let second = world.hand_out('a');
    world.run("-a ...+b");
    assert_eq!(world.commit(&second), Err(Refused::Lost(partition(0))));
    let taken_over = world.hand_out('b');
    assert_eq!(taken_over.0[&partition(0)].0, Offset(2), "b is given what a had not committed");
    assert_eq!(world.commit(&taken_over), Ok(2));
}

#[test]
fn what_nobody_was_given_is_not_committed() {
    let mut world = World::new(1);
    world.run("+a");
    let mut cursor = world.hand_out('a');
    cursor.0.values_mut().for_each(|(next, _)| *next = next.next());
    assert_eq!(world.commit(&cursor), Err(Refused::NotHandedOut(partition(0))));
}

#[test]
fn a_read_starts_at_what_is_committed_or_behind_what_was_handed_out() {
    let mut world = World::new(1);
    world.run("+a");
    let cursor = world.hand_out('a');
    let next = |world: &World, after: &Cursor| world.sharing.places(&reader('a'), after)[0].next;
    assert_eq!(next(&world, &Cursor::default()), Offset(0), "an answer that was lost is asked for again");
    assert_eq!(next(&world, &cursor), Offset(1));
    world.sharing.reset(&partition(0), Offset(5));
    assert_eq!(next(&world, &cursor), Offset(5));
    assert_eq!(world.commit(&cursor), Err(Refused::Lost(partition(0))));
}

#[test]
fn a_commit_is_a_sign_of_life() {
    let mut world = World::new(1);
    world.run("+a");
    let cursor = world.hand_out('a');
    world.run("-a ..");
    assert_eq!(world.commit(&cursor), Ok(1));
    assert_eq!(world.run("..+b"), "a");
    assert_eq!(world.run(".+b"), "b");
}

#[test]
fn readers_are_bounded() {
    let mut world = World::new(1);
    let name = |number: usize| format!("r{number}").parse::<ReaderName>().unwrap();
    for number in 0..READERS_MAX {
        let call = world.sharing.enter(&name(number), SESSION, world.now).unwrap();
        world.sharing.exit(&name(number), call, world.now);
    }
    assert_eq!(world.sharing.enter(&reader('a'), SESSION, world.now), Err(TooManyReaders));
    world.now += SESSION;
    assert!(world.sharing.enter(&reader('a'), SESSION, world.now).is_ok(), "sessions that are over make room");
}
