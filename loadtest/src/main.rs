//! The load driver's entrance; `run.sh` builds everything and calls it.

use std::process::ExitCode;

use clap::Parser as _;
use loadtest::driver::{self, Options, Outcome};
use loadtest::limits;

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("limits" | "bare") => limits::run(&limits::Command::parse()).map(|report| Outcome {
            text: report + "\n",
            good: true,
        }),
        _ => driver::run(&Options::parse()),
    };
    match outcome {
        Ok(outcome) => {
            print!("{}", outcome.text);
            if outcome.good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("the load test failed: {error}");
            ExitCode::FAILURE
        }
    }
}
