//! What the parts of a join by a foreign key tell one another: the event of a left row, and attributes that say what for.

use riverrun_event::{Key, OperatorName, Text};

use crate::context::StepError;
use crate::draft::Draft;

/// What is told: `<kind>.<number>.<key of the left row in hexadecimal digits>`.
const MESSAGE_ATTRIBUTE: &str = "rrforeign";

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The left row names this row of the table.
    Subscribe,
    /// It no longer does.
    Leave,
    /// A result for the left row; none where the event has no data.
    Answer,
}

/// A message about a left row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: Kind,
    /// The key of the left row.
    pub(super) left: Key,
    /// Which change of it: later ones have greater numbers.
    pub(super) number: u64,
}

impl Message {
    /// The message with an event, for who has the key `to`.
    pub(super) fn write(&self, mut event: Draft, to: &Key) -> Draft {
        let kind = match self.kind {
            Kind::Subscribe => "subscribe",
            Kind::Leave => "leave",
            Kind::Answer => "answer",
        };
        let left: String = self.left.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let header = event.header_mut();
        header.key = Some(to.clone());
        header.attributes.set(MESSAGE_ATTRIBUTE, Text::from(format!("{kind}.{}.{left}", self.number)));
        event
    }

    /// The message that an event carries, and the event as the left row has it.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when it carries none.
    pub(super) fn read(name: &OperatorName, draft: &mut Draft) -> Result<(Self, Draft), StepError> {
        let text = draft.header().attributes.get(MESSAGE_ATTRIBUTE).unwrap_or_default();
        let message = parsed(text);
        let message =
            message.ok_or_else(|| StepError::Fatal(format!("{name}: an event came that says nothing to it")))?;
        let mut event = draft.clone();
        let header = event.header_mut();
        header.attributes.remove(MESSAGE_ATTRIBUTE);
        header.key = Some(message.left.clone());
        Ok((message, event))
    }
}

fn parsed(text: &str) -> Option<Message> {
    let mut parts = text.splitn(3, '.');
    let kind = match parts.next()? {
        "subscribe" => Kind::Subscribe,
        "leave" => Kind::Leave,
        "answer" => Kind::Answer,
        _ => return None,
    };
    let number = parts.next()?.parse().ok()?;
    let digits = parts.next()?.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let left: Option<Vec<u8>> = digits.map(byte).collect();
    Some(Message { kind, left: Key::new(left?).ok()?, number })
}
