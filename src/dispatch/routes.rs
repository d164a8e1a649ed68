//! From an `app_id` to its app: the exact name first, else the one glob that matches.
//!
//! Globs that can match the same `app_id` are refused when the configuration is read. Should two
//! match all the same, that is said here, so that nobody's pushkey is rejected for it.

use ahash::AHashMap;

use crate::glob::Glob;

/// The `app_id`s and globs of one configuration.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    exact: AHashMap<Box<str>, usize>,
    /// By what stands before their first wildcard, so that a thousand globs cost little more than
    /// one: only those are tried that can match.
    globs: AHashMap<Box<str>, Vec<(Glob, usize)>>,
    /// The lengths of `globs`' keys, each once.
    beginnings: Vec<usize>,
}

/// Where an `app_id` leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routed {
    /// To the app with this index.
    To(usize),
    /// No app has it.
    Unknown,
    /// More than one glob matches, that of the app with this index among them: a fault of the
    /// configuration.
    Ambiguous(usize),
}

impl Routes {
    /// Takes the `app_id`s and globs, each with its position as index.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        let mut routes = Self::default();
        for (index, pattern) in patterns.into_iter().enumerate() {
            if let Some(wildcard) = pattern.find(Glob::WILDCARDS) {
                let beginning = pattern[..wildcard].into();
                let globs = routes.globs.entry(beginning).or_default();
                globs.push((Glob::new(pattern), index));
                if !routes.beginnings.contains(&wildcard) {
                    routes.beginnings.push(wildcard);
                }
            } else {
                routes.exact.insert(pattern.into(), index);
            }
        }
        routes
    }

    /// Returns where `app_id` leads.
    #[must_use]
    pub fn find(&self, app_id: &str) -> Routed {
        if let Some(&index) = self.exact.get(app_id) {
            return Routed::To(index);
        }
        let beginnings = self.beginnings.iter().filter_map(|&end| app_id.get(..end));
        let globs = beginnings.filter_map(|beginning| self.globs.get(beginning));
        let mut matching =
            globs.flatten().filter(|(glob, _)| glob.matches(app_id)).map(|&(_, index)| index);
        match (matching.next(), matching.next()) {
            (None, _) => Routed::Unknown,
            (Some(index), None) => Routed::To(index),
            (Some(index), Some(other)) => Routed::Ambiguous(index.min(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_come_before_globs() {
        let routes = Routes::new([
            "com.example.*",
            "com.example.ios",
            "org.?.app",
            "org.a.*",
            "net.*",
            "*.élan",
            "été?",
        ]);
        for (app_id, expected) in [
            ("com.example.ios", Routed::To(1)),
            ("com.example.ios.dev", Routed::To(0)),
            ("com.example.*", Routed::To(0)),
            ("org.b.app", Routed::To(2)),
            ("org.a.app", Routed::Ambiguous(2)),
            ("net.", Routed::To(4)),
            ("net.élan", Routed::Ambiguous(4)),
            ("x.élan", Routed::To(5)),
            ("étés", Routed::To(6)),
            ("ét", Routed::Unknown),
            ("ééé", Routed::Unknown),
            ("im.vector", Routed::Unknown),
            ("", Routed::Unknown),
        ] {
            assert_eq!(routes.find(app_id), expected, "{app_id}");
        }
    }
}
