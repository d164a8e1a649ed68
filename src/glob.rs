//! Patterns over `app_id`s and hosts: `*` is any run of characters, `?` is one character.
//!
//! A pattern always speaks of the whole text, and case matters. Matching takes at most pattern
//! times text steps, whatever the pattern. Two patterns can be asked for a text that both match.

use std::collections::{HashMap, VecDeque};

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Box<[Piece]>);

/// One piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// `*`
    Run,
    /// `?`
    One,
    /// Itself.
    Literal(char),
}

impl Glob {
    /// The characters that stand for others.
    pub const WILDCARDS: [char; 2] = ['*', '?'];

    /// Reads a pattern; every text is one.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        let mut pieces: Vec<Piece> = pattern
            .chars()
            .map(|char| match char {
                '*' => Piece::Run,
                '?' => Piece::One,
                char => Piece::Literal(char),
            })
            .collect();
        pieces.dedup_by(|next, piece| *next == Piece::Run && *piece == Piece::Run);
        Self(pieces.into())
    }

    /// Whether `text` has wildcards at all.
    #[must_use]
    pub fn is_pattern(text: &str) -> bool {
        text.contains(Self::WILDCARDS)
    }

    /// Whether the pattern matches the whole of `text`.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let pieces = &self.0;
        let mut at = 0;
        let mut rest = text;
        // Where to go on when a literal fails: behind the last `*`, which then takes one more.
        let mut retry: Option<(usize, &str)> = None;
        loop {
            let mut chars = rest.chars();
            match (pieces.get(at), chars.next()) {
                (Some(Piece::Run), _) => {
                    at += 1;
                    retry = Some((at, rest));
                    continue;
                }
                (Some(Piece::One), Some(_)) => {
                    at += 1;
                    rest = chars.as_str();
                    continue;
                }
                (Some(Piece::Literal(wanted)), Some(found)) if *wanted == found => {
                    at += 1;
                    rest = chars.as_str();
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            let Some((behind_run, taken_to)) = retry else {
                return false;
            };
            let mut chars = taken_to.chars();
            if chars.next().is_none() {
                return false;
            }
            at = behind_run;
            rest = chars.as_str();
            retry = Some((at, rest));
        }
    }

    /// Returns a shortest text that both patterns match, if there is one.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> Option<String> {
        let end = (self.0.len(), other.0.len());
        // Breadth first over pairs of positions; a step that takes no character goes to the front.
        let mut steps: HashMap<Pair, Step> = HashMap::new();
        let start = Step { from: (0, 0), taken: None };
        let mut queue = VecDeque::from([((0, 0), start)]);
        while let Some((pair, step)) = queue.pop_front() {
            if steps.contains_key(&pair) {
                continue;
            }
            steps.insert(pair, step);
            if pair == end {
                return Some(walk_back(&steps, end));
            }
            let (left, right) = pair;
            let step = |taken| Step { from: pair, taken };
            if self.0.get(left) == Some(&Piece::Run) {
                queue.push_front(((left + 1, right), step(None)));
            }
            if other.0.get(right) == Some(&Piece::Run) {
                queue.push_front(((left, right + 1), step(None)));
            }
            if let (Some((next_left, a)), Some((next_right, b))) =
                (take(&self.0, left), take(&other.0, right))
                && (a.is_none() || b.is_none() || a == b)
            {
                let char = a.or(b).unwrap_or('x');
                queue.push_back(((next_left, next_right), step(Some(char))));
            }
        }
        None
    }
}

/// Positions in two patterns.
type Pair = (usize, usize);

/// How a pair of positions was reached.
struct Step {
    from: Pair,
    taken: Option<char>,
}

/// Returns the position after one character, and the character if only one will do.
fn take(pieces: &[Piece], at: usize) -> Option<(usize, Option<char>)> {
    pieces.get(at).map(|piece| match piece {
        Piece::Run => (at, None),
        Piece::One => (at + 1, None),
        Piece::Literal(char) => (at + 1, Some(*char)),
    })
}

/// Returns the characters taken on the way from the beginning.
fn walk_back(steps: &HashMap<Pair, Step>, end: Pair) -> String {
    let mut taken = Vec::new();
    let mut pair = end;
    while let Some(step) = steps.get(&pair).filter(|_| pair != (0, 0)) {
        taken.extend(step.taken);
        pair = step.from;
    }
    taken.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn matches_the_whole_text() {
        for (pattern, text, expected) in [
            ("com.example.app", "com.example.app", true),
            ("com.example.app", "com.example.apps", false),
            ("com.example.app", "com-example-app", false),
            ("com.example.*", "com.example.ios.dev", true),
            ("com.example.*", "com.example.", true),
            ("com.example.*", "com.example", false),
            ("com.example.*", "org.com.example.app", false),
            ("com.example.*", "com.Example.app", false),
            ("*.ios", "com.example.ios", true),
            ("*.ios", "com.example.ios.dev", false),
            ("com.*.ios", "com.a.ios.b.ios", true),
            ("com.?.ios", "com.é.ios", true),
            ("com.?.ios", "com..ios", false),
            ("com.?.ios", "com.ab.ios", false),
            ("com.glob.*", "com.glob.*", true),
            ("a**b", "ab", true),
            ("*", "", true),
            ("?", "", false),
            ("", "", true),
            ("", "a", false),
            ("[a]+(b|c)", "[a]+(b|c)", true),
        ] {
            let matched = Glob::new(pattern).matches(text);
            assert_eq!(matched, expected, "{pattern} against {text}");
        }
    }

    #[test]
    fn finds_a_text_that_two_patterns_match() {
        for (left, right, expected) in [
            ("com.*", "*.ios", Some("com.ios")),
            ("com.example.*", "com.*.ios", Some("com.example.ios")),
            ("com.example.*", "com.example.ios.*", Some("com.example.ios.")),
            ("a?", "?b", Some("ab")),
            ("??", "*", Some("xx")),
            ("*", "*", Some("")),
            ("com.a.*", "com.b.*", None),
            ("a?", "a", None),
            ("*a", "*b", None),
        ] {
            let (left, right) = (Glob::new(left), Glob::new(right));
            assert_eq!(left.overlap(&right).as_deref(), expected);
        }
    }

    #[test]
    fn many_runs_cost_little() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!Glob::new(&pattern).matches(&"a".repeat(10_000)));
    }

    proptest! {
        /// The plain recursive definition says the same.
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?]{0,8}", text in "[abc]{0,8}") {
            fn defined(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern, text) {
                    ([], []) => true,
                    ([b'*', rest @ ..], _) => {
                        defined(rest, text)
                            || text.split_first().is_some_and(|(_, text)| defined(pattern, text))
                    }
                    ([b'?', pattern @ ..], [_, text @ ..]) => defined(pattern, text),
                    ([a, pattern @ ..], [b, text @ ..]) => a == b && defined(pattern, text),
                    _ => false,
                }
            }
            prop_assert_eq!(
                Glob::new(&pattern).matches(&text),
                defined(pattern.as_bytes(), text.as_bytes())
            );
        }

        /// A witness is one, and where there is none no text matches both.
        #[test]
        fn overlap_is_true(left in "[ab*?]{0,6}", right in "[ab*?]{0,6}", text in "[abx]{0,6}") {
            let (left, right) = (Glob::new(&left), Glob::new(&right));
            match left.overlap(&right) {
                Some(witness) => prop_assert!(left.matches(&witness) && right.matches(&witness)),
                None => prop_assert!(!(left.matches(&text) && right.matches(&text))),
            }
        }

        #[test]
        fn anything_goes(pattern in "\\PC*", text in "\\PC*") {
            let glob = Glob::new(&pattern);
            let _ = glob.matches(&text);
            prop_assert!(Glob::is_pattern(&pattern) || glob.matches(&pattern));
        }
    }
}
