//! A member of a group as a worker has it: its tasks come and go with the group's generations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use krafka::admin::OffsetSpec;
use riverrun_event::{Offset, Time, TopicPartition};
use riverrun_log::{
    Answer, Assigned, Assignment, Commit, CommitError, Committed, Epoch, GroupName, Member, Membership, Revoke, TaskId,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::commit::{Committing, Owned, Task};
use crate::follow::{Wanted, Wish, Wishes};
use crate::group::{self, Generation, Given, Joining, Word};
use crate::owners::{Directory, Lease};
use crate::refusals::ASK_AGAIN;
use crate::state::{States, TaskState};
use crate::transaction::Transactions;

/// Words that may wait for whoever listens.
const WORDS_MAX: usize = 64;
/// The wait after the cluster did not do what was asked for.
const RETRY: Duration = Duration::from_millis(200);

/// What members of a log share.
pub(crate) struct Shared {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) states: States,
    pub(crate) owners: Directory,
    pub(crate) wishes: Wishes,
    pub(crate) moved: watch::Sender<u64>,
}

pub(crate) struct KafkaMember {
    assignments: mpsc::Receiver<Assignment>,
    committing: Arc<tokio::sync::Mutex<Committing>>,
    shared: Arc<Shared>,
}

impl KafkaMember {
    pub(crate) fn join(shared: &Arc<Shared>, membership: Membership) -> Self {
        let (sender, assignments) = mpsc::channel(WORDS_MAX);
        let owned = Arc::new(Mutex::new(Owned::default()));
        // Who takes over has the name of whoever was there, on whichever instance.
        let instance = if membership.takes_over { "any" } else { &shared.cluster.options.instance };
        let member = format!("{instance}/{}", membership.seat);
        let committing = Committing::new(membership.group.clone(), member.clone(), Arc::clone(&owned));
        let committing = Arc::new(tokio::sync::Mutex::new(committing));
        let guide = Guide {
            shared: Arc::clone(shared),
            membership,
            member,
            owned,
            wanted: BTreeMap::new(),
            copied: BTreeSet::new(),
            openings: 0,
            sender,
            committing: Arc::clone(&committing),
        };
        shared.cluster.spawn(guide.run());
        Self { assignments, committing, shared: Arc::clone(shared) }
    }
}

impl Member for KafkaMember {
    fn next(&mut self) -> Answer<'_, Assignment> {
        Box::pin(async {
            match self.assignments.recv().await {
                Some(assignment) => assignment,
                // Another has this one's name: nothing will ever come, and commits are refused.
                None => std::future::pending().await,
            }
        })
    }

    fn commit(&self, commit: Commit) -> Answer<'static, Result<Committed, CommitError>> {
        let (committing, shared) = (Arc::clone(&self.committing), Arc::clone(&self.shared));
        let (sender, receiver) = oneshot::channel();
        // On the log's own runtime: a commit goes on when nobody waits for it any more.
        self.shared.cluster.spawn(async move {
            let answer = committing.lock().await.commit(&shared, commit).await;
            drop(sender.send(answer));
        });
        Box::pin(async {
            receiver.await.unwrap_or_else(|_| Err(CommitError::Uncertain("the log was closed".to_owned())))
        })
    }
}

/// Follows the group's word: opens tasks that come, and has those given up that go.
struct Guide {
    shared: Arc<Shared>,
    membership: Membership,
    /// The static name of the member.
    member: String,
    owned: Arc<Mutex<Owned>>,
    /// The tasks the group wants this member to have, opened or not yet, each with the number of its opening.
    wanted: BTreeMap<TaskId, u64>,
    /// The tasks of other instances whose state is followed here.
    copied: BTreeSet<TaskId>,
    /// Openings so far.
    openings: u64,
    sender: mpsc::Sender<Assignment>,
    committing: Arc<tokio::sync::Mutex<Committing>>,
}

/// A task that was opened, and all that is committed of it.
struct Opened {
    task: TaskId,
    /// Which opening of the task: one that was given up meanwhile, and wanted again, is opened anew.
    opening: u64,
    positions: BTreeMap<TopicPartition, Offset>,
    state: Arc<TaskState>,
}

impl Guide {
    #[allow(
        clippy::cognitive_complexity,
        reason = "the macros of tracing count, with its feature `log`, which a library in the tests turns on"
    )]
    async fn run(mut self) {
        // Whoever had this seat is fenced before anything is read that it might still change.
        let Some(transactions) = self.transactions().await else { return };
        self.committing.lock().await.begin_with(transactions);
        let (words, mut heard) = mpsc::channel(WORDS_MAX);
        let (give, given) = mpsc::channel(WORDS_MAX);
        let joining = Joining::new(&self.shared.cluster, &self.membership, &self.member);
        let lease = Arc::clone(&joining.lease);
        self.shared.owners.enter(&self.membership.group, &self.owned, &lease);
        self.shared.cluster.spawn(group::run(joining, words, given));
        // A task is opened beside the others: restoring a large state holds up nobody.
        let mut opening: JoinSet<Opened> = JoinSet::new();
        let mut refused = String::new();
        loop {
            tokio::select! {
                word = heard.recv() => match word {
                    Some(Word::Tasks { generation, tasks, owners, copies }) => {
                        tracing::debug!(group = %self.membership.group, ?owners, "who has the tasks of the group");
                        self.shared.owners.told(&self.membership.group, generation.number, owners);
                        self.copy(copies);
                        self.follow(generation, tasks, &give, &mut opening).await;
                    }
                    Some(Word::Lost(reason)) => {
                        tracing::warn!(group = %self.membership.group, reason, "the tasks of this member are over");
                        opening.shutdown().await;
                        self.lose(&lease).await;
                    }
                    Some(Word::Refused(reason)) => {
                        self.refuse(&reason);
                        opening.shutdown().await;
                        self.lose(&lease).await;
                        refused = reason;
                    }
                    None => break,
                },
                Some(opened) = opening.join_next() => {
                    if let Ok(opened) = opened.map_err(|error| tracing::error!(%error, "a task was not opened"))
                        && self.wanted.get(&opened.task) == Some(&opened.opening)
                        && self.sender.send(self.own(opened)).await.is_err()
                    {
                        break;
                    }
                }
                () = self.sender.closed() => break,
            }
        }
        self.owned().tasks.clear();
        self.copy(BTreeSet::new());
        self.committing.lock().await.end();
        // The group is over for this member, and it is still asked for: that has to be seen.
        while !refused.is_empty() && !self.sender.is_closed() {
            self.refuse(&refused);
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    fn refuse(&self, reason: &str) {
        self.shared.cluster.refusals.note(&format!("group {}", self.membership.group), reason);
    }

    fn owned(&self) -> MutexGuard<'_, Owned> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when nobody wants it any more.
    async fn transactions(&self) -> Option<Transactions> {
        let cluster = &self.shared.cluster;
        let (prefix, group) = (&cluster.options.prefix, &self.membership.group);
        let name = format!("{prefix}{}.{group}", self.member.replace('/', "."));
        loop {
            match Transactions::open(cluster, name.clone()).await {
                Ok(transactions) => return Some(transactions),
                Err(_) if self.sender.is_closed() => return None,
                Err(failure) if cluster.note_refused(&format!("group {group}"), &failure) => {
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                Err(error) => tracing::warn!(%group, %error, "no transactions yet; trying again"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Follows the states of these tasks from now on, and of no others. The first member of an instance does it for all.
    fn copy(&mut self, tasks: BTreeSet<TaskId>) {
        if self.membership.seat != 0 {
            return;
        }
        let (group, wishes) = (&self.membership.group, &self.shared.wishes);
        for task in self.copied.difference(&tasks) {
            // Nobody waits until it is so.
            drop(wishes.send(Wish::Leave { group: group.clone(), task: *task, left: oneshot::channel().0 }));
        }
        for task in tasks.difference(&self.copied) {
            match self.shared.states.of(group, *task) {
                Ok(state) => {
                    let wanted = Wanted { group: group.clone(), task: *task, state, is_standby: true };
                    drop(wishes.send(Wish::Follow(wanted)));
                }
                Err(reason) => tracing::warn!(%group, %task, reason, "no copy of the state of a task is kept here"),
            }
        }
        self.copied = tasks;
    }

    async fn lose(&mut self, lease: &Lease) {
        self.shared.owners.lost(&self.membership.group);
        self.wanted.clear();
        let lost: Vec<TaskId> = std::mem::take(&mut self.owned().tasks).into_keys().collect();
        lease.give_up();
        if !lost.is_empty() {
            let (acknowledge, _) = oneshot::channel();
            drop(self.sender.send(Assignment::Revoke(Revoke { tasks: lost, acknowledge })).await);
        }
    }

    async fn follow(
        &mut self,
        generation: Generation,
        tasks: BTreeSet<TaskId>,
        give: &mpsc::Sender<Given>,
        opening: &mut JoinSet<Opened>,
    ) {
        self.owned().generation = Some(generation);
        let going: Vec<TaskId> = self.wanted.keys().filter(|task| !tasks.contains(task)).copied().collect();
        self.wanted.retain(|task, _| tasks.contains(task));
        for task in tasks.iter().filter(|task| !self.wanted.contains_key(task)).copied().collect::<Vec<_>>() {
            let inputs = self.membership.tasks.iter().find(|declared| declared.task == task);
            let inputs = inputs.map(|declared| declared.inputs.clone()).unwrap_or_default();
            self.openings += 1;
            self.wanted.insert(task, self.openings);
            opening.spawn(open(Arc::clone(&self.shared), self.membership.group.clone(), task, self.openings, inputs));
        }
        if going.is_empty() {
            return;
        }
        let (acknowledge, acknowledged) = oneshot::channel();
        drop(self.sender.send(Assignment::Revoke(Revoke { tasks: going.clone(), acknowledge })).await);
        // Whoever does not answer in time has lost them all the same: the group does not wait longer.
        let patience = self.shared.cluster.options.rebalance / 2;
        drop(tokio::time::timeout(patience, acknowledged).await);
        // After a commit that is under way.
        let committing = self.committing.lock().await;
        self.owned().tasks.retain(|task, _| !going.contains(task));
        drop(committing);
        drop(give.send(Given(tasks)).await);
    }

    fn own(&self, Opened { task, positions, state, .. }: Opened) -> Assignment {
        // Only commits of this very ownership carry it; between owners the group's generation decides.
        let now = Time::now();
        let seconds = u64::try_from(now.unix_seconds()).unwrap_or_default();
        let epoch = Epoch(seconds * 1_000_000_000 + u64::from(now.subsecond_nanoseconds()));
        self.owned().tasks.insert(task, Task { epoch, state: Arc::clone(&state) });
        Assignment::Assigned(Assigned { task, epoch, positions, state })
    }
}

/// Reads what a task has committed, whoever did; tries for as long as it is asked to.
async fn open(
    shared: Arc<Shared>,
    group: GroupName,
    task: TaskId,
    opening: u64,
    inputs: Vec<TopicPartition>,
) -> Opened {
    let opened = async || {
        // Positions first: the changelog is read up to an end that was taken after them.
        let positions = positions(&shared.cluster, &group, &inputs).await?;
        let state = shared.states.of(&group, task)?;
        shared.cluster.restore(&group, task, &state).await?;
        Ok::<_, String>((positions, state))
    };
    stop_following(&shared, &group, task).await;
    loop {
        match opened().await {
            Ok((positions, state)) => {
                tracing::debug!(%group, %task, opening, ?positions, applied = state.applied().next, "a task is opened");
                return Opened { task, opening, positions, state };
            }
            Err(reason) => tracing::warn!(%group, %task, reason, "a task cannot be opened yet; trying again"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// A state has one that takes it further: what follows it as a standby ends before it is opened.
async fn stop_following(shared: &Shared, group: &GroupName, task: TaskId) {
    if shared.cluster.options.standbys == 0 {
        return;
    }
    let (left, is_left) = oneshot::channel();
    drop(shared.wishes.send(Wish::Leave { group: group.clone(), task, left }));
    // Answered or given up: nothing follows it any more.
    drop(is_left.await);
}

/// Where to read on: as committed, once no transaction is open that might change it; the start where nothing was.
async fn positions(
    cluster: &Cluster,
    group: &GroupName,
    inputs: &[TopicPartition],
) -> Result<BTreeMap<TopicPartition, Offset>, String> {
    let mut positions = cluster.committed(group, inputs, true).await?;
    for input in inputs {
        if !positions.contains_key(input) {
            let start = cluster.offsets(std::slice::from_ref(input), OffsetSpec::Earliest).await;
            let start = start.map_err(|error| error.to_string())?.first().copied().unwrap_or(Offset(0));
            positions.insert(input.clone(), start);
        }
    }
    Ok(positions)
}
