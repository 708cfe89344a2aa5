//! Topologies that cannot run, and what is said about each.

use std::time::Duration;

use riverrun_event::{Event, OperatorName, TopicName};

use crate::builder::{ModelBuilder, PipelineBuilder, TopicBuilder};
use crate::operators::Operator;
use crate::operators::transform::{Transform, TransformError, Transformer, TransformerState};
use crate::topic::TypePattern;
use crate::{Compact, Expression, Pipeline, Sink, Step, Topic, Topology, Window};

/// A topology in order, changed so that it is not.
#[track_caller]
fn check_refused(change: impl FnOnce(&mut Topology), expected: &[&str]) {
    let mut topology = Topology::builder("flights")
        .topic("flights", |topic: TopicBuilder<'_>| topic.key("data.tailnum"))
        .topic("planes", |topic| topic.key("data.tailnum"))
        .model("plane", "planes", |model: ModelBuilder<'_>| model)
        .pipeline("departures", |pipeline: PipelineBuilder<'_>| {
            pipeline.from("flights").filter("true").filter("true").snapshot("plane", "data.tailnum").to("departures")
        })
        .build()
        .unwrap();
    assert_eq!(topology.check(), []);
    change(&mut topology);
    let found: Vec<String> = topology.check().iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

fn topic(name: &str) -> TopicName {
    TopicName::internal(name).unwrap()
}

fn pipeline(topology: &mut Topology) -> &mut Pipeline {
    topology.pipelines.values_mut().next().unwrap()
}

#[test]
fn topics_and_models_must_be_declared() {
    check_refused(
        |topology| {
            pipeline(topology).from = vec![topic("flight"), topic("flights"), topic("flights"), topic("_x")];
            topology.models.clear();
        },
        &[
            "pipelines.departures.from: there is no topic flight; declared are departures, flights, planes",
            "pipelines.departures.from: flights is named twice",
            "pipelines.departures.from: _x is one of Riverrun's own topics and cannot be used here",
            "pipelines.departures.steps[2].snapshot: there is no model plane; declared are none",
        ],
    );
    check_refused(
        |topology| topology.models.values_mut().next().unwrap().from = topic("plane"),
        &["models.plane.from: there is no topic plane; declared are departures, flights, planes"],
    );
    check_refused(
        |topology| pipeline(topology).to = Some(Sink::Topic(topic("flights"))),
        &["pipelines.departures.to: flights is also an input; the pipeline would feed itself without end"],
    );
    check_refused(
        |topology| pipeline(topology).from.clear(),
        &["pipelines.departures.from: a pipeline needs at least one input topic"],
    );
}

#[test]
fn steps_have_names_of_their_own_and_transformers() {
    check_refused(
        |topology| {
            let steps = &mut pipeline(topology).steps;
            steps[1].name = steps[0].name.clone();
            let operator = Operator::Transform(Transform { transformer_name: "risk".into(), transformer: None });
            steps.push(Step { name: OperatorName::new("risk").unwrap(), operator });
        },
        &[
            "pipelines.departures.steps[1]: another step is named filter-1 already; give one of them a `name` of its own",
            "pipeline departures uses the transformer \"risk\", which is not compiled in",
        ],
    );
}

#[test]
fn merging_models_keep_the_key_of_their_topic() {
    let expression = |source| Some(Expression::parse(source).unwrap());
    check_refused(
        |topology| {
            let model = topology.models.values_mut().next().unwrap();
            model.merge = expression("data");
            model.key = expression("data.tailnum");
        },
        &[],
    );
    check_refused(
        |topology| {
            let model = topology.models.values_mut().next().unwrap();
            model.merge = expression("data");
            model.key = expression("data.maker");
        },
        &[
            "models.plane.key: a model with `merge` needs the key of its topic (data.tailnum), so that the events of an \
           entity have one order; leave `key` out, or key the topic planes by data.maker",
        ],
    );
}

#[test]
fn topics_have_partitions_and_types_of_their_own() {
    check_refused(
        |topology| {
            let mut topics = topology.topics.values_mut();
            let first = topics.next().unwrap();
            first.partitions = 0;
            first.accept = vec![TypePattern("a.*.b".into()), TypePattern("device.*".into())];
            let second = topics.next().unwrap();
            second.partitions = 1_025;
            second.accept = vec![TypePattern("device.*".into())];
            topology.topics.insert(topic("_own"), Topic::new(topic("_own")));
        },
        &[
            "topics._own: names that start with '_' are Riverrun's own; choose another",
            "topics.departures.partitions: 0 partitions are not possible; a topic has 1 to 1024",
            "topics.departures.accept: \"a.*.b\": a '*' can only stand at the end, for example device.*",
            "topics.flights.partitions: 1025 partitions are not possible; a topic has 1 to 1024",
            "topics.flights.accept: \"device.*\" is already accepted by the topic departures",
        ],
    );
}

struct Keyed;

impl Transformer for Keyed {
    fn is_keyed(&self) -> bool {
        true
    }

    fn transform(&self, _: &Event, _: &mut TransformerState<'_>, _: &mut Vec<Event>) -> Result<(), TransformError> {
        Ok(())
    }
}

/// What is found in a pipeline over the topics `a`, `b` and `c`.
#[track_caller]
fn check_pipeline(declare: impl FnOnce(PipelineBuilder<'_>) -> PipelineBuilder<'_>, expected: &[&str]) {
    let builder =
        ["a", "b", "c"].into_iter().fold(Topology::builder("x"), |builder, name| builder.topic(name, |topic| topic));
    let found: Vec<String> = match builder.pipeline("p", |pipeline| declare(pipeline.from("a"))).build() {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(found, expected);
}

#[test]
fn events_have_somewhere_to_go() {
    let nowhere = "pipelines.p: an event that comes to the end of the steps has nowhere to go; name a topic with `to`, or give \
                   every way of a branch a `to` and the branch a `default`";
    check_pipeline(|pipeline| pipeline.branch(|branch| branch.when("big", "data.x", |big| big.to("out"))), &[nowhere]);
    check_pipeline(
        |pipeline| {
            pipeline
                .branch(|branch| branch.when("big", "data.x", |big| big.to("out")).default(|rest| rest.filter("true")))
        },
        &[nowhere],
    );
    check_pipeline(
        |pipeline| {
            pipeline.branch(|branch| branch.when("big", "data.x", |big| big.to("out")).default(|rest| rest.to("other")))
        },
        &[],
    );
    check_pipeline(
        |pipeline| {
            pipeline.branch(|branch| branch.default(|all| all.to("out"))).filter("true").filter("true").to("end")
        },
        &["pipelines.p.steps[1]: no event comes to this step: all leave in the branch before it"],
    );
    check_pipeline(
        |pipeline| pipeline.branch(|branch| branch.default(|all| all.to("out"))).to("end"),
        &["pipelines.p.to: no event comes here: all leave in the branch before it"],
    );
    check_pipeline(
        |pipeline| pipeline.branch(|branch| branch.default(|all| all.to("out"))).merge("b", |steps| steps).to("end"),
        &[],
    );
}

#[test]
fn a_topic_comes_in_once_and_never_goes_out() {
    check_pipeline(
        |pipeline| pipeline.merge("a", |steps| steps).merge("d", |steps| steps).to("out"),
        &[
            "pipelines.p.steps[0].merge.from: a is named twice",
            "pipelines.p.steps[1].merge.from: there is no topic d; declared are a, b, c, out",
        ],
    );
    check_pipeline(
        |pipeline| {
            pipeline
                .branch(|branch| branch.when("big", "data.x", |big| big.to("b")))
                .merge("b", |steps| steps)
                .route("data.y", ["a", "c"])
        },
        &[
            "pipelines.p.steps[0].branch.big.to: b is also an input; the pipeline would feed itself without end",
            "pipelines.p.to: a is also an input; the pipeline would feed itself without end",
        ],
    );
}

#[test]
fn names_are_unique_in_the_whole_tree() {
    check_pipeline(
        |pipeline| {
            pipeline
                .branch(|branch| {
                    branch
                        .when("big", "data.x", |big| big.filter("true").named("same"))
                        .when("big", "data.y", |big| big)
                })
                .filter("true")
                .named("same")
                .to("out")
        },
        &[
            "pipelines.p.steps[0].branch.big: another step or way of a branch is named big already; give one of them a `name` of its own",
            "pipelines.p.steps[1]: another step is named same already; give one of them a `name` of its own",
        ],
    );
}

/// The steps of a pipeline that has passed its check, by name, with what was inserted.
#[track_caller]
fn check_inserted(declare: impl FnOnce(PipelineBuilder<'_>) -> PipelineBuilder<'_>, expected: &str) {
    let topology = Topology::builder("test")
        .topic("a", |topic| topic)
        .topic("b", |topic| topic)
        .topic("narrow", |topic| topic.partitions(2))
        .pipeline("p", |pipeline| declare(pipeline.from("a")).to("out"))
        .build();
    let mut topology = topology.unwrap();
    let names = |topology: &Topology| {
        let steps = topology.pipelines.values().next().unwrap().all_steps();
        steps.into_iter().map(|step| step.name.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&topology), expected);
    topology.insert_repartitions();
    assert_eq!(names(&topology), expected, "inserted once more");
    let mut transformers = Vec::new();
    let mut unregister = |operator: &mut Operator| {
        if let Operator::Transform(transform) = operator {
            transformers.push((transform.transformer_name.clone(), transform.transformer.take().unwrap()));
        }
    };
    topology.pipelines.values_mut().for_each(|pipeline| pipeline.each_step_mut(&mut unregister));
    for (name, transformer) in transformers.iter().rev() {
        topology.register(name, transformer);
    }
    assert_eq!(names(&topology), expected, "inserted as the transformers were registered, the last one first");
}

#[test]
fn state_per_key_gets_a_repartition_where_keys_were_changed() {
    check_inserted(
        |pipeline| pipeline.select_key("data.x").set("data.y", "1").transform("count", Keyed),
        "select_key-1 set-1 count.repartition count",
    );
    check_inserted(|pipeline| pipeline.transform("count", Keyed).select_key("data.x"), "count select_key-1");
    check_inserted(|pipeline| pipeline.group_by_key().transform("count", Keyed), "group_by-1 count");
    check_inserted(
        |pipeline| {
            let grouped = pipeline.group_by("data.x").transform("count", Keyed).transform("again", Keyed);
            grouped.group_by("data.y").transform("last", Keyed)
        },
        "group_by-1 count.repartition count again group_by-2 last.repartition last",
    );
    check_inserted(
        |pipeline| {
            pipeline
                .branch(|branch| {
                    branch.when("big", "data.x", |big| big.repartition("data.x", |repartition| repartition))
                })
                .transform("count", Keyed)
        },
        "branch-1 repartition-1 count.repartition count",
    );
    check_inserted(
        |pipeline| {
            let branched =
                pipeline.branch(|branch| branch.when("big", "data.x", |big| big.select_key("data.x").to("elsewhere")));
            branched.transform("count", Keyed)
        },
        "branch-1 select_key-1 count",
    );
    check_inserted(
        |pipeline| pipeline.select_key("data.x").merge("b", |steps| steps.transform("count", Keyed)),
        "select_key-1 merge-1 count",
    );
    check_inserted(
        |pipeline| {
            let dealt = pipeline.repartition("data.x", |repartition| repartition.round_robin());
            dealt.transform("count", Keyed)
        },
        "repartition-1 count.repartition count",
    );
    check_inserted(
        |pipeline| pipeline.auto_repartition().merge("narrow", |steps| steps).transform("count", Keyed),
        "merge-1 count.repartition count",
    );
}

#[test]
fn inputs_of_a_keyed_step_have_the_same_partitions() {
    let uneven = "pipelines.p.steps[1].transform: this step needs all events of a key in one task, but its inputs differ in \
                  their partitions: a has 4, narrow has 2; give the topics the same `partitions`, put a `repartition` before \
                  the step, write `repartition: auto` in the pipeline, or look the other side up as a model, which is broadcast";
    let topology = Topology::builder("test")
        .topic("a", |topic| topic)
        .topic("narrow", |topic| topic.partitions(2))
        .pipeline("p", |pipeline| {
            pipeline.from("a").merge("narrow", |steps| steps).transform("count", Keyed).to("out")
        });
    let found: Vec<String> = topology.build().unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(found, [uneven]);
}

#[test]
fn a_topic_comes_in_where_all_events_have_the_same_way_behind_them() {
    let message = "pipelines.p.steps[1].merge.from: b cannot come in here: the events that come to this step have been through \
                   different repartitions, so they are in different tasks; put a `repartition` before it";
    check_pipeline(
        |pipeline| {
            pipeline
                .branch(|branch| {
                    branch.when("big", "data.x", |big| big.repartition("data.x", |repartition| repartition))
                })
                .merge("b", |steps| steps)
                .to("out")
        },
        &[message],
    );
}

#[test]
fn windows_and_emissions_must_make_sense() {
    let mistakes = Topology::builder("a")
        .topic("t", |topic| topic)
        .pipeline("p", |pipeline| {
            let none = std::time::Duration::ZERO;
            let zero = pipeline.from("t").count(|count| count.window(Window::tumbling(none)));
            let closing = zero.reduce("data", |state| state.emit_on_close());
            closing.fold("0", "state + 1", |state| state.window(Window::session(std::time::Duration::MAX / 4))).to("u")
        })
        .build()
        .unwrap_err();
    let found: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "pipelines.p.steps[0].count.window.tumbling: tumbling of zero length; write for example 1m",
            "pipelines.p.steps[1].reduce.emit: `close` waits for the end of a window, but there is none: only windows end; name a `window`, or leave this out",
            "pipelines.p.steps[2].fold.window.session: session is longer than a century; check the unit",
        ]
    );
}

/// What is found about a copartitioned model that the pipeline looks up.
#[track_caller]
fn check_copartitioned(declare: impl FnOnce(PipelineBuilder<'_>) -> PipelineBuilder<'_>, expected: Option<&str>) {
    let topology = Topology::builder("test")
        .topic("a", |topic| topic.key("data.who"))
        .topic("people", |topic| topic.partitions(2))
        .model("person", "people", |model| model.copartitioned())
        .pipeline("p", |pipeline| declare(pipeline.from("a")).to("out"));
    let found =
        topology.build().err().map(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    let expected = expected.map(|why| {
        format!(
            "pipelines.p.steps[0].snapshot: the model person is copartitioned, so a task holds only the entities of its partition, \
             and {why}; or let the model be broadcast"
        )
    });
    assert_eq!(found, expected);
}

#[test]
fn a_copartitioned_model_is_looked_up_where_its_entities_are() {
    check_copartitioned(
        |pipeline| pipeline.snapshot("person", "data.friend"),
        Some(
            "the events are not placed by `data.friend`; put `repartition: data.friend` before this step and look it up by `key`",
        ),
    );
    check_copartitioned(
        |pipeline| pipeline.snapshot("person", "data.who"),
        Some(
            "a has 4 partitions and people has 2; give them the same, or put a `repartition` over 2 partitions before this step",
        ),
    );
    check_copartitioned(
        |pipeline| {
            let dealt = pipeline.repartition("data.friend", |repartition| repartition.partitions(2));
            dealt.snapshot("person", "key")
        },
        None,
    );
}

#[test]
fn pipelines_do_not_feed_each_other_in_a_circle() {
    let app = |last: &str| {
        let builder = Topology::builder("test").topic("a", |topic| topic);
        let builder = builder.pipeline("one", |pipeline| pipeline.from("a").to("b"));
        let builder = builder.pipeline("two", |pipeline| pipeline.from("b").to("c"));
        builder.pipeline("three", |pipeline| pipeline.from("c").filter("true").to(last))
    };
    assert!(app("d").build().is_ok());
    let found: Vec<String> = app("a").build().unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "pipelines.one.from: the pipelines one -> two -> three -> one feed each other in a circle, so an event would go round \
             without end; let one of them write a topic that the others do not read"
        ]
    );
}

/// What is found about a topic that one pipeline counts and another keeps as a table.
#[track_caller]
fn check_uses(declare: impl FnOnce(TopicBuilder<'_>) -> TopicBuilder<'_>, expected: &[&str]) {
    let topology = Topology::builder("test")
        .topic("orders", declare)
        .pipeline("counts", |pipeline| pipeline.from("orders").filter("true").count(|counted| counted).to("counted"))
        .pipeline("newest", |pipeline| pipeline.from("orders").table("newest").count(|counted| counted).to("passed"))
        .build();
    let found: Vec<String> = topology.err().unwrap_or_default().iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_topic_suits_all_that_reads_it() {
    check_uses(|topic| topic, &[]);
    check_uses(
        |topic| topic.compact(Compact::default()),
        &[
            "topics.orders.compact: the step count-1 of the pipeline counts needs every event of orders, and a compacted topic keeps only \
             the newest of each key; take `compact` away, or let a pipeline write the events to a topic of their own for one of the two",
        ],
    );
    check_uses(
        |topic| topic.retention_age(Duration::from_secs(60)),
        &[
            "topics.orders.retention: the step table-1 of the pipeline newest reads orders as a table, which needs the newest event of \
             each key for ever, while the step count-1 of the pipeline counts reads it as a stream that lets go of old events; take \
             `retention` away, or let a pipeline write the table to a compacted topic of its own",
        ],
    );
}
