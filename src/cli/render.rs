//! `render`: what would be sent for a notification, device by device; sends nothing.

use std::fmt;
use std::io::{self, IsTerminal as _, Read as _};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::print::{self, Colour, FormatOption, Indented, Painted};
use super::push::{Came, Route};
use crate::config::Config;
use crate::dispatch::config::UnknownAppId;
use crate::dispatch::routes::Routes;
use crate::http::Answer;
use crate::matrix::{Device, NotifyRequest};
use crate::providers::{Cause, Outcome, Preview, Push};

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Example: peregrine render < body.json

Exit codes: 0 rendered, 1 the gateway would refuse the body, 78 wrong or missing configuration.";

/// How to render.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    format: FormatOption,
}

/// Reads a notification and shows what it would become.
pub(super) fn run(options: &super::Options, render: &Options) -> ExitCode {
    let config = match options.load() {
        Ok(loaded) => loaded.config,
        Err(wrong) => return wrong,
    };
    let body = match read(config.http.max_body_bytes) {
        Ok(body) => body,
        Err(error) => {
            print::err(format_args!("cannot read standard input: {error}\n"));
            return ExitCode::FAILURE;
        }
    };
    match Answer::or_request(body.into(), config.http.max_body_bytes) {
        Ok(request) => {
            let request = Arc::new(request);
            render.format.result(&Rendered::new(&request, &config));
            ExitCode::SUCCESS
        }
        Err(answer) => {
            let refused = Refused { valid: false, answer };
            print::err("the gateway would refuse this request\n");
            render.format.result(&refused);
            ExitCode::FAILURE
        }
    }
}

/// Reads standard input, no further than to see that it is too large.
fn read(max_body_bytes: usize) -> io::Result<Vec<u8>> {
    if io::stdin().is_terminal() {
        print::err(
            "reading the body of a /notify request from standard input, to its end (Ctrl-D)\n",
        );
    }
    let mut body = Vec::new();
    let most = u64::try_from(max_body_bytes).unwrap_or(u64::MAX);
    io::stdin().lock().take(most.saturating_add(1)).read_to_end(&mut body)?;
    Ok(body)
}

/// A request that is refused.
#[derive(Serialize)]
struct Refused {
    valid: bool,
    answer: Answer,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.answer.status, self.answer.body)
    }
}

/// What a request would become.
#[derive(Serialize)]
struct Rendered<'a> {
    valid: bool,
    /// Optional fields whose value has the wrong type.
    ignored_fields: Vec<&'static str>,
    devices: Vec<Rendering<'a>>,
}

/// What one device would be sent.
#[derive(Serialize)]
struct Rendering<'a> {
    app_id: &'a str,
    pushkey: &'a str,
    route: Route<'a>,
    /// The request to the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Preview>,
    /// What comes of it where there is no request.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Came>,
    /// The index of the device that is the same one.
    #[serde(skip_serializing_if = "Option::is_none")]
    same_as: Option<usize>,
}

impl<'a> Rendered<'a> {
    fn new(request: &'a Arc<NotifyRequest>, config: &'a Config) -> Self {
        let routes = Routes::new(config.apps.iter().map(|app| app.pattern.as_str()));
        let pushes = (0..).map_while(|device| Push::new(request.clone(), device));
        let devices = request.devices.iter().zip(pushes).enumerate();
        let device = |(index, (device, push)): (usize, (&'a Device, Push))| {
            let is_same = |other: &Device| {
                (&other.app_id, &other.pushkey) == (&device.app_id, &device.pushkey)
            };
            let same_as = request.devices[..index].iter().position(is_same);
            Rendering::new(&push, device, &routes, config, same_as)
        };
        Self {
            valid: true,
            ignored_fields: request.ignored.iter().map(|field| field.0).collect(),
            devices: devices.map(device).collect(),
        }
    }
}

impl<'a> Rendering<'a> {
    fn new(
        push: &Push,
        device: &'a Device,
        routes: &Routes,
        config: &'a Config,
        same_as: Option<usize>,
    ) -> Self {
        let (route, app) = Route::find(&device.app_id, routes, config);
        let preview = match app {
            _ if same_as.is_some() => Ok(None),
            _ if device.has_oversized_app_id() => Err(rejected("oversized_app_id")),
            Some(_) if device.has_impossible_pushkey() => Err(rejected("undecodable_pushkey")),
            Some(app) => config.apps[app].preview(push),
            None => Err(match config.delivery.unknown_app_id {
                UnknownAppId::Reject => rejected("unknown_app_id"),
                UnknownAppId::Error => Outcome::operator("unknown_app_id"),
            }),
        };
        Self {
            app_id: &device.app_id,
            pushkey: &device.pushkey,
            route,
            result: preview.as_ref().err().map(Came::of),
            request: preview.ok().flatten(),
            same_as,
        }
    }
}

fn rejected(reason: &'static str) -> Outcome {
    Outcome::Rejected(Cause::local(reason))
}

impl fmt::Display for Rendered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.ignored_fields.is_empty() {
            let fields = self.ignored_fields.join(", ");
            writeln!(f, "ignored, for values of the wrong type: {fields}\n")?;
        }
        for (index, device) in self.devices.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let title = format!("device {}: {}", index + 1, device.app_id);
            writeln!(f, "{}", Painted(Colour::Head, title))?;
            write!(f, "{device}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Rendering<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "pushkey {}", self.pushkey)?;
        writeln!(f, "route   {}", self.route)?;
        if let Some(same) = self.same_as {
            return writeln!(f, "The same device as number {}: one push.", same + 1);
        }
        if let Some(result) = &self.result {
            return writeln!(f, "No request: {result}.");
        }
        let Some(request) = &self.request else {
            return writeln!(f, "No request: this type of app sends none.");
        };
        writeln!(f, "\n{} {}", request.method, request.url)?;
        for (name, value) in &request.headers {
            writeln!(f, "{name}: {value}")?;
        }
        let encrypted = if request.encrypted { ", encrypted; what it holds:" } else { ":" };
        writeln!(f, "\n{} bytes{encrypted}\n{}", request.size, Indented(request.body.get()))?;
        if let Some(limit) = &request.limit {
            let (of, bytes, most) = (limit.of, limit.bytes, limit.most);
            writeln!(f, "\n{of}: {bytes} of {most} bytes")?;
        }
        for value in &request.truncated {
            match value.kept {
                Some(kept) => {
                    writeln!(f, "cut: {} from {} to {kept} bytes", value.member, value.bytes)?;
                }
                None => writeln!(f, "left out: {} ({} bytes)", value.member, value.bytes)?,
            }
        }
        Ok(())
    }
}
