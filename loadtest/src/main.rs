//! The load driver's entrance; `run.sh` builds everything and calls it.

use std::process::ExitCode;

use clap::Parser as _;
use loadtest::driver::{self, Options};

fn main() -> ExitCode {
    match driver::run(&Options::parse()) {
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
