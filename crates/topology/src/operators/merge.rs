//! `merge`: lets the events of a further topic in at this place. The steps before it do not see them; steps of its own are
//! theirs alone, and those after it are for all.
//!
//! ```
//! use riverrun_topology::Topology;
//!
//! let topology = Topology::builder("shop")
//!     .topic("orders", |topic| topic)
//!     .topic("returns", |topic| topic)
//!     .pipeline("balance", |pipeline| {
//!         let negative = "data.amount * -1";
//!         pipeline.from("orders").filter("data.paid").merge("returns", |steps| steps.set("data.amount", negative)).to("bookings")
//!     })
//!     .build()
//!     .expect("no mistakes");
//! let pipeline = topology.pipelines.values().next().expect("a pipeline");
//! let inputs: Vec<&str> = pipeline.inputs().into_iter().map(|topic| topic.as_str()).collect();
//! assert_eq!(inputs, ["orders", "returns"]);
//! ```

use riverrun_event::TopicName;

use crate::pipeline::Step;

/// The operator. It does nothing to events that come from the steps before it; the runtime starts those of the topic at its own
/// steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    /// The topic whose events come in here.
    pub from: TopicName,
    /// What happens to them first.
    pub steps: Vec<Step>,
}
