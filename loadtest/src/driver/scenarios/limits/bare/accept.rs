//! The first half: actix-web on one worker, which reads the body and answers as if all devices
//! were settled.

use std::io::{self, Write as _};
use std::time::Duration;

use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};
use bytes::Bytes;

/// Takes notifications until the process is killed.
///
/// # Errors
///
/// Returns an error if there is no port.
pub(super) async fn run() -> io::Result<()> {
    // Set up as the gateway sets it up.
    let server = HttpServer::new(|| {
        App::new().route("/_matrix/push/v1/notify", web::post().to(answer_at_once))
    })
    .workers(1)
    .tcp_nodelay(true)
    .keep_alive(Duration::from_secs(130))
    .disable_signals()
    .bind(("127.0.0.1", 0))?;
    for address in server.addrs() {
        writeln!(io::stderr(), "{address}")?;
    }
    server.run().await
}

async fn answer_at_once(body: Bytes) -> HttpResponse {
    std::hint::black_box(body);
    HttpResponse::Ok().content_type(ContentType::json()).body(r#"{"rejected":[]}"#)
}
