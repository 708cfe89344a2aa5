//! A caller and what it may do.
//!
//! The guard before every route puts a [`Caller`] into the request's extensions; whoever touches a topic asks it first. It is
//! built from a token's entry only, and where an app declares no tokens everyone is [`Caller::anyone`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use riverrun_event::{TopicName, Verb};
use riverrun_topology::TypePattern;

use super::access::AccessError;

/// What a token allows, as `access.tokens[]` of the app file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Names the caller to the operator, in messages and logs.
    pub name: String,
    /// What it may do.
    pub verbs: Vec<Verb>,
    /// Where it may publish and read, matched as `accept:` is; `None` is everywhere.
    pub topics: Option<Vec<TypePattern>>,
}

impl Grant {
    /// Everything, everywhere.
    #[must_use]
    pub fn everything(name: impl Into<String>) -> Self {
        Self { name: name.into(), verbs: Verb::ALL.to_vec(), topics: None }
    }
}

/// Who calls; lies in the extensions of every request that passed the guard.
#[derive(Clone, Debug)]
pub struct Caller {
    grant: Arc<Grant>,
    /// Whether a topic was asked for: a route that should have asked and did not gives nothing out.
    asked: Arc<AtomicBool>,
}

impl Caller {
    /// A caller with this grant.
    #[must_use]
    pub fn new(grant: Arc<Grant>) -> Self {
        Self { grant, asked: Arc::default() }
    }

    /// A caller of an app that declares no tokens: whoever reaches it may do everything.
    #[must_use]
    pub fn anyone() -> Self {
        Self::new(Arc::new(Grant::everything("anyone")))
    }

    /// The name of its token.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.grant.name
    }

    /// Whether the caller may do this with this topic. Riverrun's own topics hold events of any topic, so reading them needs
    /// [`Verb::Operate`] and no pattern.
    ///
    /// # Errors
    /// [`AccessError::Verb`] or [`AccessError::Topic`] says what its token lacks.
    pub fn permit(&self, verb: Verb, topic: &TopicName) -> Result<(), AccessError> {
        self.permit_named(verb, topic.as_str())
    }

    /// Marks that topics are asked for one by one, even when there turn out to be none (an empty batch).
    pub fn asks(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether the caller may do this at all, somewhere.
    ///
    /// # Errors
    /// [`AccessError::Verb`].
    pub fn permit_verb(&self, verb: Verb) -> Result<(), AccessError> {
        if self.grant.verbs.contains(&verb) {
            return Ok(());
        }
        Err(AccessError::Verb { caller: self.name().to_owned(), verb, topic: None })
    }

    /// [`Self::permit`] for a name that no topic may have.
    pub(crate) fn permit_named(&self, verb: Verb, topic: &str) -> Result<(), AccessError> {
        self.asks();
        let is_internal = topic.starts_with('_');
        let verb = if is_internal && verb == Verb::Read { Verb::Operate } else { verb };
        let shown = || topic.chars().take(200).collect::<String>();
        if !self.grant.verbs.contains(&verb) {
            return Err(AccessError::Verb { caller: self.name().to_owned(), verb, topic: Some(shown()) });
        }
        let matches = |patterns: &Vec<TypePattern>| patterns.iter().any(|pattern| pattern.matches(topic));
        let is_within = (is_internal && verb == Verb::Operate) || self.grant.topics.as_ref().is_none_or(matches);
        if is_within {
            return Ok(());
        }
        Err(AccessError::Topic { caller: self.name().to_owned(), verb, topic: shown() })
    }

    /// Whether any topic was asked for.
    pub(super) fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(verbs: &[Verb], topics: Option<&[&str]>, verb: Verb, topic: &str, allowed: bool) {
        let topics = topics.map(|topics| topics.iter().map(|topic| TypePattern((*topic).to_owned())).collect());
        let caller = Caller::new(Arc::new(Grant { name: "shop".to_owned(), verbs: verbs.to_vec(), topics }));
        let permitted = caller.permit(verb, &TopicName::internal(topic).unwrap());
        assert_eq!(permitted.is_ok(), allowed, "{verbs:?} {verb} {topic}: {permitted:?}");
        assert!(caller.has_asked());
    }

    #[test]
    fn a_topic_needs_the_verb_and_a_pattern_that_matches() {
        use Verb::{Operate, Publish, Read};
        check(&Verb::ALL, None, Publish, "orders", true);
        check(&[Publish], None, Read, "orders", false);
        check(&[Publish], Some(&["orders", "device.*"]), Publish, "orders", true);
        check(&[Publish], Some(&["orders", "device.*"]), Publish, "device.7", true);
        check(&[Publish], Some(&["orders", "device.*"]), Publish, "orders-2", false);
        check(&[Publish], Some(&[]), Publish, "orders", false);
        check(&[Operate], Some(&["orders"]), Operate, "flights", false);
    }

    #[test]
    fn dead_letters_are_read_by_those_who_operate() {
        use Verb::{Operate, Read};
        check(&[Read], None, Read, "_dead-letters.a", false);
        check(&[Operate], Some(&["orders"]), Read, "_dead-letters.a", true);
    }

    #[test]
    fn asking_for_no_topic_is_asking() {
        let caller = Caller::anyone();
        assert!(!caller.has_asked());
        caller.asks();
        assert!(caller.has_asked());
    }
}
