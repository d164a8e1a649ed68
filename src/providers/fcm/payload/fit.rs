//! Making values fit a number of bytes, in this order:
//!
//! 1. Texts are cut, the largest first, each on a character boundary and marked with an ellipsis.
//! 2. Texts too many to keep even 16 bytes of each are left out, the largest first.
//! 3. What cannot be cut is left out, the largest first. Ids never are: then nothing fits.
//!
//! The sharing knows numbers only and takes one sort, so a large body costs as little as it must.

use super::write::{self, escaped_char_len, escaped_len};
use crate::matrix::json;

/// A text is cut to no less than this.
const LEAST: usize = 16;

const ELLIPSIS: &str = "…";

/// The room one value asks for, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    /// What it takes when it is left out.
    pub absent: usize,
    /// What it takes besides the part that may be cut.
    pub fixed: usize,
    /// The part that may be cut.
    pub soft: usize,
    /// Whether it may be left out.
    pub optional: bool,
}

/// The room one value gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// All of it.
    Whole,
    /// This much of the part that may be cut.
    Cut(usize),
    /// None.
    Absent,
}

impl Claim {
    fn whole(&self) -> usize {
        self.fixed + self.soft
    }

    /// What keeping the least of it takes beyond leaving it out.
    fn least(&self) -> usize {
        (self.fixed + self.soft.min(LEAST)).saturating_sub(self.absent)
    }
}

/// Shares `limit` bytes between the claims; `None` if what must stay does not fit.
pub(super) fn share(claims: &[Claim], limit: usize) -> Option<Vec<Share>> {
    let mut shares = vec![Share::Whole; claims.len()];
    if claims.iter().map(Claim::whole).sum::<usize>() <= limit {
        return Some(shares);
    }
    let at_least = |claim: &Claim| if claim.optional { claim.absent } else { claim.whole() };
    let mut room = limit.checked_sub(claims.iter().map(at_least).sum())?;
    let (texts, wholes): (Vec<usize>, Vec<usize>) =
        (0..claims.len()).filter(|&i| claims[i].optional).partition(|&i| claims[i].soft > 0);
    keep_smallest(claims, wholes, &mut room, &mut shares);
    let mut texts = keep_smallest(claims, texts, &mut room, &mut shares);
    // `room` is what is left beyond the least of each kept text.
    room += texts.iter().map(|&i| claims[i].soft.min(LEAST)).sum::<usize>();
    texts.sort_unstable_by_key(|&i| claims[i].soft);
    let mut waiting = texts.len();
    for i in texts {
        let fair = room / waiting;
        if claims[i].soft > fair {
            shares[i] = Share::Cut(fair);
        }
        room -= claims[i].soft.min(fair);
        waiting -= 1;
    }
    Some(shares)
}

/// Leaves the largest out until the least of the others fits; returns those and takes their room.
fn keep_smallest(
    claims: &[Claim],
    mut members: Vec<usize>,
    room: &mut usize,
    shares: &mut [Share],
) -> Vec<usize> {
    members.sort_by_key(|&i| claims[i].least());
    let fits = |&i: &usize| match room.checked_sub(claims[i].least()) {
        Some(rest) => {
            *room = rest;
            true
        }
        None => false,
    };
    let kept = members.iter().copied().take_while(fits).count();
    for i in members.split_off(kept) {
        shares[i] = Share::Absent;
    }
    members
}

/// Returns the longest beginning of `text` that takes at most `max` bytes with its ellipsis.
pub(super) fn cut(text: &str, max: usize) -> String {
    cut_by(text, max, char::len_utf8)
}

/// Shortens a JSON object's text to at most `max` bytes (no less than `{}`): its strings are cut
/// and, where that is not enough, members left out.
pub(super) fn cut_object(object: &str, max: usize) -> String {
    /// Quotes, colon and comma around a member, and the quotes of a string.
    const AROUND: usize = 4;
    const QUOTES: usize = 2;
    let members = json::members(object);
    let members: Vec<_> =
        members.iter().map(|(key, raw)| (key.as_ref(), raw.get(), json::text(*raw))).collect();
    let claims: Vec<Claim> = members
        .iter()
        .map(|(key, raw, text)| {
            let around = escaped_len(key) + AROUND;
            let (hard, soft) = match text {
                Some(text) => (QUOTES, escaped_len(text)),
                None => (raw.len(), 0),
            };
            Claim { absent: 0, fixed: around + hard, soft, optional: true }
        })
        .collect();
    let mut out = Vec::with_capacity(max);
    let shares = share(&claims, max.saturating_sub("{}".len()));
    write::object(&mut out, |object| {
        for ((key, raw, text), share) in members.iter().zip(shares.unwrap_or_default()) {
            match (share, text) {
                (Share::Absent, _) => {}
                (Share::Cut(max), Some(text)) => {
                    object.text(key, &cut_by(text, max, escaped_char_len));
                }
                (Share::Whole, Some(text)) => object.text(key, text),
                (_, None) => object.json(key, raw),
            }
        }
    });
    String::from_utf8(out).unwrap_or_else(|_| "{}".to_owned())
}

fn cut_by(text: &str, max: usize, len: fn(char) -> usize) -> String {
    let (room, mark) = match max.checked_sub(ELLIPSIS.len()) {
        Some(room) => (room, ELLIPSIS),
        None => (max, ""),
    };
    let mut used = 0;
    let end = text
        .char_indices()
        .find(|&(_, char)| {
            used += len(char);
            used > room
        })
        .map_or(text.len(), |(at, _)| at);
    [&text[..end], mark].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(fixed: usize, soft: usize) -> Claim {
        Claim { absent: 0, fixed, soft, optional: true }
    }

    fn id(fixed: usize) -> Claim {
        Claim { absent: 0, fixed, soft: 0, optional: false }
    }

    #[test]
    fn what_gives_way_first() {
        use Share::{Absent, Cut, Whole};
        type Row<'r> = (&'r str, &'r [Claim], usize, Option<&'r [Share]>);
        let rows: [Row<'_>; 9] = [
            ("all fits", &[id(10), text(5, 85)], 100, Some(&[Whole, Whole])),
            ("the larger text", &[text(0, 20), text(0, 500)], 100, Some(&[Whole, Cut(80)])),
            ("both texts alike", &[text(10, 300), text(10, 500)], 100, Some(&[Cut(40), Cut(40)])),
            ("texts before wholes", &[text(10, 90), text(50, 0)], 100, Some(&[Cut(40), Whole])),
            (
                "the largest whole",
                &[text(60, 0), text(50, 0), id(9)],
                100,
                Some(&[Absent, Whole, Whole]),
            ),
            ("texts, then wholes", &[text(10, 90), text(99, 0)], 100, Some(&[Absent, Whole])),
            (
                "the largest of many texts",
                &[text(60, 90), text(20, 90)],
                60,
                Some(&[Absent, Cut(40)]),
            ),
            (
                "never an id",
                &[id(100), text(1, 0), text(1, 90)],
                100,
                Some(&[Whole, Absent, Absent]),
            ),
            ("ids too large", &[id(101)], 100, None),
        ];
        for (name, claims, limit, expected) in rows {
            assert_eq!(share(claims, limit).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn cut_on_character_boundaries() {
        let rows = [
            ("a".repeat(1024), 1024, 1024),
            ("a".repeat(1025), 1024, 1024),
            ("é".repeat(600), 1024, 1023),
            ("x".repeat(1020) + "⚑⚑", 1024, 1023),
            ("x".repeat(1018) + "⚑⚑", 1024, 1024),
            ("x".repeat(9), 2, 2),
            ("⚑⚑".to_owned(), 2, 0),
            ("⚑⚑".to_owned(), 3, 3),
        ];
        for (text, max, expected) in rows {
            let cut = if text.len() > max { cut(&text, max) } else { text };
            assert_eq!(cut.len(), expected, "{cut}");
        }
    }

    #[test]
    fn an_object_stays_an_object() {
        let object =
            r#"{"msgtype":"m.text","body":"0123456789\n0123456789\n0123456789\n","n":{"m":[1]}}"#;
        let rows = [
            (
                100,
                r#"{"msgtype":"m.text","body":"0123456789\n0123456789\n0123456789\n","n":{"m":[1]}}"#,
            ),
            (64, r#"{"msgtype":"m.text","body":"0123456789\n0123…","n":{"m":[1]}}"#),
            (30, r#"{"n":{"m":[1]}}"#),
            (2, "{}"),
            (0, "{}"),
        ];
        for (max, expected) in rows {
            assert_eq!(cut_object(object, max), expected, "{max}");
        }
    }

    fn claims() -> impl Strategy<Value = Vec<Claim>> {
        let claim = (0..4_usize, 4..300_usize, prop_oneof![Just(0), 0..3000_usize], any::<bool>());
        let claim = claim.prop_map(|(absent, fixed, soft, optional)| Claim {
            absent: if optional { absent } else { 0 },
            fixed,
            soft: if optional { soft } else { 0 },
            optional,
        });
        proptest::collection::vec(claim, 0..40)
    }

    proptest! {
        #[test]
        fn shares_keep_the_limit_and_the_ids(claims in claims(), limit in 0..6000_usize) {
            let Some(shares) = share(&claims, limit) else {
                let needed: usize = claims
                    .iter()
                    .map(|c| if c.optional { c.absent } else { c.whole() })
                    .sum();
                prop_assert!(needed > limit);
                return Ok(());
            };
            let mut used = 0;
            for (claim, share) in claims.iter().zip(&shares) {
                prop_assert!(claim.optional || *share == Share::Whole);
                used += match share {
                    Share::Whole => claim.whole(),
                    Share::Cut(max) => {
                        prop_assert!(*max >= LEAST && *max < claim.soft);
                        claim.fixed + max
                    }
                    Share::Absent => claim.absent,
                };
            }
            prop_assert!(used <= limit);
        }

        #[test]
        fn a_cut_object_parses_and_fits(
            members in proptest::collection::btree_map("(?s).{0,8}", "(?s).{0,200}", 0..12),
            max in 2..900_usize,
        ) {
            let object = serde_json::to_string(&members).unwrap();
            let cut = cut_object(&object, max);
            prop_assert!(cut.len() <= max.max(object.len().min(max)));
            let parsed: serde_json::Map<_, _> = serde_json::from_str(&cut).unwrap();
            for key in parsed.keys() {
                prop_assert!(members.contains_key(key));
            }
        }
    }
}
