//! The two halves of a gateway without a gateway between them, as programs of their own: the
//! kernel then tells their CPU time apart from everyone else's.

mod accept;
mod recipe;
mod seal;
mod send;

use std::io;

use clap::Parser;

pub(super) use recipe::Recipe;
use recipe::Subscriber;

/// One half of a gateway.
#[derive(Debug, Clone, Copy, Parser)]
#[command(name = "bare")]
pub enum Half {
    /// Takes notifications on a free port, which it says on standard error, and answers at once.
    Accept,
    /// Sends requests without an end, as the recipe on standard input says.
    Send,
}

/// Runs one half until the process is killed.
///
/// # Errors
///
/// Returns an error if there is no port, no recipe or no connection.
pub fn run(half: Half) -> io::Result<()> {
    match half {
        Half::Accept => actix_web::rt::System::new().block_on(accept::run()),
        Half::Send => {
            let recipe = Recipe::read(io::stdin().lock())?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            tokio::task::LocalSet::new().block_on(&runtime, send::run(recipe))
        }
    }
}
