//! What exists once in the whole process for each credential, because the vendor counts: tokens
//! that must not be renewed too often, whatever apps, threads and reloads share them.
//!
//! A credential that no app uses any more takes its tokens along.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Every `T` in use, each under what makes two of them the same.
pub(super) struct InUse<K, T>(Mutex<Vec<(K, Weak<T>)>>);

impl<K: PartialEq, T> InUse<K, T> {
    /// Makes one that holds nothing.
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Returns the one that is in use under `identity`, else the one that `make` makes.
    ///
    /// # Errors
    ///
    /// Returns the error of `make`.
    pub(super) fn shared<E>(
        &self,
        identity: K,
        make: impl FnOnce() -> Result<Arc<T>, E>,
    ) -> Result<Arc<T>, E> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, it)| it.strong_count() > 0);
        let known = all.iter().find(|(known, _)| *known == identity);
        if let Some(it) = known.and_then(|(_, it)| it.upgrade()) {
            return Ok(it);
        }
        let it = make()?;
        all.push((identity, Arc::downgrade(&it)));
        Ok(it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_for_each_identity_while_somebody_uses_it() {
        let all = InUse::new();
        let make = |value: u8| move || Ok::<_, ()>(Arc::new(value));
        let one = all.shared("one", make(1)).unwrap();
        assert_eq!(*all.shared("other", make(2)).unwrap(), 2);
        let again = all.shared("one", make(3)).unwrap();
        assert!(Arc::ptr_eq(&one, &again));
        drop((one, again));
        assert_eq!(*all.shared("one", make(4)).unwrap(), 4);
    }

    #[test]
    fn what_cannot_be_made_is_not_kept() {
        let all = InUse::new();
        assert_eq!(all.shared("one", || Err("broken")), Err("broken"));
        assert_eq!(all.shared("one", || Ok::<_, ()>(Arc::new(1))), Ok(Arc::new(1)));
    }
}
