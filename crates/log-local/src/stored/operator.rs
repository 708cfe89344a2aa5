//! `Operator`: the number of an operator within its group.

use riverrun_event::OperatorName;

use super::codec::{Cursor, Undecodable, key};
use super::{GroupId, OperatorId};
use crate::schema::StoredRow;

pub(crate) fn encode_key(group: GroupId, name: &OperatorName) -> Vec<u8> {
    let mut out = key(StoredRow::Operator, 4 + name.as_str().len());
    out.extend(group.0.to_be_bytes());
    out.extend(name.as_str().as_bytes());
    out
}

pub(crate) fn decode_key(bytes: &[u8]) -> Result<(GroupId, OperatorName), Undecodable> {
    let mut cursor = Cursor::new("operator", bytes);
    cursor.tag(StoredRow::Operator)?;
    let group = GroupId(cursor.u32()?);
    let name = std::str::from_utf8(cursor.rest()).map_err(|_| cursor.error("its name is not UTF-8"))?;
    Ok((group, OperatorName::internal(name).map_err(|_| cursor.error("its name is not valid"))?))
}

pub(crate) fn encode_value(operator: OperatorId) -> [u8; 4] {
    operator.0.to_be_bytes()
}

pub(crate) fn decode_value(bytes: &[u8]) -> Result<OperatorId, Undecodable> {
    let mut cursor = Cursor::new("operator", bytes);
    let operator = OperatorId(cursor.u32()?);
    cursor.end().map(|()| operator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back_as_it_went(group: u32, name in "[a-z0-9_][a-z0-9._-]{0,20}", id: u32) {
            let key = (GroupId(group), OperatorName::internal(&name).unwrap());
            prop_assert_eq!(decode_key(&encode_key(key.0, &key.1)), Ok(key));
            prop_assert_eq!(decode_value(&encode_value(OperatorId(id))), Ok(OperatorId(id)));
        }
    }
}
