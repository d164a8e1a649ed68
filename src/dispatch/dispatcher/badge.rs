//! Badge-only pushes: one that must wait is answered at once, and the latest is sent later.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::address::lane_of;
use super::admission::{asked, refused};
use super::{Dispatcher, SOON};
use crate::dispatch::badges::{Placed, Turn};
use crate::dispatch::delivery::Walk;
use crate::dispatch::ending::{Ending, Fate};
use crate::dispatch::state::{Question, Refusal};
use crate::dispatch::table::Key;
use crate::dispatch::verdict::Settlement;

impl Dispatcher {
    /// A badge-only push: one that must wait is answered at once, and the latest is sent later.
    pub(super) async fn badge(self: &Rc<Self>, walk: Walk) -> Ending {
        const COALESCED: Ending = Ending::at_once(Settlement::Done, Fate::Coalesced, "");
        let (memory, metrics) = (&self.memory, &walk.lane.app.metrics);
        let coalesce = Duration::from_millis(walk.plan.config.badge_coalesce_ms);
        if memory.badges.replace(walk.device, &walk.push) {
            return COALESCED;
        }
        let wait = if coalesce.is_zero() {
            match self.admit(asked(&walk, None), walk.began).await {
                Ok(()) => return self.deliver_badge(&walk).await,
                Err(Refusal::RateLimited { retry_after }) => {
                    metrics.rate_limited();
                    retry_after
                }
                Err(refusal) => return refused(&walk, refusal),
            }
        } else {
            coalesce
        };
        match memory.badges.place(walk.device, walk.push) {
            Placed::Replaced => {}
            Placed::First(turn) => {
                // Counted before the answer is given, so that a drain does not miss it.
                let promise = memory.begin_later();
                let later = self.clone().badge_later(turn, walk.device, wait);
                actix_rt::spawn(async move {
                    later.await;
                    drop(promise);
                });
            }
            Placed::Full => {
                metrics.shed("in_flight");
                return Ending::shed(SOON, "in_flight");
            }
        }
        COALESCED
    }

    /// Waits until the limit allows a push, and sends the latest that came meanwhile. What was
    /// promised is kept in a shutdown too, limit or not.
    async fn badge_later(self: Rc<Self>, turn: Turn, device: Key, mut wait: Duration) {
        let memory = &self.memory;
        while !memory.sleep_unless_draining(wait).await && turn.is_needed() {
            let plan = self.plan();
            let push = Question {
                device,
                pushkey_ts: None,
                event: None,
                config: &plan.config,
                deadline: Instant::now(),
            };
            match self.admit(push, Instant::now()).await {
                Ok(()) => break,
                Err(Refusal::RateLimited { retry_after }) => wait = retry_after,
                // Dead by now: nobody is to hear of it any more.
                Err(_) => return,
            }
        }
        let Some(push) = turn.take() else {
            return;
        };
        // The app may have another lane by now, or none.
        let plan = self.plan();
        if let Ok(lane) = lane_of(&plan, push.device()) {
            let began = Instant::now();
            let walk = Walk {
                lane: lane.clone(),
                began,
                deadline: began + plan.config.deadline(),
                plan: plan.clone(),
                push,
                device,
            };
            let ending = self.deliver_badge(&walk).await;
            self.note(Some(lane), walk.push.device(), Some(device), &ending, began);
        }
    }

    async fn deliver_badge(&self, walk: &Walk) -> Ending {
        let ending = self.deliver(walk).await;
        self.tell(asked(walk, None), &ending).await;
        ending
    }
}
