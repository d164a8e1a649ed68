//! The load driver's entrance; `run.sh` builds everything and calls it.

use std::process::ExitCode;

use clap::Parser as _;
use loadtest::{driver, limits};

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("limits" | "bare") => limits::run(&limits::Command::parse()),
        _ => driver::run(&driver::Options::parse()),
    };
    match outcome {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("the load test failed: {error}");
            ExitCode::FAILURE
        }
    }
}
