//! What a peer shall answer: single answers in a queue, standing ones, rules, for all or one token.
//!
//! The order of precedence is: next of this token, standing of this token, next of all, rule of
//! all, acceptance. A peer without a script costs its requests one atomic load.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::answer::Act;
use super::{Answer, Received};

type Rule = Arc<dyn Fn(&Received) -> Option<Answer> + Send + Sync>;

/// What is written for a request.
#[derive(Default)]
pub(super) struct Found {
    pub(super) answer: Option<Answer>,
    /// To be asked outside the lock if there is no answer.
    pub(super) rule: Option<Rule>,
}

#[derive(Default)]
struct Written {
    next: VecDeque<Answer>,
    rule: Option<Rule>,
    tokens: HashMap<String, (VecDeque<Answer>, Option<Answer>)>,
}

impl Written {
    fn of_token(&mut self, token: &str) -> &mut (VecDeque<Answer>, Option<Answer>) {
        self.tokens.entry(token.to_owned()).or_default()
    }
}

/// The script of one peer.
#[derive(Default)]
pub(super) struct Script {
    written: AtomicBool,
    lines: Mutex<Written>,
}

impl Script {
    fn lines(&self) -> MutexGuard<'_, Written> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, change: impl FnOnce(&mut Written)) {
        let mut lines = self.lines();
        change(&mut lines);
        let written = !lines.next.is_empty() || lines.rule.is_some() || !lines.tokens.is_empty();
        self.written.store(written, Ordering::Release);
    }

    pub(super) fn next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.write(|lines| lines.next.extend(answers));
    }

    pub(super) fn rule(&self, rule: Rule) {
        self.write(|lines| lines.rule = Some(rule));
    }

    pub(super) fn token_next(&self, token: &str, answer: Answer) {
        self.write(|lines| lines.of_token(token).0.push_back(answer));
    }

    pub(super) fn token_always(&self, token: &str, answer: Answer) {
        self.write(|lines| lines.of_token(token).1 = Some(answer));
    }

    pub(super) fn token_clear(&self, token: &str) {
        self.write(|lines| drop(lines.tokens.remove(token)));
    }

    pub(super) fn clear(&self) {
        self.write(|lines| *lines = Written::default());
    }

    /// Returns whether the next answer is to close the connection before reading, and takes it.
    pub(super) fn closes_before_reading(&self) -> bool {
        if !self.written.load(Ordering::Acquire) {
            return false;
        }
        let mut closes = false;
        self.write(|lines| {
            closes = lines.next.front().is_some_and(|next| next.act == Act::CloseBeforeReading);
            if closes {
                lines.next.pop_front();
            }
        });
        closes
    }

    /// Takes what is written for a request to `token`.
    pub(super) fn find(&self, token: &str) -> Found {
        if !self.written.load(Ordering::Acquire) {
            return Found::default();
        }
        let mut lines = self.lines();
        let of_token = lines.tokens.get_mut(token);
        let answer =
            of_token.and_then(|(next, always)| next.pop_front().or_else(|| always.clone()));
        let answer = answer.or_else(|| lines.next.pop_front());
        Found { answer, rule: lines.rule.clone() }
    }
}
