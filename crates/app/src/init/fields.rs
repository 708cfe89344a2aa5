//! What the fields of a sample are like: how often each is there, what it holds, and what its name suggests.

use std::collections::{BTreeMap, HashSet};

use riverrun_event::Time;
use serde_json::{Map, Value};

/// Objects within objects are looked into this deep; what identifies an event rarely lies deeper.
const DEPTH_MAX: usize = 3;

/// What a field's values are like over all events.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) present: usize,
    pub(super) strings: usize,
    pub(super) integers: usize,
    pub(super) numbers: Vec<f64>,
    pub(super) times: usize,
    pub(super) distinct: HashSet<String>,
}

/// Every field by its place in the data: `total`, `customer.id`.
pub(super) type Shapes = BTreeMap<String, Shape>;

pub(super) fn shapes(data: &[Map<String, Value>]) -> Shapes {
    let mut shapes = Shapes::new();
    for object in data {
        add(&mut shapes, "", object, 1);
    }
    shapes
}

fn add(shapes: &mut Shapes, parent: &str, object: &Map<String, Value>, depth: usize) {
    for (name, value) in object.iter().filter(|(name, value)| is_identifier(name) && !value.is_null()) {
        let place = format!("{parent}{name}");
        match value {
            Value::Object(inner) if depth < DEPTH_MAX => add(shapes, &format!("{place}."), inner, depth + 1),
            value => shapes.entry(place).or_default().add(value),
        }
    }
}

impl Shape {
    fn add(&mut self, value: &Value) {
        self.present += 1;
        match value {
            Value::String(text) => {
                self.strings += 1;
                self.times += usize::from(Time::parse(text).is_ok());
                self.distinct.insert(text.clone());
            }
            Value::Number(number) => {
                self.integers += usize::from(number.is_i64() || number.is_u64());
                self.numbers.extend(number.as_f64());
                self.distinct.insert(number.to_string());
            }
            _ => {}
        }
    }

    /// Whether every value can be a key or an id.
    pub(super) fn is_keyable(&self) -> bool {
        self.present > 0 && (self.strings == self.present || self.integers == self.present)
    }

    /// Whether it is a number wherever it is there, and not always the same one.
    pub(super) fn is_varying_number(&self) -> bool {
        self.present > 0 && self.numbers.len() == self.present && self.distinct.len() > 1
    }
}

/// The last part of a place: `id` of `customer.id`.
pub(super) fn last_part(place: &str) -> &str {
    place.rsplit('.').next().unwrap_or(place)
}

/// Whether the name says that the field identifies something.
pub(super) fn is_identity(place: &str) -> bool {
    let name = last_part(place);
    let lower = name.to_ascii_lowercase();
    lower == "id"
        || name.ends_with("Id")
        || name.ends_with("ID")
        || ["_id", "_key", "_no", "_code", "uuid", "num", "number", "sku"].iter().any(|end| lower.ends_with(end))
}

/// Whether the name says that more or less of it means something. Numbers that only tell things apart (a flight number, a
/// year, a zone) are no measures, and looking at the values alone does not show it.
pub(super) fn is_measure(place: &str) -> bool {
    const MEASURES: [&str; 31] = [
        "age",
        "amount",
        "balance",
        "bytes",
        "cost",
        "count",
        "delay",
        "distance",
        "duration",
        "elapsed",
        "fee",
        "height",
        "humidity",
        "latency",
        "length",
        "level",
        "price",
        "qty",
        "quantity",
        "score",
        "seats",
        "size",
        "speed",
        "sum",
        "temp",
        "temperature",
        "total",
        "usage",
        "value",
        "volume",
        "weight",
    ];
    words(last_part(place)).iter().any(|word| MEASURES.contains(&word.as_str()))
}

/// The words of `totalAmount`, `total_amount` and `total`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for character in name.chars() {
        if character == '_' || character.is_ascii_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| character != '_') {
            word.push(character.to_ascii_lowercase());
        }
    }
    words
}

/// Whether an expression can name the field as `data.<name>`.
fn is_identifier(name: &str) -> bool {
    const RESERVED: [&str; 21] = [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    ];
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= 64
        && !RESERVED.contains(&name)
}
