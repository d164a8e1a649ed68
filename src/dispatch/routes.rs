//! From an `app_id` to its app: the exact name first, else the one glob that matches.
//!
//! Globs that can match the same `app_id` are refused when the configuration is read. Should two
//! match all the same, that is said here, so that nobody's pushkey is rejected for it.

use std::collections::HashMap;

use crate::glob::Glob;

/// The `app_id`s and globs of one configuration.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    exact: HashMap<Box<str>, usize>,
    globs: Vec<(Glob, usize)>,
}

/// Where an `app_id` leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routed {
    /// To the app with this index.
    To(usize),
    /// No app has it.
    Unknown,
    /// More than one glob matches, that of the app with this index first: a fault of the
    /// configuration.
    Ambiguous(usize),
}

impl Routes {
    /// Takes the `app_id`s and globs, each with its position as index.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        let mut routes = Self::default();
        for (index, pattern) in patterns.into_iter().enumerate() {
            if Glob::is_pattern(pattern) {
                routes.globs.push((Glob::new(pattern), index));
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
        let mut matching = self.globs.iter().filter(|(glob, _)| glob.matches(app_id));
        match (matching.next(), matching.next()) {
            (None, _) => Routed::Unknown,
            (Some(&(_, index)), None) => Routed::To(index),
            (Some(&(_, index)), Some(_)) => Routed::Ambiguous(index),
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
        ]);
        for (app_id, expected) in [
            ("com.example.ios", Routed::To(1)),
            ("com.example.ios.dev", Routed::To(0)),
            ("com.example.*", Routed::To(0)),
            ("org.b.app", Routed::To(2)),
            ("org.a.app", Routed::Ambiguous(2)),
            ("net.", Routed::To(4)),
            ("im.vector", Routed::Unknown),
            ("", Routed::Unknown),
        ] {
            assert_eq!(routes.find(app_id), expected, "{app_id}");
        }
    }
}
