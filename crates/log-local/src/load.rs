//! Reading a log's small rows back: everything in meta, and a handle of every keyspace. Nothing is created or changed.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use riverrun_event::OperatorName;
use riverrun_log::{GroupName, TopicSpec};
use riverrun_store::{Keyspace, Shape, Snapshot, Store, Tuning};

use crate::committer::Stop;
use crate::open::{OpenError, damaged};
use crate::schema::{KeyspaceId, StoredRow};
use crate::stored::commit::CommitRow;
use crate::stored::partition::PartitionRow;
use crate::stored::task::TaskRow;
use crate::stored::{
    GroupId, GroupTask, OperatorId, PartitionId, TopicId, commit, group, operator, partition, task, topic,
};

/// Everything small the store holds, read once.
pub(crate) struct Loaded {
    pub(crate) store: Store,
    pub(crate) snapshot: Snapshot,
    pub(crate) keyspaces: BTreeMap<KeyspaceId, Keyspace>,
    pub(crate) row: Option<CommitRow>,
    pub(crate) topics: BTreeMap<TopicId, TopicSpec>,
    pub(crate) partitions: BTreeMap<PartitionId, PartitionRow>,
    pub(crate) tasks: HashMap<GroupTask, TaskRow>,
    pub(crate) groups: Vec<(GroupName, GroupId)>,
    pub(crate) operators: Vec<(GroupId, OperatorName, OperatorId)>,
}

/// Opens the store and reads every row of meta. Creates nothing but an empty store.
pub(crate) fn load(path: &Path, tuning: Tuning) -> Result<Loaded, OpenError> {
    let store = Store::open(&path.join("store"), tuning).map_err(|error| match error {
        riverrun_store::OpenError::Locked => OpenError::Locked { path: path.to_owned() },
        riverrun_store::OpenError::Damaged(detail) => damaged(path, detail),
        riverrun_store::OpenError::Version(found) => {
            OpenError::Newer { path: path.to_owned(), found: format!("of the storage engine {found}") }
        }
        riverrun_store::OpenError::Io(error) => OpenError::Io { path: path.to_owned(), error },
    })?;
    let mut keyspaces = BTreeMap::new();
    let mut names: Vec<_> =
        store.keyspaces().into_iter().filter_map(|name| Some((KeyspaceId::named(&name)?, name))).collect();
    // The one created last counts.
    names.sort();
    for ((id, _), name) in names {
        let keyspace = store.keyspace(&name, shape(id)).map_err(|error| damaged(path, error.to_string()))?;
        keyspaces.insert(id, keyspace);
    }
    let mut loaded = Loaded {
        snapshot: store.snapshot(),
        store,
        keyspaces,
        row: None,
        topics: BTreeMap::new(),
        partitions: BTreeMap::new(),
        tasks: HashMap::new(),
        groups: Vec::new(),
        operators: Vec::new(),
    };
    loaded.read_meta().map_err(|stop| damaged(path, format!("keyspace meta: {}", stop.0)))?;
    Ok(loaded)
}

pub(crate) fn shape(id: KeyspaceId) -> Shape {
    match id {
        KeyspaceId::Meta => Shape::SmallRows,
        KeyspaceId::Records => Shape::LargeValues,
        KeyspaceId::State => Shape::Rows,
        KeyspaceId::Recent => Shape::Passing,
        KeyspaceId::Identities(_) => Shape::Lookups,
    }
}

impl Loaded {
    fn read_meta(&mut self) -> Result<(), Stop> {
        let Some(meta) = self.keyspaces.get(&KeyspaceId::Meta).cloned() else { return Ok(()) };
        let snapshot = self.snapshot.clone();
        for row in snapshot.scan::<&[u8]>(&meta, ..) {
            let row = row?;
            let tag = row.key.first().copied();
            let is = |kind: StoredRow| kind.tag() == tag;
            if is(StoredRow::Commit) {
                commit::decode_key(&row.key)?;
                self.row = Some(commit::decode_value(&row.value)?);
            } else if is(StoredRow::Topic) {
                self.topics.insert(topic::decode_key(&row.key)?, topic::decode_value(&row.value)?);
            } else if is(StoredRow::Partition) {
                self.partitions.insert(partition::decode_key(&row.key)?, partition::decode_value(&row.value)?);
            } else if is(StoredRow::Group) {
                self.groups.push((group::decode_key(&row.key)?, group::decode_value(&row.value)?));
            } else if is(StoredRow::Operator) {
                let (group, name) = operator::decode_key(&row.key)?;
                self.operators.push((group, name, operator::decode_value(&row.value)?));
            } else if is(StoredRow::Task) {
                self.tasks.insert(task::decode_key(&row.key)?, task::decode_value(&row.value)?);
            }
        }
        Ok(())
    }

    /// A partition as messages name it.
    pub(crate) fn name_of(&self, id: PartitionId) -> String {
        match self.topics.get(&id.topic) {
            Some(spec) => format!("{}/{}", spec.name, id.partition),
            None => format!("partition {} of topic number {}", id.partition, id.topic.0),
        }
    }
}

impl Loaded {
    pub(crate) fn fixed(&self, id: KeyspaceId) -> Result<Keyspace, Stop> {
        self.keyspaces.get(&id).cloned().ok_or_else(|| Stop(format!("keyspace {id} is missing")))
    }

    /// Days of identities that count. One that no row names was just created, or was about to be deleted, when the process
    /// ended; either way it holds nothing that counts.
    pub(crate) fn days(&mut self, row: &CommitRow) -> Result<BTreeMap<u32, Keyspace>, Stop> {
        let mut days = BTreeMap::new();
        for (id, keyspace) in &self.keyspaces {
            let KeyspaceId::Identities(day) = id else { continue };
            if row.keyspaces.contains_key(id) {
                days.insert(*day, keyspace.clone());
            } else {
                self.store.delete_keyspace(keyspace.clone())?;
            }
        }
        Ok(days)
    }
}
