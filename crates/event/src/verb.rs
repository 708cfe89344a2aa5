//! What a caller may do: the three verbs that the app file's `access:` hands out and every route asks for.

/// One kind of thing a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Put events into topics.
    Publish,
    /// Read the events of topics.
    Read,
    /// Look after the app: status, metrics, dead letters, replays, positions of consumers.
    Operate,
}

impl Verb {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 3] = [Self::Publish, Self::Read, Self::Operate];

    /// The verb as the app file and messages write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Operate => "operate",
        }
    }

    /// The verb of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == name)
    }
}

impl std::fmt::Display for Verb {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}
