//! The known word nearest to a mistyped one.

/// Returns the one of `known` that `word` was most likely meant to be, if any is near enough.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(word);
    known
        .into_iter()
        .map(|known| (distance(&folded, &fold(known)), known))
        .filter(|&(distance, known)| distance <= allowed(word.len().min(known.len())))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, known)| known)
}

/// Case and the sign between words are no mistakes of typing.
fn fold(word: &str) -> String {
    word.to_lowercase().replace(['-', ' ', '.'], "_").replace('_', "")
}

/// Returns how many characters are added, left out, replaced or swapped.
fn distance(a: &str, b: &str) -> usize {
    strsim::damerau_levenshtein(a, b)
}

/// Returns how many mistakes a word of this length can have and still be itself.
fn allowed(length: usize) -> usize {
    match length {
        0..=2 => 0,
        3..=5 => 1,
        6..=9 => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = ["bind_addresses", "port", "max_body_bytes", "enabled", "type"];
        for (word, expected) in [
            ("prot", Some("port")),
            ("Port", Some("port")),
            ("ports", Some("port")),
            ("bind_adresses", Some("bind_addresses")),
            ("bind-addresses", Some("bind_addresses")),
            ("bindAddresses", Some("bind_addresses")),
            ("max_body_byte", Some("max_body_bytes")),
            ("enable", Some("enabled")),
            ("tpye", Some("type")),
            ("at", None),
            ("database", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
