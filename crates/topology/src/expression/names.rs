//! Messages about names that do not exist, with the nearest that does.

/// The variables every expression knows.
pub(super) const VARIABLES: [&str; 8] = ["id", "source", "type", "subject", "time", "key", "attributes", "data"];

/// The message for an unknown variable.
pub(super) fn unknown_name<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    match nearest(name, known) {
        Some(near) => format!("`{name}` is not known; did you mean `{near}`?"),
        None => {
            format!("`{name}` is not known; an expression knows {}; text is written 'in quotes'", VARIABLES.join(", "))
        }
    }
}

/// The same where these names are all there are.
pub(super) fn unknown_among(name: &str, known: &[String]) -> String {
    match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("`{name}` is not known; did you mean `{near}`?"),
        None => format!("`{name}` is not known; here an expression knows {}", known.join(", ")),
    }
}

/// The name that differs from `name` in at most two letters, if any.
pub(crate) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // In a short name two differences are too many to guess from.
    let differences_max = if name.chars().count() <= 3 { 1 } else { 2 };
    known
        .map(|candidate| (differences(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(differences, _)| *differences <= differences_max)
        .min_by_key(|(differences, _)| *differences)
        .map(|(_, candidate)| candidate)
}

/// The Levenshtein distance.
fn differences(one: &str, two: &str) -> usize {
    let mut row: Vec<usize> = (0..=two.chars().count()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        let letters = two.chars();
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, other) in row.iter_mut().skip(1).zip(letters) {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = *cell;
            left = replaced.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let near = |name| nearest(name, VARIABLES.into_iter());
        assert_eq!(near("dat"), Some("data"));
        assert_eq!(near("subjekt"), Some("subject"));
        assert_eq!(near("ID"), Some("id"));
        assert_eq!(near("carrier"), None);
    }
}
