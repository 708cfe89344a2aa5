//! `Marker`: in every keyspace, the last commit that wrote to it.

use super::codec::{Cursor, Undecodable, key};
use crate::schema::StoredRow;

pub(crate) fn encode_key() -> Vec<u8> {
    key(StoredRow::Marker, 0)
}

pub(crate) fn decode_key(bytes: &[u8]) -> Result<(), Undecodable> {
    let mut cursor = Cursor::new("marker", bytes);
    cursor.tag(StoredRow::Marker)?;
    cursor.end()
}

pub(crate) fn encode_value(commit: u64) -> [u8; 8] {
    commit.to_be_bytes()
}

pub(crate) fn decode_value(bytes: &[u8]) -> Result<u64, Undecodable> {
    let mut cursor = Cursor::new("marker", bytes);
    let commit = cursor.u64()?;
    cursor.end().map(|()| commit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back_as_it_went(commit in any::<u64>()) {
            prop_assert_eq!(super::decode_key(&super::encode_key()), Ok(()));
            prop_assert_eq!(super::decode_value(&super::encode_value(commit)), Ok(commit));
        }
    }
}
