//! What a person probably meant who wrote a name that there is not: for the refusals of options and settings, which all
//! say it alike.

/// The name among `known` that was probably meant by `key`: at most a third of its letters differ.
pub fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if key.len() > 64 {
        return None;
    }
    known
        .map(|name| (distance(key, name), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance * 3 <= name.len())
        .map(|(_, name)| name)
}

/// Letters to add, remove or replace to make one from the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(&to) {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = *cell;
            *cell = replaced.min(*cell + 1).min(left + 1);
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_finds_none() {
        let known = || ["data_dir", "queue_max", "login_timeout_ms"].into_iter();
        for (written, meant) in [
            ("data_dri", Some("data_dir")),
            ("queue_maximum", None),
            ("queu_max", Some("queue_max")),
            ("login_timeout", Some("login_timeout_ms")),
            ("data_dir", Some("data_dir")),
            ("colour", None),
            ("", None),
            (&"q".repeat(65), None),
        ] {
            assert_eq!(nearest(written, known()), meant, "{written}");
        }
        assert_eq!(nearest("anything", std::iter::empty()), None);
    }
}
