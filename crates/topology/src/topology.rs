//! The whole graph of an app, and the checks that hold however it was declared.

use std::collections::BTreeMap;
use std::sync::Arc;

use riverrun_event::{AppName, ModelName, PipelineName, TopicName};

use crate::check;
use crate::model::Model;
use crate::operators::Operator;
use crate::operators::lookup::{Ask, Whom};
use crate::operators::repartition::{Partitioner, Partitioning};
use crate::operators::transform::Transformer;
use crate::pipeline::Pipeline;
use crate::placement;
use crate::topic::Topic;

/// Everything an app does, as data. The app file and the Rust builder give the same value.
#[derive(Clone, Debug, PartialEq)]
pub struct Topology {
    /// The app's name.
    pub app: AppName,
    /// Its topics, implied ones included.
    pub topics: BTreeMap<TopicName, Topic>,
    /// Its models.
    pub models: BTreeMap<ModelName, Model>,
    /// Its pipelines.
    pub pipelines: BTreeMap<PipelineName, Pipeline>,
}

/// Why a topology cannot run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// A transformer is named that nobody registered.
    #[error("pipeline {pipeline} uses the transformer {transformer:?}, which is not compiled in")]
    UnknownTransformer {
        /// The pipeline.
        pipeline: PipelineName,
        /// The transformer.
        transformer: String,
    },
    /// A partitioner is named that nobody registered.
    #[error("pipeline {pipeline} uses the partitioner {partitioner:?}, which is not compiled in")]
    UnknownPartitioner {
        /// The pipeline.
        pipeline: PipelineName,
        /// The partitioner.
        partitioner: String,
    },
    /// A lookup names a function that nobody registered, or makes HTTP requests where nobody does.
    #[error("pipeline {pipeline} asks {whom}, which is not compiled in")]
    UnknownLookup {
        /// The pipeline.
        pipeline: PipelineName,
        /// Who is to be asked.
        whom: Whom,
    },
    /// A name is used that is not declared, or in a way that cannot work; the text says which and what would.
    #[error("{place}: {message}")]
    Invalid {
        /// Where, as a path of the app file (`pipelines.departures.from`).
        place: String,
        /// What is wrong and what was expected.
        message: String,
    },
}

impl TopologyError {
    /// The pipeline that lacks something the service has to bring, where that is what is wrong: it can run elsewhere.
    #[must_use]
    pub fn lacks_in(&self) -> Option<&PipelineName> {
        match self {
            Self::UnknownTransformer { pipeline, .. }
            | Self::UnknownPartitioner { pipeline, .. }
            | Self::UnknownLookup { pipeline, .. } => Some(pipeline),
            Self::Invalid { .. } => None,
        }
    }

    /// What it is that is lacking there, by its kind and name.
    #[must_use]
    pub fn lacks(&self) -> Option<String> {
        match self {
            Self::UnknownTransformer { transformer, .. } => Some(format!("the transformer {transformer:?}")),
            Self::UnknownPartitioner { partitioner, .. } => Some(format!("the partitioner {partitioner:?}")),
            Self::UnknownLookup { whom, .. } => Some(whom.to_string()),
            Self::Invalid { .. } => None,
        }
    }
}

impl Topology {
    /// An app that declares nothing yet.
    #[must_use]
    pub fn new(app: AppName) -> Self {
        Self { app, topics: BTreeMap::new(), models: BTreeMap::new(), pipelines: BTreeMap::new() }
    }

    /// Registers a transformer wherever the topology names it; false when it is named nowhere. Only now it is known whether it
    /// keeps state per key, so the repartitions that it needs are inserted now.
    pub fn register(&mut self, name: &str, transformer: &Arc<dyn Transformer>) -> bool {
        let mut used = false;
        let mut register = |operator: &mut Operator| {
            if let Operator::Transform(transform) = operator
                && transform.transformer_name == name
            {
                transform.transformer = Some(Arc::clone(transformer));
                used = true;
            }
        };
        self.pipelines.values_mut().for_each(|pipeline| pipeline.each_step_mut(&mut register));
        self.insert_repartitions();
        used
    }

    /// Registers a partitioner wherever the topology names it; false when it is named nowhere.
    pub fn register_partitioner(&mut self, name: &str, partitioning: &Arc<dyn Partitioning>) -> bool {
        let mut used = false;
        let mut register = |operator: &mut Operator| {
            if let Operator::Repartition(repartition) = operator
                && let Partitioner::Custom { name: named, function } = &mut repartition.partitioner
                && named == name
            {
                *function = Some(Arc::clone(partitioning));
                used = true;
            }
        };
        self.pipelines.values_mut().for_each(|pipeline| pipeline.each_step_mut(&mut register));
        used
    }

    /// Registers who asks: a function wherever the topology names it, or, without a name, whoever makes HTTP requests. False when
    /// no step needs it.
    pub fn register_lookup(&mut self, name: Option<&str>, function: &Arc<dyn Ask>) -> bool {
        let mut used = false;
        let mut register = |operator: &mut Operator| {
            let Operator::Lookup(lookup) = operator else { return };
            let is_meant = match (&lookup.calling.whom, name) {
                (Whom::Http, None) => true,
                (Whom::Function(named), Some(name)) => named == name,
                _ => false,
            };
            if is_meant {
                lookup.calling.function = Some(Arc::clone(function));
                used = true;
            }
        };
        self.pipelines.values_mut().for_each(|pipeline| pipeline.each_step_mut(&mut register));
        used
    }

    /// Inserts a repartition wherever a keyed step would not find all events of a key in one task, in the place of those that
    /// were inserted before. The builder and the app file do it once the topology has passed its check.
    pub fn insert_repartitions(&mut self) {
        placement::insert_repartitions(self);
    }

    /// What a pipeline lacks that the service has to bring.
    #[must_use]
    pub fn lacking(&self, pipeline: &PipelineName) -> Vec<TopologyError> {
        let mut errors = self.check();
        errors.retain(|error| error.lacks_in().is_some_and(|lacking| lacking == pipeline));
        errors
    }

    /// Everything that keeps the topology from running, all at once.
    #[must_use]
    pub fn check(&self) -> Vec<TopologyError> {
        check::check(self)
    }

    /// How many tasks a pipeline has before its first repartition: the most partitions among its inputs.
    #[must_use]
    pub fn task_count(&self, pipeline: &Pipeline) -> u32 {
        let declared = pipeline.inputs().into_iter().filter_map(|topic| self.topics.get(topic));
        declared.map(|topic| topic.partitions).max().unwrap_or(0)
    }
}
