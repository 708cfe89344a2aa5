//! What members say and hear, as bytes: numbers in network order, texts and lists behind their length.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use riverrun_log::{Label, Labels, TaskId};

use super::{Owner, Owners, Seat, Share};

/// The first byte. Another one is of another version of this program, which a member cannot follow.
const VERSION: u8 = 2;

impl Seat {
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(VERSION);
        out.put_u32(self.seat);
        out.put_u32(self.seats);
        put_text(&mut out, &self.instance);
        put_text(&mut out, self.address.as_deref().unwrap_or_default());
        put_tasks(&mut out, &self.owned);
        put_tasks(&mut out, &self.copies);
        put_length(&mut out, self.labels.len());
        for (name, label) in &self.labels {
            put_text(&mut out, name);
            match label {
                Label::Text(text) => {
                    out.put_u8(0);
                    put_text(&mut out, text);
                }
                Label::Number(number) => {
                    out.put_u8(1);
                    out.put_f64(*number);
                }
            }
        }
        out.freeze()
    }

    /// `None` for what another program said.
    pub(crate) fn parse(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        versioned(bytes)?;
        let (seat, seats) = (bytes.try_get_u32().ok()?, bytes.try_get_u32().ok()?);
        let (instance, address) = (text(bytes)?, address(bytes)?);
        let (owned, copies) = (tasks(bytes)?, tasks(bytes)?);
        let mut labels = Labels::new();
        for _ in 0..bytes.try_get_u32().ok()? {
            let name = text(bytes)?;
            let label = match bytes.try_get_u8().ok()? {
                0 => Label::Text(text(bytes)?),
                _ => Label::Number(bytes.try_get_f64().ok()?),
            };
            labels.insert(name, label);
        }
        Some(Self { instance, seat, seats, owned, copies, labels, address })
    }
}

impl Share {
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut instances: BTreeMap<&str, (Option<&str>, BTreeSet<TaskId>)> =
            self.instances.iter().map(|instance| (instance.as_str(), Default::default())).collect();
        for (task, owner) in &self.owners {
            let (address, tasks) = instances.entry(&owner.instance).or_default();
            *address = owner.address.as_deref();
            tasks.insert(*task);
        }
        let mut out = BytesMut::new();
        out.put_u8(VERSION);
        put_tasks(&mut out, &self.tasks);
        put_length(&mut out, instances.len());
        for (instance, (address, tasks)) in instances {
            put_text(&mut out, instance);
            put_text(&mut out, address.unwrap_or_default());
            put_tasks(&mut out, &tasks);
        }
        out.freeze()
    }

    /// `None` for what another program said; a member that the leader does not know is told nothing.
    pub(crate) fn parse(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        if bytes.is_empty() {
            return Some(Self::default());
        }
        versioned(bytes)?;
        let own = tasks(bytes)?;
        let (mut owners, mut instances) = (Owners::new(), BTreeSet::new());
        for _ in 0..bytes.try_get_u32().ok()? {
            let owner = Owner { instance: text(bytes)?, address: address(bytes)? };
            owners.extend(tasks(bytes)?.into_iter().map(|task| (task, owner.clone())));
            instances.insert(owner.instance);
        }
        Some(Self { tasks: own, owners, instances })
    }
}

fn put_length(out: &mut BytesMut, length: usize) {
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
}

fn put_text(out: &mut BytesMut, text: &str) {
    put_length(out, text.len());
    out.put_slice(text.as_bytes());
}

fn put_tasks(out: &mut BytesMut, tasks: &BTreeSet<TaskId>) {
    put_length(out, tasks.len());
    tasks.iter().for_each(|task| out.put_u32(task.0));
}

fn versioned(bytes: &mut &[u8]) -> Option<()> {
    (bytes.try_get_u8().ok()? == VERSION).then_some(())
}

fn text(bytes: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(std::str::from_utf8(text).ok()?.to_owned())
}

/// No address is written as an empty one.
fn address(bytes: &mut &[u8]) -> Option<Option<String>> {
    text(bytes).map(|address| Some(address).filter(|address| !address.is_empty()))
}

fn tasks(bytes: &mut &[u8]) -> Option<BTreeSet<TaskId>> {
    (0..bytes.try_get_u32().ok()?).map(|_| bytes.try_get_u32().ok().map(TaskId)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(tasks: &[u32]) -> BTreeSet<TaskId> {
        tasks.iter().copied().map(TaskId).collect()
    }

    #[test]
    fn what_is_said_comes_back() {
        let labels = [("rack", Label::Text("é".to_owned())), ("capacity", Label::Number(1.5))];
        let labels: Labels = labels.map(|(name, label)| (name.to_owned(), label)).into();
        let seat = Seat {
            instance: "odd\nname".to_owned(),
            seat: 3,
            seats: 7,
            owned: set(&[1, 20]),
            copies: set(&[2]),
            labels,
            address: Some("10.0.0.1:8080".to_owned()),
        };
        let plain = Seat { owned: set(&[]), copies: set(&[]), labels: Labels::new(), address: None, ..seat.clone() };
        for seat in [seat, plain] {
            assert_eq!(Seat::parse(&seat.to_bytes()), Some(seat));
        }
        let owner = |instance: &str, address: Option<&str>| Owner {
            instance: instance.to_owned(),
            address: address.map(str::to_owned),
        };
        let owners =
            [(TaskId(0), owner("a", Some("a:1"))), (TaskId(1), owner("b", None)), (TaskId(2), owner("a", Some("a:1")))];
        let instances = ["a", "b", "without tasks"].map(str::to_owned).into();
        let share = Share { tasks: set(&[0, 2]), owners: owners.into(), instances };
        assert_eq!(Share::parse(&share.to_bytes()), Some(share));
        assert_eq!(Share::parse(b""), Some(Share::default()));
    }

    #[test]
    fn what_others_say_is_not_understood() {
        for said in [&b"range"[..], b"", b"\x01\0\0\0\0\0\0\0\0", b"\x02\0\0\0\0\0\0\0\x01\xff\xff\xff\xffx"] {
            assert_eq!(Seat::parse(said), None);
        }
        assert_eq!(Share::parse(b"\x02\xff\xff\xff\xff\0"), None);
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_does_harm(said in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _seat = Seat::parse(&said);
            let _share = Share::parse(&said);
        }
    }
}
