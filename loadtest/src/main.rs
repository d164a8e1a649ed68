//! The load driver's entrance; `run.sh` builds everything and calls it.

use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use loadtest::driver::{self, Options, bare};

fn main() -> ExitCode {
    match run() {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("the load test failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<ExitCode> {
    // What `limits` starts for itself.
    if std::env::args().nth(1).as_deref() == Some("bare") {
        bare::run(bare::Half::parse_from(std::env::args().skip(1)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let outcome = driver::run(&Options::parse())?;
    print!("{}", outcome.text);
    Ok(if outcome.good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
