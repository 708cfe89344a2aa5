//! Members on the broker of the tests: what each is told when others come and go.

use std::collections::BTreeMap;

use riverrun_log::assignor::{Assignor, AssignorError, Deal, Fixed, Round};
use tokio::time::timeout;

use super::*;

const TASKS: u32 = 4;
/// Longer than a rebalance takes, and shorter than a session.
const PATIENCE: Duration = Duration::from_secs(15);
const SESSION: Duration = Duration::from_secs(30);

/// A member that gives up what it is asked for at once.
struct Player {
    heard: mpsc::Receiver<Word>,
    give: mpsc::Sender<Given>,
    tasks: BTreeSet<TaskId>,
    owners: Owners,
}

fn joining(group: &str, instance: &str) -> Joining {
    let Ok(brokers) = std::env::var("RIVERRUN_TEST_KAFKA") else { panic!("RIVERRUN_TEST_KAFKA names no broker") };
    Joining {
        brokers,
        security: None,
        group: format!("{group}-{}", std::process::id()),
        // Its turns begin with the first of two instances.
        name: GroupName::stored("shop.totals"),
        member: format!("{instance}/0"),
        seat: Seat {
            instance: instance.to_owned(),
            seat: 0,
            seats: 1,
            owned: BTreeSet::new(),
            copies: BTreeSet::new(),
            labels: Default::default(),
            address: Some(format!("{instance}:8080")),
        },
        session: SESSION,
        rebalance: Duration::from_secs(6),
        tasks: (0..TASKS).map(TaskId).collect(),
        topics: vec!["in".to_owned()],
        assignor: NamedAssignor::round_robin(),
        leaves: true,
        standbys: 0,
        lease: Arc::new(Lease::new(SESSION)),
    }
}

impl Player {
    fn join(joining: Joining) -> Self {
        let (words, heard) = mpsc::channel(8);
        let (give, given) = mpsc::channel(8);
        tokio::spawn(run(joining, words, given));
        Self { heard, give, tasks: BTreeSet::new(), owners: Owners::new() }
    }

    /// Takes in one word; the reason if its tasks were lost.
    async fn hear(&mut self) -> Option<String> {
        match self.heard.recv().await.unwrap() {
            Word::Tasks { tasks, owners, .. } => {
                let gives = !self.tasks.is_subset(&tasks);
                (self.tasks, self.owners) = (tasks.clone(), owners);
                if gives {
                    self.give.send(Given(tasks)).await.unwrap();
                }
                None
            }
            Word::Lost(reason) | Word::Refused(reason) => {
                self.tasks.clear();
                Some(reason)
            }
        }
    }

    /// Follows the group until it has these tasks, and the owners of all tasks are these.
    async fn has(&mut self, expected: &[u32], owners: &str) {
        let following = async {
            while self.now() != (expected.to_vec(), owners.to_owned()) {
                let _reason = self.hear().await;
            }
        };
        let followed = timeout(PATIENCE, following).await;
        assert!(followed.is_ok(), "{:?} and not {expected:?}, {owners}", self.now());
    }

    fn now(&self) -> (Vec<u32>, String) {
        let owner = |task| self.owners.get(&TaskId(task)).map_or("-", |owner: &crate::assign::Owner| &owner.instance);
        (self.tasks.iter().map(|task| task.0).collect(), (0..TASKS).map(owner).collect())
    }
}

#[tokio::test]
async fn tasks_move_when_their_owner_has_given_them_up_and_all_know_who_has_them() {
    let mut a = Player::join(joining("moves", "a"));
    a.has(&[0, 1, 2, 3], "aaaa").await;
    let mut b = Player::join(joining("moves", "b"));
    tokio::join!(a.has(&[0, 2], "abab"), b.has(&[1, 3], "abab"));
    assert_eq!(b.owners[&TaskId(0)].address.as_deref(), Some("a:8080"));
    // Who leaves for good is not waited for.
    drop(b);
    a.has(&[0, 1, 2, 3], "aaaa").await;
}

#[tokio::test]
async fn a_member_that_returns_instead_of_giving_up_its_tasks_holds_up_nobody() {
    let static_member = |instance| Joining { leaves: false, ..joining("returns", instance) };
    let mut a = Player::join(static_member("a"));
    a.has(&[0, 1, 2, 3], "aaaa").await;
    let mut b = Player::join(static_member("b"));
    let asked = async { while !matches!(a.heard.recv().await, Some(Word::Tasks { tasks, .. }) if tasks.len() == 2) {} };
    timeout(PATIENCE, asked).await.unwrap();
    drop(a);
    let mut a = Player::join(static_member("a"));
    tokio::join!(a.has(&[0, 2], "abab"), b.has(&[1, 3], "abab"));
}

#[tokio::test]
async fn members_with_different_assignors_do_not_mix() {
    let mut a = Player::join(joining("differs", "a"));
    a.has(&[0, 1, 2, 3], "aaaa").await;
    let fixed = NamedAssignor::fixed(Fixed::new(BTreeMap::new(), None).unwrap());
    let mut b = Player::join(Joining { assignor: fixed, ..joining("differs", "b") });
    let reason = timeout(PATIENCE, b.hear()).await.unwrap();
    assert!(reason.as_ref().is_some_and(|reason| reason.contains("do not use the assignor static")), "{reason:?}");
    drop(a);
    b.has(&[0, 1, 2, 3], "bbbb").await;
}

#[tokio::test]
async fn fixed_tasks_wait_for_their_instance_and_are_then_dealt_out_by_a_round_of_its_own() {
    let own = [("a", [0, 1]), ("b", [2, 3])].map(|(instance, own)| (instance.to_owned(), own.map(TaskId).into()));
    let fixed = Fixed::new(own.into(), Some(Duration::from_secs(3))).unwrap();
    let member = |instance| Joining { assignor: NamedAssignor::fixed(fixed.clone()), ..joining("fixed", instance) };
    let (mut a, mut b) = (Player::join(member("a")), Player::join(member("b")));
    tokio::join!(a.has(&[0, 1], "aabb"), b.has(&[2, 3], "aabb"));
    drop(b);
    a.has(&[0, 1], "aa--").await;
    a.has(&[0, 1, 2, 3], "aaaa").await;
    let mut b = Player::join(member("b"));
    tokio::join!(a.has(&[0, 1], "aabb"), b.has(&[2, 3], "aabb"));
}

/// Panics once it has more than one member to choose from.
struct Panics;

impl Assignor for Panics {
    fn assign(&self, round: &Round) -> Result<Deal, AssignorError> {
        assert_eq!(round.members.len(), 1, "too many");
        riverrun_log::assignor::RoundRobin.assign(round)
    }
}

#[tokio::test]
async fn a_group_goes_on_when_its_assignor_panics() {
    let member = |instance| {
        let assignor = NamedAssignor::custom("panics", std::sync::Arc::new(Panics));
        Joining { assignor, ..joining("panics", instance) }
    };
    let mut a = Player::join(member("a"));
    a.has(&[0, 1, 2, 3], "aaaa").await;
    let mut b = Player::join(member("b"));
    tokio::join!(a.has(&[0, 2], "abab"), b.has(&[1, 3], "abab"));
}
