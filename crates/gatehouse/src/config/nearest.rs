//! The nearest known word for one that is not known.

/// The one of `known` that was probably meant: at most a third of its letters are wrong.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // The distance takes time in proportion to both lengths; no known word is nearly as long as this.
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Words for a sentence: `` `a`, `b` or `c` ``.
pub(super) fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Most words that a hint lists: nobody reads more on one line.
const MOST_LISTED: usize = 12;

/// A hint for an unknown word: the one that was probably meant, else all there are.
pub(super) fn suggestion(word: &str, known: &[&str]) -> String {
    let begun = known.iter().find(|candidate| word.len() >= 3 && candidate.starts_with(word));
    match nearest(word, known.iter().copied()).or(begun.copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.len() > MOST_LISTED => {
            "remove it; the documentation lists the settings that there are".to_owned()
        }
        None => format!("write {}", listed(known)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_other_words_are_not() {
        let known = ["driver", "pin", "name"];
        assert_eq!(nearest("drvier", known), Some("driver"));
        assert_eq!(nearest("nmae", known), Some("name"));
        assert_eq!(nearest("Pin", known), Some("pin"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(suggestion("colour", &known), "write `driver`, `pin` or `name`");
        assert_eq!(suggestion("dri", &known), "did you mean `driver`?");
        assert!(suggestion("colour", &["word"; 13]).contains("the documentation"));
    }
}
