//! One attempt: a push in the hands of a provider actor, and the watch over that actor.
//!
//! An actor that panics tells of its end. One that merely stops moving tells nobody, so those who
//! wait for it look: it begins no push though theirs lies in its mailbox, or it answered nobody up
//! to their deadline and beyond. Such an actor is wedged; it is given up and built anew.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::lane::Lane;
use super::seats::HandedOver;
use crate::providers::{Cause, Outcome, Push};

/// How long an actor may begin no push at all while one waits for it. Beginning one takes
/// microseconds; a provider's time to answer does not count here.
const TO_BEGIN: Duration = Duration::from_secs(5);

/// How long an actor may take to say that the deadline passed.
const TO_ANSWER: Duration = Duration::from_millis(500);

/// Time for a second look: when a thread stood still, its timers fire before its actors run.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// Makes one attempt from `now` on. It ends at the deadline, or soon after.
pub async fn attempt(
    lane: &Lane,
    worker: usize,
    push: &Push,
    now: Instant,
    deadline: Instant,
) -> Outcome {
    let Some(HandedOver { reply, seat, pulse, number, done }) =
        lane.seats.hand_over(worker, push, deadline)
    else {
        return Outcome::backoff(Cause::local("actor_down"));
    };
    let mut reply = pin!(async {
        // The actor ended before it began: the push lay in its mailbox.
        let down = |_| Outcome::backoff(Cause::local("actor_down"));
        reply.await.unwrap_or_else(down)
    });

    let mut begun = pulse.begun();
    let mut look = now + TO_BEGIN;
    while look + SECOND_LOOK < deadline {
        if let Ok(outcome) = timeout_at(look, &mut reply).await {
            return outcome;
        }
        if pulse.begun() >= number {
            break;
        }
        if pulse.begun() == begun {
            if let Ok(outcome) = timeout(SECOND_LOOK, &mut reply).await {
                return outcome;
            }
            if pulse.begun() == begun {
                lane.seats.give_up(seat);
                return Outcome::backoff(Cause::local("wedged"));
            }
        }
        begun = pulse.begun();
        look = Instant::now() + TO_BEGIN;
    }
    if let Ok(outcome) = timeout_at(deadline, &mut reply).await {
        return outcome;
    }
    for wait in [TO_ANSWER, SECOND_LOOK] {
        if let Ok(outcome) = timeout(wait, &mut reply).await {
            return outcome;
        }
    }
    // If it answered others meanwhile, it is this push that hangs, not the actor.
    if pulse.done() == done {
        lane.seats.give_up(seat);
    }
    Outcome::backoff(Cause::local("wedged"))
}

#[cfg(test)]
mod tests;
