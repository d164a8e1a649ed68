//! What the configuration asks of this floor: routes, lanes, and how hard to try.

use std::sync::{Arc, PoisonError, RwLock};

use super::config::Config;
use super::lane::Lane;
use super::routes::Routes;
use crate::providers::App;
use crate::telemetry::logs::Seldom;

/// Routes and lanes of one configuration, shared by all worker threads.
#[derive(Debug)]
pub struct Plan {
    /// From app_id to the index of a lane.
    pub routes: Routes,
    /// One lane for each app.
    pub lanes: Vec<Arc<Lane>>,
    /// How hard to try.
    pub config: Config,
    /// When the log told of an app_id that no app has.
    pub unknown_app_ids: Seldom,
}

impl Plan {
    /// Lays out lanes for `apps` over `workers` threads. Apps that are the same in `before` keep
    /// their lane, and with it their connections and what is known of their provider; how hard to
    /// try is the new configuration's for all.
    pub fn new(config: Config, apps: Vec<App>, workers: usize, before: Option<&Self>) -> Self {
        let routes = Routes::new(apps.iter().map(|app| app.pattern.as_str()));
        let kept = |app: &App| {
            let lanes = &before?.lanes;
            lanes.iter().find(|lane| lane.app.is_same_as(app)).cloned()
        };
        let lanes = apps.into_iter().enumerate().map(|(turn, app)| {
            if let Some(lane) = kept(&app) {
                lane.adjust(&config);
                return lane;
            }
            let changed = before.and_then(|before| {
                let mut lanes = before.lanes.iter();
                lanes.find(|lane| lane.app.pattern == app.pattern)
            });
            let lane = Lane::new(app, &config, workers, turn);
            Arc::new(match changed {
                Some(before) => lane.with_record_of(before),
                None => lane,
            })
        });
        Self { routes, lanes: lanes.collect(), config, unknown_app_ids: Seldom::default() }
    }

    /// Returns the lane with this name.
    pub fn lane(&self, id: u64) -> Option<&Arc<Lane>> {
        self.lanes.iter().find(|lane| lane.id() == id)
    }
}

/// The plan in force: swapped whole by a reload.
#[derive(Debug)]
pub struct CurrentPlan(RwLock<Arc<Plan>>);

impl CurrentPlan {
    /// Starts with `plan`.
    pub fn new(plan: Plan) -> Self {
        Self(RwLock::new(Arc::new(plan)))
    }

    /// Returns the plan in force.
    pub fn get(&self) -> Arc<Plan> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another plan in force. Returns it.
    pub fn set(&self, plan: Plan) -> Arc<Plan> {
        let plan = Arc::new(plan);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = plan.clone();
        plan
    }
}
