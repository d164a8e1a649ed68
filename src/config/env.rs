//! Environment variables within a configuration: `${NAME}`, `${NAME:-default}`, `${NAME:?message}`.
//!
//! As in Docker Compose files. A variable that is empty counts as unset for the last two. `$${`
//! stands for a literal `${`; a `$` before anything else is itself, so that passwords need no care.

/// Most variables within each other's defaults.
const MAX_NESTING: usize = 8;

/// Looks an environment variable up.
pub type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A text with its variables replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expanded {
    /// The text.
    pub(super) text: String,
    /// Whether something was replaced: the text may then be a secret.
    pub(super) from_env: bool,
    /// Whether the text was nothing but one variable: it then has the type it looks like.
    pub(super) whole: bool,
}

/// Why a variable cannot be replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unset {
    /// What is wrong.
    pub(super) what: String,
    /// What to do.
    pub(super) instead: String,
}

/// Replaces every variable in `text`.
pub(super) fn expand(text: &str, env: &Env<'_>) -> Result<Expanded, Unset> {
    let mut out = String::with_capacity(text.len());
    let (mut variables, mut rest) = (0, text);
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at]);
            out.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let behind = &rest[at + 2..];
        let end = closing_brace(behind).ok_or_else(|| Unset {
            what: "a `${` has no `}` after it".to_owned(),
            instead: "close it, or write `$${` for a literal `${`".to_owned(),
        })?;
        out.push_str(&value(&behind[..end], env)?);
        rest = &behind[end + 1..];
        variables += 1;
    }
    out.push_str(rest);
    Ok(Expanded {
        whole: variables == 1 && text.starts_with("${") && rest.is_empty(),
        from_env: variables > 0,
        text: out,
    })
}

/// Returns where the brace closes that was opened before `text`.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if depth == MAX_NESTING => return None,
            b'{' if text[..at].ends_with('$') => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Returns the value of what stands between the braces.
fn value(inside: &str, env: &Env<'_>) -> Result<String, Unset> {
    let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let name_end = inside.find(|char| !is_name(char)).unwrap_or(inside.len());
    let (name, operator) = inside.split_at(name_end);
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(Unset {
            what: "this `${…}` names no environment variable".to_owned(),
            instead: "write `${NAME}`, or `$${` for a literal `${`".to_owned(),
        });
    }
    let found = env(name);
    if operator.is_empty() {
        return found.ok_or_else(|| Unset {
            what: format!("the environment variable `{name}` is not set"),
            instead: format!("set it, or write a default as in `${{{name}:-default}}`"),
        });
    }
    let found = found.filter(|value| !value.is_empty());
    if let Some(default) = operator.strip_prefix(":-") {
        found.map_or_else(|| Ok(expand(default, env)?.text), Ok)
    } else if let Some(message) = operator.strip_prefix(":?") {
        found.ok_or_else(|| Unset {
            what: format!("the environment variable `{name}` is not set"),
            instead: if message.is_empty() { "set it".to_owned() } else { message.to_owned() },
        })
    } else {
        Err(Unset {
            what: "this `${…}` is not understood".to_owned(),
            instead: "write `${NAME}`, `${NAME:-default}`, `${NAME:?what to do}`, \
                      or `$${` for a literal `${`"
                .to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "PORT" => Some("8080".to_owned()),
            "EMPTY" => Some(String::new()),
            "ODD" => Some("a${PORT}b".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_replaced() {
        for (text, expected, whole) in [
            ("no variable", "no variable", false),
            ("${PORT}", "8080", true),
            ("port ${PORT}!", "port 8080!", false),
            ("${PORT}${PORT}", "80808080", false),
            ("${EMPTY}", "", true),
            ("${NONE:-5000}", "5000", true),
            ("${NONE:-}", "", true),
            ("${EMPTY:-5000}", "5000", true),
            ("${PORT:-5000}", "8080", true),
            ("${NONE:-${PORT}}", "8080", true),
            ("${NONE:-a ${ALSO_NONE:-b} c}", "a b c", true),
            ("${PORT:?set it}", "8080", true),
            // What comes from the environment is taken as it is.
            ("${ODD}", "a${PORT}b", true),
            ("$${PORT}", "${PORT}", false),
            ("$${", "${", false),
            ("pa$$word$", "pa$$word$", false),
            ("$PORT", "$PORT", false),
        ] {
            let expanded = expand(text, &env).unwrap();
            assert_eq!(expanded.text, expected, "{text}");
            assert_eq!(expanded.whole, whole, "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        for (text, what, instead) in [
            ("${NONE}", "`NONE` is not set", "`${NONE:-default}`"),
            ("${NONE:?give a port}", "`NONE` is not set", "give a port"),
            ("${EMPTY:?give a port}", "`EMPTY` is not set", "give a port"),
            ("${NONE:?}", "`NONE` is not set", "set it"),
            ("${PORT", "no `}`", "`$${`"),
            ("${}", "names no environment variable", "`${NAME}`"),
            ("${1}", "names no environment variable", "`${NAME}`"),
            ("${a.b}", "is not understood", "`${NAME:-default}`"),
            ("${PORT-5}", "is not understood", "`${NAME:-default}`"),
            ("${NONE:-${ALSO_NONE}}", "`ALSO_NONE` is not set", "set it"),
        ] {
            let unset = expand(text, &env).unwrap_err();
            assert!(unset.what.contains(what), "{text}: {}", unset.what);
            assert!(unset.instead.contains(instead), "{text}: {}", unset.instead);
        }
    }

    proptest! {
        #[test]
        fn anything_goes(text in "([$]|[{]|[}]|PORT|:-|é|a){0,20}") {
            let _ = expand(&text, &env);
        }
    }
}
