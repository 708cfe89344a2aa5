//! Where a read starts: `from`, `limit` and `follow` of the query, and the vector cursor `0@12,1@7` (per partition, the next
//! offset to read).

use std::fmt::Write as _;
use std::ops::Range;

use riverrun_event::{Offset, Partition, Time, TopicPartition};
use riverrun_log::{Log, ReadError};

/// Where a reader wants to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// At the first record kept of each partition.
    Beginning,
    /// After the last record of each partition.
    Latest,
    /// At these offsets; partitions that are not named start at their beginning.
    Offsets(Vec<(Partition, Offset)>),
    /// At the first record of each partition accepted at this time or later.
    Time(Time),
}

/// The parameters of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// Where to start.
    pub(crate) from: From,
    /// How many events at most.
    pub(crate) limit: Option<u64>,
    /// Whether to wait for further events at the end; `None` leaves it to the form of the answer.
    pub(crate) follow: Option<bool>,
}

/// A parameter is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parameter {name:?}: {message}")]
pub struct QueryError {
    name: String,
    message: String,
}

impl QueryError {
    pub(crate) fn new(name: &str, message: impl Into<String>) -> Self {
        // 64 characters: enough to recognise it; a caller chose the name.
        Self { name: name.chars().take(64).collect(), message: message.into() }
    }

    /// The same mistake where the value is called otherwise.
    pub(super) fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }
}

impl Query {
    /// Reads decoded parameters. `from` is `beginning` where it is missing.
    pub(crate) fn parse(parameters: &[(String, String)]) -> Result<Self, QueryError> {
        let mut query = Self { from: From::Beginning, limit: None, follow: None };
        for (at, (name, value)) in parameters.iter().enumerate() {
            if parameters.iter().take(at).any(|(earlier, _)| earlier == name) {
                return Err(QueryError::new(name, "it is stated twice"));
            }
            match name.as_str() {
                "from" => query.from = From::parse(value)?,
                "limit" => {
                    let limit = value.parse().map_err(|_| QueryError::new(name, "expected a number of events"))?;
                    query.limit = Some(limit);
                }
                "follow" => {
                    let follow = value.parse().map_err(|_| QueryError::new(name, "expected true or false"))?;
                    query.follow = Some(follow);
                }
                _ => return Err(QueryError::new(name, "there is no such parameter; there are from, limit and follow")),
            }
        }
        Ok(query)
    }
}

impl From {
    /// The first offset to read of a partition that keeps `kept`. May block for the log.
    pub(crate) fn offset(
        &self,
        log: &dyn Log,
        place: &TopicPartition,
        kept: &Range<Offset>,
    ) -> Result<Offset, ReadError> {
        let next = match self {
            Self::Beginning => kept.start,
            Self::Latest => kept.end,
            Self::Time(time) => log.offset_at(place, *time)?,
            Self::Offsets(offsets) => {
                let named = offsets.iter().find(|(named, _)| *named == place.partition);
                named.map_or(kept.start, |(_, offset)| *offset)
            }
        };
        if next < kept.start {
            return Err(ReadError::BelowStart { asked: place.at(next), start: place.at(kept.start) });
        }
        Ok(next)
    }

    /// The offsets it names, if it does.
    pub(crate) fn offsets(&self) -> &[(Partition, Offset)] {
        match self {
            Self::Offsets(offsets) => offsets,
            _ => &[],
        }
    }

    /// Reads the value of the parameter `from`.
    pub(crate) fn parse(text: &str) -> Result<Self, QueryError> {
        match text {
            "beginning" => return Ok(Self::Beginning),
            "latest" => return Ok(Self::Latest),
            _ => {}
        }
        if let Some(offsets) = parse_vector(text) {
            return no_partition_twice(offsets);
        }
        // In a query a bare plus sign stands for a space; a time with an offset needs it back.
        Time::parse(&text.replace(' ', "+")).map(Self::Time).map_err(|_| {
            QueryError::new(
                "from",
                "expected beginning, latest, a time such as 2013-01-01T10:15:00Z, or offsets such as 0@12,1@7",
            )
        })
    }

    /// Reads a cursor as a stream of events gave it.
    pub(crate) fn cursor(text: &str) -> Result<Self, QueryError> {
        let offsets = parse_vector(text);
        offsets.map_or_else(
            || Err(QueryError::new("Last-Event-ID", "expected offsets such as 0@12,1@7")),
            no_partition_twice,
        )
    }
}

fn parse_vector(text: &str) -> Option<Vec<(Partition, Offset)>> {
    let one = |part: &str| {
        let (partition, offset) = part.split_once('@')?;
        Some((Partition(partition.parse().ok()?), Offset(offset.parse().ok()?)))
    };
    text.split(',').map(one).collect()
}

fn no_partition_twice(mut offsets: Vec<(Partition, Offset)>) -> Result<From, QueryError> {
    offsets.sort_unstable();
    match offsets.windows(2).find(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
        Some(_) => Err(QueryError::new("from", "a partition is named twice")),
        None => Ok(From::Offsets(offsets)),
    }
}

/// Appends the cursor of partitions 0, 1, ... with these next offsets.
pub(crate) fn write_vector(next: impl Iterator<Item = Offset>, out: &mut String) {
    for (partition, offset) in next.enumerate() {
        let comma = if partition == 0 { "" } else { "," };
        let _infallible = write!(out, "{comma}{partition}@{offset}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, expected: Option<From>) {
        assert_eq!(Query::parse(&[("from".into(), from.into())]).ok().map(|query| query.from), expected, "{from}");
    }

    #[test]
    fn from_is_read() {
        let at = |partition, offset| (Partition(partition), Offset(offset));
        check("beginning", Some(From::Beginning));
        check("latest", Some(From::Latest));
        check("0@12,1@7", Some(From::Offsets(vec![at(0, 12), at(1, 7)])));
        check("1@7", Some(From::Offsets(vec![at(1, 7)])));
        check("2013-01-01T10:15:00Z", Some(From::Time(Time::from_unix(1_357_035_300, 0))));
        check("2013-01-01T12:15:00 02:00", Some(From::Time(Time::from_unix(1_357_035_300, 0))));
        for bad in ["", "start", "0@", "@1", "0@1,", "0@1,0@2", "-1@2", "2013-01-01"] {
            check(bad, None);
        }
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        let parse = |query: &[(&str, &str)]| {
            Query::parse(&query.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect::<Vec<_>>())
        };
        assert!(parse(&[("limit", "3"), ("follow", "true")]).is_ok());
        for bad in
            [&[("form", "latest")][..], &[("limit", "-1")], &[("follow", "yes")], &[("limit", "1"), ("limit", "2")]]
        {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_cursor_is_written_as_it_is_read() {
        let mut text = String::new();
        write_vector([Offset(12), Offset(7)].into_iter(), &mut text);
        assert_eq!(text, "0@12,1@7");
        assert!(From::cursor(&text).is_ok() && From::cursor("latest").is_err());
    }
}
