//! For each assignor: how fair it deals, and how many tasks move, when members come and go.

use super::*;

/// A group as its leader sees it; members do at once what they are told.
struct Group {
    assignor: NamedAssignor,
    tasks: u32,
    members: Vec<GroupMember>,
    gone: BTreeMap<String, Duration>,
    /// Who had each task last.
    owners: BTreeMap<TaskId, MemberName>,
}

impl Group {
    fn new(assignor: NamedAssignor, tasks: u32) -> Self {
        Self { assignor, tasks, members: Vec::new(), gone: BTreeMap::new(), owners: BTreeMap::new() }
    }

    fn round(&self) -> Round {
        // A group whose turns begin with the first of up to four instances.
        let begins = |name: &String| (1..5).all(|count| partition_of_key(name.as_bytes(), count).0 == 0);
        let group = (0..).map(|number| format!("g{number}")).find(begins).unwrap();
        let tasks = (0..self.tasks).map(TaskId).collect();
        let gone = self.gone.clone();
        Round { gone, ..Round::new(GroupName::stored(&group), self.members.clone(), tasks) }
    }

    /// `+a` and `+a/2`: an instance comes, with so many seats; `-a`: it goes; `30s`: so much time passes.
    fn happens(&mut self, event: &str) {
        if let Some(instance) = event.strip_prefix('+') {
            let (instance, seats) = instance.split_once('/').unwrap_or((instance, "1"));
            self.gone.remove(instance);
            self.members.extend((0..seats.parse().unwrap()).map(|seat| member(instance, seat, &[])));
        } else if let Some(instance) = event.strip_prefix('-') {
            self.members.retain(|member| member.name.instance != instance);
            self.gone.insert(instance.to_owned(), Duration::ZERO);
        } else {
            let time = Duration::from_secs(event.strip_suffix('s').unwrap().parse().unwrap());
            self.gone.values_mut().for_each(|gone| *gone += time);
        }
    }

    /// Follows the target; gives how many tasks went from one owner to another.
    fn settle(&mut self) -> usize {
        let decision = decide(self.assignor.assignor(), &self.round());
        assert_eq!(decision.refused, None);
        let mut moves = 0;
        for member in &mut self.members {
            member.owned = decision.deal.tasks.get(&member.name).cloned().unwrap_or_default();
            for task in &member.owned {
                let before = self.owners.insert(*task, member.name.clone());
                moves += usize::from(before.is_some_and(|before| before != member.name));
            }
        }
        assert_eq!(decide(self.assignor.assignor(), &self.round()).deal, decision.deal, "it stays as it is");
        moves
    }

    fn shown(&self) -> String {
        let shown = self.members.iter().map(|member| {
            let tasks: Vec<String> = member.owned.iter().map(ToString::to_string).collect();
            format!("{}:{}", member.name, tasks.join(","))
        });
        shown.collect::<Vec<_>>().join(" ")
    }
}

fn member(instance: &str, seat: u32, owned: &[u32]) -> GroupMember {
    GroupMember {
        name: MemberName { instance: instance.to_owned(), seat },
        labels: Labels::new(),
        copies: BTreeSet::new(),
        owned: owned.iter().copied().map(TaskId).collect(),
        is_here: true,
    }
}

/// What happens, who then has what, and how many tasks have moved from one owner to another.
#[track_caller]
fn check(assignor: NamedAssignor, tasks: u32, steps: &[(&str, &str, usize)]) {
    let mut group = Group::new(assignor, tasks);
    let mut found = Vec::new();
    for (event, _, _) in steps {
        event.split(' ').for_each(|event| group.happens(event));
        let moved = group.settle();
        found.push((*event, group.shown(), moved));
    }
    let found: Vec<(&str, &str, usize)> = found.iter().map(|(event, has, moved)| (*event, &**has, *moved)).collect();
    assert_eq!(found, steps);
}

#[test]
fn a_task_whose_owner_is_gone_goes_to_who_has_a_copy_if_there_is_room() {
    let check = |copies_of_a: &[u32], copies_of_b: &[u32], expected: &[&[u32]]| {
        let (mut a, mut b) = (member("a", 0, &[0, 1]), member("b", 0, &[2, 3]));
        a.copies = copies_of_a.iter().copied().map(TaskId).collect();
        b.copies = copies_of_b.iter().copied().map(TaskId).collect();
        let round = Round::new(GroupName::stored("shop.totals"), vec![a, b], (0..6).map(TaskId).collect());
        let deal = decide(&RoundRobin, &round).deal;
        let dealt: Vec<Vec<u32>> = deal.tasks.values().map(|own| own.iter().map(|task| task.0).collect()).collect();
        assert_eq!(dealt, expected);
    };
    check(&[], &[], &[&[0, 1, 4], &[2, 3, 5]]);
    check(&[5], &[4], &[&[0, 1, 5], &[2, 3, 4]]);
    check(&[5], &[], &[&[0, 1, 5], &[2, 3, 4]]);
    check(&[4, 5], &[], &[&[0, 1, 4], &[2, 3, 5]]);
    // What has an owner stays.
    check(&[2, 5], &[0], &[&[0, 1, 5], &[2, 3, 4]]);
}

#[test]
fn round_robin_is_fair_and_moves_no_more_than_that_takes() {
    let dealt = NamedAssignor::round_robin;
    check(
        dealt(),
        6,
        &[
            ("+a", "a/0:0,1,2,3,4,5", 0),
            ("+b", "a/0:0,2,4 b/0:1,3,5", 3),
            ("+c", "a/0:0,2 b/0:1,3 c/0:4,5", 2),
            ("-b", "a/0:0,2,3 c/0:1,4,5", 2),
            ("+b", "a/0:0,3 c/0:1,5 b/0:2,4", 2),
            ("-a -c", "b/0:0,1,2,3,4,5", 4),
        ],
    );
    // What does not divide stays where it is.
    check(
        dealt(),
        5,
        &[
            ("+a +b", "a/0:0,2,4 b/0:1,3", 0),
            ("+c", "a/0:0,2 b/0:1,3 c/0:4", 1),
            ("-a", "b/0:0,1,3 c/0:2,4", 2),
            ("+a", "b/0:0,1 c/0:2,4 a/0:3", 1),
        ],
    );
    // First seats take turns before second ones.
    check(
        dealt(),
        6,
        &[
            ("+a/2 +b/2", "a/0:0,4 a/1:2 b/0:1,5 b/1:3", 0),
            ("-b", "a/0:0,4,5 a/1:1,2,3", 3),
            ("+b/1", "a/0:0,4 a/1:1,2 b/0:3,5", 2),
        ],
    );
    check(dealt(), 2, &[("+a +b +c", "a/0:0 b/0:1 c/0:", 0), ("-a", "b/0:1 c/0:0", 1), ("+a", "b/0:1 c/0:0 a/0:", 0)]);
}

#[test]
fn whoever_comes_and_goes_round_robin_stays_within_one_and_moves_the_least() {
    let mut random = crate::random::Random::seeded(4);
    for tasks in [1, 5, 12, 64] {
        let mut group = Group::new(NamedAssignor::round_robin(), tasks);
        for _ in 0..60 {
            let instance = format!("i{}", random.below(6));
            let event = if group.round().has_instance(&instance) { "-" } else { "+" };
            group.happens(&format!("{event}{instance}"));
            let before = group.members.clone();
            group.settle();
            let Some(fair) = (tasks as usize).checked_div(group.members.len()) else { continue };
            let sizes: Vec<usize> = group.members.iter().map(|member| member.owned.len()).collect();
            assert!(sizes.iter().all(|size| (fair..=fair + 1).contains(size)), "{sizes:?}");
            // No division that is as fair takes less from those who were there.
            let mut extra = tasks as usize % group.members.len();
            let mut least = 0;
            for member in &before {
                let keeps = fair + usize::from(extra > 0 && member.owned.len() > fair);
                extra -= keeps - fair;
                least += member.owned.len().saturating_sub(keeps);
            }
            let taken = before.iter().zip(&group.members).map(|(had, has)| had.owned.difference(&has.owned).count());
            assert_eq!(taken.sum::<usize>(), least);
        }
    }
}

#[test]
fn groups_do_not_all_begin_with_the_same_instance() {
    let first = |group: &str| {
        let members = ["a", "b", "c"].map(|instance| member(instance, 0, &[])).to_vec();
        Round::new(GroupName::stored(group), members, vec![TaskId(0)]).members[0].name.instance.clone()
    };
    let found: BTreeSet<String> = ["shop.orders", "shop.totals", "shop.alerts", "shop.mail"].map(first).into();
    assert!(found.len() > 1, "{found:?}");
    assert_eq!(first("shop.orders"), first("shop.orders"));
}

fn fixed(reassign_after: Option<u64>) -> NamedAssignor {
    let tasks = [("a", [0, 1]), ("b", [2, 3])];
    let tasks = tasks.map(|(instance, tasks)| (instance.to_owned(), tasks.map(TaskId).into())).into();
    NamedAssignor::fixed(Fixed::new(tasks, reassign_after.map(Duration::from_secs)).unwrap())
}

#[test]
fn fixed_partitions_wait_for_their_instance() {
    check(
        fixed(None),
        6,
        &[
            ("+a", "a/0:0,1,4,5", 0),
            ("+b", "a/0:0,1,4 b/0:2,3,5", 1),
            ("-b", "a/0:0,1,4,5", 1),
            ("100000s", "a/0:0,1,4,5", 0),
            ("+b", "a/0:0,1,4 b/0:2,3,5", 1),
        ],
    );
    // In turn over the seats of its own instance.
    check(fixed(None), 4, &[("+a/2 +b", "a/0:0 a/1:1 b/0:2,3", 0), ("-b", "a/0:0 a/1:1", 0)]);
}

#[test]
fn fixed_partitions_are_dealt_out_after_the_declared_time_and_handed_back() {
    check(
        fixed(Some(60)),
        4,
        &[
            ("+a +b +c", "a/0:0,1 b/0:2,3 c/0:", 0),
            ("-b", "a/0:0,1 c/0:", 0),
            ("59s", "a/0:0,1 c/0:", 0),
            ("1s", "a/0:0,1,2 c/0:3", 2),
            ("+b", "a/0:0,1 c/0: b/0:2,3", 2),
        ],
    );
    let round = |leading, gone: &[(&str, u64)]| Round {
        leading: Duration::from_secs(leading),
        gone: gone.iter().map(|(name, gone)| ((*name).to_owned(), Duration::from_secs(*gone))).collect(),
        ..Round::new(GroupName::stored("g"), vec![member("c", 0, &[])], vec![TaskId(0), TaskId(2)])
    };
    let again = |assignor: NamedAssignor, round| assignor.assignor().again_after(&round).map(|after| after.as_secs());
    assert_eq!(again(fixed(None), round(10, &[])), None);
    assert_eq!(again(fixed(Some(60)), round(10, &[])), Some(50), "nobody has seen them since the leader leads");
    assert_eq!(again(fixed(Some(60)), round(1000, &[("a", 0), ("b", 15)])), Some(45), "the first to be due");
    assert_eq!(again(fixed(Some(60)), round(1000, &[])), None);
    let twice = [("a", 1), ("b", 1)].map(|(name, task)| (name.to_owned(), [TaskId(task)].into())).into();
    assert_eq!(Fixed::new(twice, None).unwrap_err().to_string(), "partition 1 is given to both a and b");
}

/// Answers what the test says.
struct Answers(fn() -> Result<Deal, AssignorError>);

impl Assignor for Answers {
    fn assign(&self, _: &Round) -> Result<Deal, AssignorError> {
        self.0()
    }
}

fn deal(members: &[(&str, &[u32])], waiting: &[u32]) -> Result<Deal, AssignorError> {
    let tasks = |tasks: &[u32]| tasks.iter().copied().map(TaskId).collect();
    let named = |instance: &str| MemberName { instance: instance.to_owned(), seat: 0 };
    let members = members.iter().map(|(name, own)| (named(name), tasks(own)));
    Ok(Deal { tasks: members.collect(), waiting: tasks(waiting) })
}

#[test]
fn an_answer_that_cannot_be_followed_is_refused_and_round_robin_used() {
    let round = Round::new(
        GroupName::stored("g"),
        vec![member("a", 0, &[]), member("b", 0, &[])],
        [0, 1, 2].map(TaskId).to_vec(),
    );
    let check = |answer: fn() -> Result<Deal, AssignorError>, expected: Option<&str>| {
        let decision = decide(&Answers(answer), &round);
        assert_eq!(decision.refused.map(|error| error.to_string()).as_deref(), expected);
        let counts = if expected.is_some() { RoundRobin.assign(&round) } else { answer() }.unwrap();
        assert_eq!(decision.deal, counts);
    };
    check(|| deal(&[("a", &[0, 1, 2])], &[]), None);
    check(|| deal(&[("b", &[2])], &[0, 1]), None);
    check(|| deal(&[("a", &[1])], &[]), Some("it leaves out partitions 0, 2"));
    check(|| deal(&[("a", &[1, 2])], &[]), Some("it leaves out partition 0"));
    check(|| deal(&[("a", &[0, 1]), ("b", &[1, 2])], &[]), Some("it gives partition 1 twice: to a/0 and b/0"));
    check(|| deal(&[("a", &[0, 1, 2])], &[2]), Some("it gives partition 2 twice: to a/0 and those that wait"));
    check(|| deal(&[("a", &[0, 1]), ("c", &[2])], &[]), Some("it names c/0, which is no member of the group"));
    check(|| deal(&[("a", &[0, 1, 2, 7])], &[]), Some("it deals partition 7, which the group does not have"));
    let panics = decide(&Answers(|| panic!("no rack {}", 7)), &round);
    assert_eq!(panics.refused, Some(AnswerError::Panicked("no rack 7".to_owned())));
    assert_eq!(panics.deal, RoundRobin.assign(&round).unwrap());
    check(|| Err(AssignorError("no label".to_owned())), Some("it failed: no label"));
}
