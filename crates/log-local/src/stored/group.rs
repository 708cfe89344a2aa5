//! `Group`: the number of a group.

use riverrun_log::GroupName;

use super::GroupId;
use super::codec::{Cursor, Undecodable, key};
use crate::schema::StoredRow;

pub(crate) fn encode_key(name: &GroupName) -> Vec<u8> {
    let mut out = key(StoredRow::Group, name.as_str().len());
    out.extend(name.as_str().as_bytes());
    out
}

pub(crate) fn decode_key(bytes: &[u8]) -> Result<GroupName, Undecodable> {
    let mut cursor = Cursor::new("group", bytes);
    cursor.tag(StoredRow::Group)?;
    let name = std::str::from_utf8(cursor.rest()).map_err(|_| cursor.error("its name is not UTF-8"))?;
    Ok(GroupName::stored(name))
}

pub(crate) fn encode_value(group: GroupId) -> [u8; 4] {
    group.0.to_be_bytes()
}

pub(crate) fn decode_value(bytes: &[u8]) -> Result<GroupId, Undecodable> {
    let mut cursor = Cursor::new("group", bytes);
    let group = GroupId(cursor.u32()?);
    cursor.end().map(|()| group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back_as_it_went(name in ".{0,30}", id: u32) {
            let name = GroupName::stored(&name);
            prop_assert_eq!(decode_key(&encode_key(&name)), Ok(name));
            prop_assert_eq!(decode_value(&encode_value(GroupId(id))), Ok(GroupId(id)));
        }
    }
}
