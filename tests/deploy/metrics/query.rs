//! As much of `PromQL` as it takes to see which metrics and labels a query names.

/// A metric, and its matchers: label and value.
type Selected = (String, Vec<(String, String)>);

/// What a query names.
#[derive(Debug, Default)]
pub(crate) struct Query {
    /// Our metrics, with the matchers of each.
    pub(crate) metrics: Vec<Selected>,
    /// Labels of `by`, `without` and `on`.
    pub(crate) grouping: Vec<String>,
}

impl Query {
    /// Reads a query.
    pub(crate) fn read(expr: &str) -> Self {
        let mut query = Self::default();
        let mut rest = expr;
        while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '{' || c == '"')
        {
            rest = &rest[start..];
            rest = match rest.as_bytes()[0] {
                b'"' => after_quote(&rest[1..]),
                b'{' => query.any_of(rest),
                _ => query.word(rest),
            };
        }
        query
    }

    /// Takes a name, and what stands in its braces or parentheses.
    fn word<'a>(&mut self, rest: &'a str) -> &'a str {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (word, rest) = rest.split_at(end.unwrap_or(rest.len()));
        if ["by", "without", "on"].contains(&word) {
            let Some((labels, rest)) = rest.trim_start()[1..].split_once(')') else {
                panic!("{word} without its labels: {rest}");
            };
            let labels = labels.split(',').map(str::trim).filter(|label| !label.is_empty());
            self.grouping.extend(labels.map(str::to_owned));
            return rest;
        }
        if !word.starts_with("peregrine_") {
            return rest;
        }
        let (matchers, rest) = matchers(rest);
        self.metrics.push((word.to_owned(), matchers));
        rest
    }

    /// Takes `{__name__=~"one|other"}`.
    fn any_of<'a>(&mut self, rest: &'a str) -> &'a str {
        let (matchers, rest) = matchers(rest);
        for (_, names) in matchers.iter().filter(|(label, _)| label == "__name__") {
            let names = names.split('|').map(|name| (name.to_owned(), Vec::new()));
            self.metrics.extend(names);
        }
        rest
    }
}

/// Reads `{label="value", other=~"one|two"}`, if it stands there.
fn matchers(rest: &str) -> (Vec<(String, String)>, &str) {
    let Some(mut rest) = rest.strip_prefix('{') else {
        return (Vec::new(), rest);
    };
    let mut matchers = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(rest) = rest.strip_prefix('}') {
            return (matchers, rest);
        }
        let (label, value) = rest.split_once('"').unwrap_or_else(|| panic!("no value: {rest}"));
        let label = label.trim_end_matches(['=', '!', '~', ' ']);
        let (value, after) = value.split_once('"').unwrap_or_else(|| panic!("no end: {rest}"));
        matchers.push((label.to_owned(), value.to_owned()));
        rest = after;
    }
}

/// Returns what follows a quoted text.
fn after_quote(rest: &str) -> &str {
    rest.split_once('"').map_or("", |(_, rest)| rest)
}
