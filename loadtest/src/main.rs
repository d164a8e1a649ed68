//! The load driver's entrance; `run.sh` builds everything and calls it.

use std::process::ExitCode;

use clap::Parser as _;
use loadtest::driver::{self, Options};

fn main() -> ExitCode {
    match driver::run(&Options::parse()) {
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
