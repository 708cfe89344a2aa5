//! "did you mean": the nearest known word by edit distance (optimal string alignment: swapped neighbours count once).

/// Distances beyond this many bytes of input are not computed; nobody misspells a name that long.
const WORD_BYTES_MAX: usize = 64;

/// The known word nearest to `word`, if it is near enough to be a slip.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let tolerated = match word.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        length => length / 3,
    };
    known
        .into_iter()
        .filter(|candidate| *candidate != word && word.len().max(candidate.len()) <= WORD_BYTES_MAX)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= tolerated && *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// A help text that proposes the nearest known word, else lists what there is.
pub(crate) fn suggestion<'k>(word: &str, what: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> String {
    if let Some(near) = nearest(word, known.clone()) {
        return format!("did you mean `{near}`?");
    }
    let mut all: Vec<String> = known.into_iter().map(|word| format!("`{word}`")).collect();
    if all.is_empty() {
        return format!("there are no {what} yet");
    }
    let more = all.len().saturating_sub(20);
    all.truncate(20);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("the {what} are {}{rest}", all.join(", "))
}

#[expect(clippy::indexing_slicing, reason = "the three rows are one longer than `to`, and j runs over `to`")]
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut earlier = vec![0; to.len() + 1];
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1; to.len() + 1];
        for (j, b) in to.iter().enumerate() {
            row[j + 1] = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && from.get(i - 1) == Some(b) && to.get(j - 1) == Some(a);
            if swapped {
                row[j + 1] = row[j + 1].min(earlier[j - 1] + 1);
            }
        }
        earlier = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let known = ["airline", "plane", "weather", "to", "from"];
        for (word, expected) in [
            ("airlines", Some("airline")),
            ("ariline", Some("airline")),
            ("form", Some("from")),
            ("t", Some("to")),
            ("customers", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
