//! `serve`: run until stopped.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::{Options, block_on, environment, start_log};
use crate::app::Gateway;
use crate::config::{self, Loaded, Report};
use crate::lifecycle::{self, Ended, Signals};
use crate::telemetry::{Metrics, Telemetry};

/// What an operator can ask of it.
pub(super) const AFTER_HELP: &str = "\
Signals: TERM or INT stops it once the pushes in flight are settled (a second one at once), HUP \
reads the configuration and every key file anew.

Exit codes: 0 stopped with everything settled, 1 failed while running, 78 wrong or missing \
configuration.";

/// Reads the configuration and runs the gateway.
#[must_use]
pub(super) fn run(options: &Options) -> ExitCode {
    let metrics = Metrics::new();
    let Loaded { config, warnings } = match options.load_into(&metrics) {
        Ok(loaded) => loaded,
        Err(wrong) => return wrong,
    };
    let telemetry = match start_log(&config.log, &config.metrics) {
        Ok(telemetry) => telemetry,
        Err(failed) => return failed,
    };
    warn_of(&warnings);
    let ended = block_on(serve(&options.config(), config, metrics, &telemetry));
    let code = match ended {
        Ok(Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::CutShort | Ended::Failed) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!(error, "cannot run");
            ExitCode::FAILURE
        }
    };
    telemetry.finish();
    code
}

async fn serve(
    file: &Path,
    config: config::Config,
    metrics: Arc<Metrics>,
    telemetry: &Telemetry,
) -> Result<Ended, String> {
    let signals = Signals::receive().map_err(|error| format!("cannot receive signals: {error}"))?;
    let gateway = Gateway::start(config, metrics.clone()).map_err(|error| error.to_string())?;
    for address in gateway.public_addresses() {
        tracing::info!(address, "listening for notifications");
    }
    for address in gateway.admin_addresses() {
        tracing::info!(address, "listening for health checks and metrics");
    }
    for address in gateway.prometheus_addresses() {
        tracing::info!(address, "listening for metrics");
    }
    let reload = |gateway: &Gateway| match config::load(file, &environment, &metrics) {
        Ok(Loaded { config, warnings }) => {
            telemetry.set_level(config.log.level);
            warn_of(&warnings);
            gateway.reload(config);
            metrics.reloaded("ok");
            tracing::info!("configuration and keys read anew");
            true
        }
        Err(report) => {
            metrics.reloaded("refused");
            tracing::error!(
                "the configuration stays as it was, because the new one is wrong:\n{report}"
            );
            false
        }
    };
    Ok(lifecycle::run_until_stopped(signals, gateway, reload).await)
}

fn warn_of(warnings: &Report) {
    for finding in &warnings.findings {
        let line = finding.at.map(|at| at.line);
        let (key, what) = (finding.key.join("."), finding.message());
        tracing::warn!(key, line, what, "the configuration has a flaw");
    }
}
