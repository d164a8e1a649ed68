//! `message.data`: a map of strings, each with what may happen to it when room is short.
//!
//! The layouts fill it in the order clients' parsers know; `default_payload` goes in front and
//! gives way to what the push itself says.

use std::borrow::Cow;

use super::fit::{self, Claim, Share};
use super::write::{Members, escaped_len};
use crate::matrix::{Json, json};

/// Stands for an absent value where clients expect the key.
const NULL: &str = "null";

/// `message.data`.
#[derive(Debug, Default)]
pub(super) struct Data<'a>(Vec<Entry<'a>>);

#[derive(Debug)]
struct Entry<'a> {
    key: Cow<'a, str>,
    value: Cow<'a, str>,
    role: Role,
}

/// What may happen to a value when room is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing.
    Id,
    /// It may be left out.
    Whole,
    /// It may become `null`.
    Nullable,
    /// It may be cut or left out.
    Text,
    /// A JSON object: it may be shortened or become `null`.
    Object,
}

impl<'a> Data<'a> {
    /// Adds a value if there is one.
    pub(super) fn put<V: Into<Cow<'a, str>>>(
        &mut self,
        role: Role,
        key: &'a str,
        value: Option<V>,
    ) {
        if let Some(value) = value {
            self.push(role, key.into(), value.into());
        }
    }

    /// Adds a value.
    pub(super) fn push(&mut self, role: Role, key: Cow<'a, str>, value: Cow<'a, str>) {
        self.0.push(Entry { key, value, role });
    }

    /// Puts the members of `default_payload` in front, as strings, except those set already.
    pub(super) fn over(self, default_payload: Option<&'a Json>) -> Self {
        let Some(default_payload) = default_payload else {
            return self;
        };
        let mut set: Vec<&str> = self.0.iter().map(|entry| entry.key.as_ref()).collect();
        set.sort_unstable();
        let mut all: Vec<Entry<'a>> = default_payload
            .members()
            .into_iter()
            .filter(|(key, _)| !is_reserved(key) && set.binary_search(&key.as_ref()).is_err())
            .filter_map(|(key, value)| {
                let value = match value.get() {
                    NULL => return None,
                    other => json::text(value).unwrap_or(Cow::Borrowed(other)),
                };
                Some(Entry { key, value, role: Role::Whole })
            })
            .collect();
        all.extend(self.0);
        Self(all)
    }

    /// Makes it take at most `plain` bytes as FCM counts, and at most `escaped` as JSON members
    /// where it may go to APNs; `None` if ids alone are larger.
    pub(super) fn fit(&mut self, plain: usize, escaped: Option<usize>) -> Option<()> {
        self.shrink(plain)?;
        let Some(escaped) = escaped else {
            return Some(());
        };
        // A byte less here is a byte or more less there, so this ends soon.
        while let Some(over @ 1..) = self.escaped_size().checked_sub(escaped) {
            self.shrink(self.size().checked_sub(over)?)?;
        }
        Some(())
    }

    fn shrink(&mut self, limit: usize) -> Option<()> {
        if self.size() <= limit {
            return Some(());
        }
        let claims: Vec<Claim> = self.0.iter().map(Entry::claim).collect();
        let mut shares = fit::share(&claims, limit)?.into_iter();
        self.0.retain_mut(|entry| shares.next().is_none_or(|share| entry.take(share)));
        Some(())
    }

    /// Returns the bytes of all keys and values: what FCM limits.
    pub(super) fn size(&self) -> usize {
        self.0.iter().map(Entry::size).sum()
    }

    fn escaped_size(&self) -> usize {
        let member = |entry: &Entry<'_>| {
            r#""":"","#.len() + escaped_len(&entry.key) + escaped_len(&entry.value)
        };
        self.0.iter().map(member).sum()
    }

    /// Writes the map's members.
    pub(super) fn write(&self, members: &mut Members<'_>) {
        for entry in &self.0 {
            members.text(&entry.key, &entry.value);
        }
    }
}

impl Entry<'_> {
    fn size(&self) -> usize {
        self.key.len() + self.value.len()
    }

    fn claim(&self) -> Claim {
        let (key, value) = (self.key.len(), self.value.len());
        let (absent, fixed, soft) = match self.role {
            Role::Id | Role::Whole => (0, key + value, 0),
            Role::Nullable => (key + NULL.len(), key + value, 0),
            Role::Text => (0, key, value),
            Role::Object => (key + NULL.len(), key, value),
        };
        let optional = self.role != Role::Id;
        Claim { absent, fixed, soft, optional }
    }

    /// Takes its share; false if the entry has to go.
    fn take(&mut self, share: Share) -> bool {
        match (share, self.role) {
            (Share::Whole, _) => {}
            (Share::Cut(max), Role::Object) => {
                self.value = fit::cut_object(&self.value, max).into();
            }
            (Share::Cut(max), _) => self.value = fit::cut(&self.value, max).into(),
            (Share::Absent, Role::Nullable | Role::Object) => self.value = NULL.into(),
            (Share::Absent, _) => return false,
        }
        true
    }
}

/// Whether FCM refuses a message with this key:
/// <https://firebase.google.com/docs/cloud-messaging/error-codes>.
fn is_reserved(key: &str) -> bool {
    matches!(key, "from" | "message_type") || key.starts_with("google") || key.starts_with("gcm")
}
