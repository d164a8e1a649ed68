//! Where to cut texts so that they fit together: the longest first, until they are equally long.
//!
//! Lengths are those of the serialised JSON, where a line feed costs two bytes. Instead of taking
//! one character after the other off the longest text, the common level they would all end at is
//! computed, and no more of a text is looked at than could fit: the cost follows the limit, not the
//! text.

/// Returns how many bytes of JSON `text` takes without its quotes, or `most + 1` if it is more.
pub(super) fn escaped_len(text: &str, most: usize) -> usize {
    match prefix(text, most) {
        (whole, escaped) if whole.len() == text.len() => escaped,
        _ => most + 1,
    }
}

/// Returns the longest beginning of `text` that takes at most `most` bytes of JSON.
pub(super) fn cut(text: &str, most: usize) -> &str {
    prefix(text, most).0
}

fn prefix(text: &str, most: usize) -> (&str, usize) {
    let mut escaped = 0;
    for (at, character) in text.char_indices() {
        let cost = cost(character);
        if escaped + cost > most {
            return (&text[..at], escaped);
        }
        escaped += cost;
    }
    (text, escaped)
}

/// Returns how many bytes `serde_json` writes for a character.
fn cost(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => character.len_utf8(),
    }
}

/// Returns how long each text may be, so that together they are at most `budget` long: those above
/// a common level are cut to it, and the last ones of them get the bytes that remain.
pub(super) fn levels(lengths: &[usize], budget: usize) -> Vec<usize> {
    let mut shortest_first: Vec<usize> = (0..lengths.len()).collect();
    shortest_first.sort_by_key(|&i| lengths[i]);
    let mut allowed = lengths.to_vec();
    let mut left = budget;
    for (done, &i) in shortest_first.iter().enumerate() {
        let sharing = shortest_first.len() - done;
        let share = left / sharing;
        if lengths[i] > share {
            let mut above = shortest_first[done..].to_vec();
            above.sort_unstable();
            let first_with_more = sharing - left % sharing;
            for (n, &i) in above.iter().enumerate() {
                allowed[i] = share + usize::from(n >= first_with_more);
            }
            break;
        }
        left -= lengths[i];
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_longest_first() {
        for (lengths, budget, expected) in [
            (&[][..], 10, &[][..]),
            (&[3, 4], 10, &[3, 4]),
            (&[3, 4], 7, &[3, 4]),
            (&[5000], 100, &[100]),
            (&[1024, 1024, 3000], 4000, &[1024, 1024, 1952]),
            (&[6000, 6000, 3000], 3899, &[1299, 1300, 1300]),
            (&[3, 9, 5], 12, &[3, 4, 5]),
            (&[7, 7], 0, &[0, 0]),
        ] {
            assert_eq!(levels(lengths, budget), expected, "{lengths:?} in {budget}");
        }
    }

    #[test]
    fn cuts_between_characters_and_counts_escapes() {
        for (text, most, expected) in [
            ("abc", 3, "abc"),
            ("abc", 2, "ab"),
            ("a\nb", 2, "a"),
            ("a\nb", 3, "a\n"),
            ("\u{1}b", 5, ""),
            ("\u{1}b", 6, "\u{1}"),
            ("🦉🦉", 7, "🦉"),
            ("é", 1, ""),
            ("", 0, ""),
        ] {
            assert_eq!(cut(text, most), expected, "{text:?} in {most}");
        }
    }

    proptest! {
        #[test]
        fn a_character_costs_what_serde_json_writes(character: char) {
            let written = serde_json::to_string(&character).unwrap().len() - 2;
            prop_assert_eq!(cost(character), written);
            prop_assert_eq!(escaped_len(&character.to_string(), 6), written);
        }

        #[test]
        fn levels_use_the_budget_and_grow_with_it(
            lengths in prop::collection::vec(0usize..300, 0..8),
            budget in 0usize..1000,
        ) {
            let allowed = levels(&lengths, budget);
            let wanted: usize = lengths.iter().sum();
            prop_assert_eq!(allowed.iter().sum::<usize>(), wanted.min(budget));
            let more = levels(&lengths, budget + 1);
            for ((allowed, more), length) in allowed.iter().zip(&more).zip(&lengths) {
                prop_assert!(allowed <= more && more <= length);
            }
        }
    }
}
