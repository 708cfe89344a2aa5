//! Which instance gets which partitions, where several share an app on Kafka: assignors of a service's own, and by expression.
#![doc = include_str!("../../../docs/assignors.md")]

use std::collections::BTreeMap;
use std::sync::Arc;

use riverrun_app::{AssignorSetting, InstanceLabel};
use riverrun_log::assignor::Fixed;
use riverrun_topology::document::Json;
use riverrun_topology::{Expression, Value};
use serde_json::{Map, Number};

pub use riverrun_log::TaskId;
pub use riverrun_log::assignor::{
    Assignor, AssignorError, Deal, GroupMember, Label, Labels, MemberName, NamedAssignor, Round, RoundRobin,
};

/// Assignors of the service, by the names that the app file uses.
pub(crate) type Registered = BTreeMap<String, Arc<dyn Assignor>>;

/// What the app file declares; `None` when it names one that is not registered.
pub(crate) fn declared(setting: &AssignorSetting, registered: &Registered) -> Option<NamedAssignor> {
    Some(match setting {
        AssignorSetting::RoundRobin => NamedAssignor::round_robin(),
        AssignorSetting::Static { instances, reassign_after } => {
            let own = instances.iter().map(|(name, own)| (name.clone(), own.iter().copied().map(TaskId).collect()));
            // The file has been checked for what could be wrong here.
            NamedAssignor::fixed(Fixed::new(own.collect(), *reassign_after).ok()?)
        }
        AssignorSetting::Score(expression) => NamedAssignor::custom("score", Arc::new(Score(expression.clone()))),
        AssignorSetting::Custom(name) => NamedAssignor::custom(name.as_str(), Arc::clone(registered.get(name)?)),
    })
}

/// The labels that the app file declares.
pub(crate) fn labels(declared: &BTreeMap<String, InstanceLabel>) -> Labels {
    let label = |label: &InstanceLabel| match label {
        InstanceLabel::Text(text) => Label::Text(text.clone()),
        InstanceLabel::Number(number) => Label::Number(*number),
    };
    declared.iter().map(|(name, declared)| (name.clone(), label(declared))).collect()
}

/// Gives each task in turn to the member with the highest score.
struct Score(Expression);

impl Assignor for Score {
    fn assign(&self, round: &Round) -> Result<Deal, AssignorError> {
        let mut deal = Deal::default();
        let mut counts = vec![0_usize; round.members.len()];
        for (index, task) in round.tasks.iter().enumerate() {
            let mut best: Option<(f64, usize)> = None;
            // Of equal ones the first counts, and each task begins with another member: that is round robin.
            for turn in (0..counts.len()).map(|offset| (index + offset) % counts.len()) {
                let (Some(member), Some(count)) = (round.members.get(turn), counts.get(turn)) else { continue };
                let score = self.score(*task, member, *count)?;
                if best.is_none_or(|(highest, _)| score > highest) {
                    best = Some((score, turn));
                }
            }
            let Some((_, turn)) = best else {
                deal.waiting.insert(*task);
                continue;
            };
            if let Some((member, count)) = round.members.get(turn).zip(counts.get_mut(turn)) {
                *count += 1;
                deal.tasks.entry(member.name.clone()).or_default().insert(*task);
            }
        }
        Ok(deal)
    }
}

impl Score {
    fn score(&self, task: TaskId, member: &GroupMember, count: usize) -> Result<f64, AssignorError> {
        let failed =
            |reason: String| AssignorError(format!("the score of {} for partition {task}: {reason}", member.name));
        let values = [task.to_string(), described(member, task, count).to_string()];
        let [task, member] = values.map(|json| Json::check(json).map_err(|error| failed(error.to_string())));
        let value = self.0.evaluate_values(&[task?, member?]).map_err(|error| failed(error.to_string()))?;
        let number = match &value {
            Value::Number(number) => Some(*number),
            Value::Json(json) => std::str::from_utf8(json).ok().and_then(|text| text.parse().ok()),
            Value::Null | Value::Bool(_) | Value::Text(_) => None,
        };
        number.ok_or_else(|| failed(format!("`{}` gives no number", self.0.source())))
    }
}

/// What an expression knows of a member.
fn described(member: &GroupMember, task: TaskId, count: usize) -> serde_json::Value {
    let label = |label: &Label| match label {
        Label::Text(text) => serde_json::Value::from(text.as_str()),
        Label::Number(number) => Number::from_f64(*number).map_or(serde_json::Value::Null, serde_json::Value::Number),
    };
    let labels: Map<String, serde_json::Value> =
        member.labels.iter().map(|(name, own)| (name.clone(), label(own))).collect();
    serde_json::json!({
        "instance": member.name.instance,
        "seat": member.name.seat,
        "labels": labels,
        "tasks": count,
        "owns": member.owned.contains(&task),
    })
}

#[cfg(test)]
mod tests {
    use riverrun_log::GroupName;
    use riverrun_log::assignor::decide;

    use super::*;

    /// Members as `instance:label=value:tasks`, and what each is dealt of six tasks.
    #[track_caller]
    fn check(score: &str, members: &[&str], expected: &str) {
        let members = members.iter().map(|member| {
            let mut parts = member.split(':');
            let instance = parts.next().unwrap().to_owned();
            let label = parts.next().and_then(|label| label.split_once('='));
            let value = |value: &str| value.parse().map_or(Label::Text(value.to_owned()), Label::Number);
            let labels = label.map(|(name, text)| (name.to_owned(), value(text))).into_iter().collect();
            let owned =
                parts.next().into_iter().flat_map(|owned| owned.split(',')).map(|task| TaskId(task.parse().unwrap()));
            let name = MemberName { instance, seat: 0 };
            GroupMember { name, labels, owned: owned.collect(), copies: Default::default(), is_here: true }
        });
        let tasks = (0..6).map(TaskId).collect();
        // A group whose turns begin with the first of up to three instances.
        let round = Round::new(GroupName::stored("shop.totals"), members.collect(), tasks);
        let expression = Expression::parse_over(score, &AssignorSetting::SCORE_NAMES).unwrap();
        let found = match decide(&Score(expression), &round) {
            decision if decision.refused.is_some() => decision.refused.map(|error| error.to_string()).unwrap(),
            decision => {
                let dealt = decision.deal.tasks.iter().map(|(name, tasks)| {
                    let tasks: Vec<String> = tasks.iter().map(ToString::to_string).collect();
                    format!("{}:{}", name.instance, tasks.join(","))
                });
                dealt.collect::<Vec<_>>().join(" ")
            }
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn tasks_go_to_the_highest_score() {
        // Of equal ones in turn.
        check("0", &["a", "b"], "a:0,2,4 b:1,3,5");
        check("-member.tasks", &["a", "b", "c"], "a:0,3 b:1,4 c:2,5");
        // By capacity.
        check("member.labels.capacity / (member.tasks + 1)", &["a:capacity=1", "b:capacity=2"], "a:2,4 b:0,1,3,5");
        // By rack: up to four there, then the others.
        check(
            "member.labels.rack == 'x' ? 4 - member.tasks : -member.tasks",
            &["a:rack=x", "b:rack=y"],
            "a:0,1,2,3,4 b:5",
        );
        check("member.instance == 'b' && task < 2 ? 1 : -member.tasks", &["a", "b"], "a:2,3,4 b:0,1,5");
    }

    #[test]
    fn tasks_stay_where_the_score_says_so() {
        let score = "(member.owns ? 3 : 0) - member.tasks";
        check(score, &["a"], "a:0,1,2,3,4,5");
        // Who comes gets some: two move, as the others are within three.
        check(score, &["a:x=1:0,1,2,3,4,5", "b"], "a:0,1,2,4 b:3,5");
        check(score, &["a:x=1:0,1,2", "b:x=1:3,4,5"], "a:0,1,2 b:3,4,5");
        check("member.owns ? 1 : 0", &["a:x=1:0,1,2", "b:x=1:3,4,5"], "a:0,1,2 b:3,4,5");
    }

    #[test]
    fn a_score_that_is_none_is_refused() {
        let failed = "it failed: the score of a/0 for partition 0: ";
        check("member.labels.rack", &["a"], &format!("{failed}`member.labels.rack` gives no number"));
        check(
            "member.labels.capacity * 2",
            &["a"],
            &format!(
                "{failed}member.labels.capacity is null or missing; * cannot compute with it (in `member.labels.capacity * 2`)"
            ),
        );
    }

    #[test]
    fn nobody_is_dealt_nothing() {
        check("1", &[], "");
    }
}
