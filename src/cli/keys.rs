//! `keys`: makes the keys that an operator would otherwise need other tools for.

use std::process::ExitCode;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::{Args, Subcommand};

use super::print;

/// Characters of a PEM line: RFC 7468, section 2.
const PEM_LINE: usize = 64;

/// Which keys to make.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(subcommand)]
    keys: Keys,
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Make a VAPID key pair for web push, and print the lines to add
    #[command(
        after_help = "The whole output may be the key file: peregrine keys vapid > vapid.pem"
    )]
    Vapid,
}

/// Makes the keys and prints them.
pub(super) fn run(options: &Options) -> ExitCode {
    let made = match options.keys {
        Keys::Vapid => vapid(),
    };
    let Ok(text) = made else {
        print::err("cannot make a key: the system gives no random numbers\n");
        return ExitCode::FAILURE;
    };
    print::out(text);
    ExitCode::SUCCESS
}

/// Makes a key pair for RFC 8292: the private key as PEM (PKCS#8), the public key as clients
/// subscribe with it, and what to write into the configuration.
fn vapid() -> Result<String, Unspecified> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    let private = pem("PRIVATE KEY", pair.to_pkcs8v1()?.as_ref());
    let public = URL_SAFE_NO_PAD.encode(pair.public_key());
    Ok(format!(
        "\
{private}
# The public key, with which clients subscribe (their applicationServerKey). Once they have, stay
# with this pair: with another one they all have to subscribe anew.
{public}

# Save the private key as vapid.pem beside the configuration, for nobody else to read, and add:
apps:
  com.example.app.web:
    type: webpush
    vapid_private_key: vapid.pem
    vapid_contact_email: push@example.com
"
    ))
}

/// Wraps bytes as RFC 7468 has it.
fn pem(label: &str, der: &[u8]) -> String {
    let mut pem = format!("-----BEGIN {label}-----\n");
    for (at, character) in STANDARD.encode(der).char_indices() {
        if at > 0 && at % PEM_LINE == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem + &format!("\n-----END {label}-----\n")
}
