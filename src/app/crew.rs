//! What the worker threads share, and the supervisor that each of them has of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use actix::{Actor as _, Addr};
use core_affinity::CoreId;
use tokio::time::{MissedTickBehavior, interval};

use crate::dispatch::status::{Lookout, Query, STEP, Status};
use crate::dispatch::{Adopt, CurrentPlan, Home, Memory, Plan, Supervisor};
use crate::http::{NotReady, Readiness};

/// The worker threads of one gateway.
#[derive(Debug)]
pub(super) struct Crew {
    /// The plan in force.
    pub(super) plan: CurrentPlan,
    /// What operators see.
    pub(super) lookout: Lookout,
    /// What is remembered over requests.
    pub(super) memory: Arc<Memory>,
    /// How many worker threads there are.
    pub(super) workers: usize,
    /// Whether a `unifiedpush` app is configured.
    pub(super) unifiedpush: Arc<AtomicBool>,
    cores: Vec<CoreId>,
    on_duty: Mutex<HashMap<ThreadId, Duty>>,
}

/// One worker thread at work.
#[derive(Debug)]
struct Duty {
    worker: usize,
    supervisor: Addr<Supervisor>,
}

impl Crew {
    /// Makes a crew of which nobody is on duty yet.
    pub(super) fn new(plan: Plan, home: Home, workers: usize, pin_cores: bool) -> Self {
        let memory = Arc::new(Memory::new(&plan.config, home));
        let unifiedpush = Arc::new(AtomicBool::new(has_unifiedpush(&plan)));
        let cores = pin_cores.then(core_affinity::get_core_ids).flatten().unwrap_or_default();
        let plan = CurrentPlan::new(plan);
        Self {
            plan,
            lookout: Lookout::new(workers),
            memory,
            workers,
            unifiedpush,
            cores,
            on_duty: Mutex::default(),
        }
    }

    /// Returns the supervisor of the current thread, and starts it if there is none yet: several
    /// listeners share a thread.
    pub(super) fn supervisor_here(&self) -> Addr<Supervisor> {
        let mut on_duty = self.on_duty();
        let here = thread::current().id();
        if let Some(duty) = on_duty.get(&here) {
            return duty.supervisor.clone();
        }
        // A thread that ended is replaced by a new one, which takes over its number.
        on_duty.retain(|_, duty| duty.supervisor.connected());
        let is_free = |worker: &usize| on_duty.values().all(|duty| duty.worker != *worker);
        let worker = (0..self.workers).find(is_free).unwrap_or(on_duty.len() % self.workers);
        if let Some(core) = self.cores.get(worker % self.cores.len().max(1)) {
            core_affinity::set_for_current(*core);
        }
        let supervisor = Supervisor::new(self.plan.get(), self.memory.clone(), worker).start();
        on_duty.insert(here, Duty { worker, supervisor: supervisor.clone() });
        supervisor
    }

    /// Returns the supervisor of every thread.
    pub(super) fn supervisors(&self) -> Vec<Addr<Supervisor>> {
        let on_duty = self.on_duty();
        on_duty.values().map(|it| it.supervisor.clone()).collect()
    }

    /// Puts another plan in force on every thread.
    pub(super) fn adopt(&self, plan: Plan) {
        self.unifiedpush.store(has_unifiedpush(&plan), Ordering::Relaxed);
        self.memory.adjust(&plan.config);
        // Under the lock, so that a thread that starts meanwhile sees one plan or is told of it.
        let on_duty = self.on_duty();
        let plan = self.plan.set(plan);
        for duty in on_duty.values() {
            duty.supervisor.do_send(Adopt(plan.clone()));
        }
    }

    /// Says which apps cannot deliver.
    pub(super) fn readiness(&self) -> Readiness {
        let plan = self.plan.get();
        let down = plan.lanes.iter().filter(|lane| !lane.seats.is_up());
        let reason = |app: &str| NotReady {
            app: Some(app.to_owned()),
            reason: "no provider actor is up: it is starting, or being rebuilt after its end"
                .into(),
        };
        Readiness {
            reasons: down.map(|lane| reason(&lane.app.pattern)).collect(),
            notes: self.memory.home.trouble().into_iter().collect(),
        }
    }

    /// Samples every app for the status page, for ever: all that an idle gateway does.
    pub(super) async fn look_out(&self) {
        let mut steps = interval(STEP);
        steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            steps.tick().await;
            self.lookout.sample(&self.plan.get());
        }
    }

    /// Says what is known of every app.
    pub(super) fn status(&self, query: Query) -> Status {
        self.lookout.report(&self.plan.get(), &self.memory, query)
    }

    fn on_duty(&self) -> MutexGuard<'_, HashMap<ThreadId, Duty>> {
        self.on_duty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_unifiedpush(plan: &Plan) -> bool {
    plan.lanes.iter().any(|lane| lane.app.provider == "unifiedpush")
}
