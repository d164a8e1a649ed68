//! The status page in a real browser: it shows what happens, asks nobody else, and fits.
//!
//! `PEREGRINE_PICTURE=docs/images/status.png cargo test --test gateway picture` takes the README's
//! picture anew, which needs the five minutes that the plots show.

mod browser;
mod lively;

use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::helpers::{Setup, event, until};
use crate::puppet::Puppet;
use browser::Browser;
use lively::Lively;

/// The figure of all pushes in the page.
const TOTAL: &str = "[...document.querySelectorAll('#answers dd')].reduce((n, it) => n + Number(it.textContent.replace(/,/g, '')), 0)";

#[tokio::test]
async fn shows_what_happens_and_goes_on_showing_it() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let puppet = Puppet::new();
    let gateway = Setup::new()
        .section("delivery: {retry: {max_attempts: 1}, circuit_breaker: {failures: 3, open_seconds: 50}}")
        .app("org.example.quiet", "type: log")
        .app("'<img src=x onerror=alert(1)>'".trim_matches('\''), "type: log")
        .own(puppet.app("org.example.app", json!({}), false))
        .start();
    let origin = format!("http://{}/", gateway.admin);
    browser.resize(1280, 900, 1.0).await;
    browser.open(&origin).await;
    browser.until("document.querySelector('#live-word').textContent === 'live'").await;
    browser.until("document.querySelectorAll('.app').length === 3").await;
    browser.until("document.querySelector('#word').textContent === 'All 3 apps deliver'").await;
    assert_eq!(browser.run("return document.querySelectorAll('.app img').length").await, 0);

    // It goes on by itself.
    gateway.notify(&event("org.example.app", "a-phone", "$1")).await.assert_rejects(&[]);
    browser.until(&format!("{TOTAL} === 1")).await;
    gateway.notify(&event("org.example.app", "a-phone", "$2")).await.assert_rejects(&[]);
    browser.until(&format!("{TOTAL} === 2")).await;

    // A phone that got nothing: the pushkey is hashed in the browser.
    let dead = "rejected-\u{fc}ber";
    gateway.notify(&event("org.example.app", dead, "$1")).await.assert_rejects(&[dead]);
    type_into(&browser, "#pushkey", dead).await;
    browser.until("document.querySelectorAll('#recent tbody tr').length === 1").await;
    browser.until("document.querySelector('#answer').textContent.startsWith('Rejected ')").await;
    type_into(&browser, "#pushkey", "never-heard-of").await;
    browser
        .until("document.querySelector('#answer').textContent.startsWith('Nothing was heard')")
        .await;
    browser.run("document.querySelector('#clear').click()").await;
    browser.until("document.querySelectorAll('#recent tbody tr').length === 3").await;

    // An outage is seen at once.
    for number in 0..3 {
        let body = event("org.example.app", &format!("failed-{number}"), "$1");
        gateway.notify(&body).await.assert_error(502, "M_UNKNOWN");
    }
    browser
        .until("document.querySelector('#word').textContent === 'One app needs attention'")
        .await;
    browser
        .until("document.querySelector('#attention').textContent.includes('circuit open')")
        .await;
    browser
        .until("document.querySelector('#errors tbody').textContent.includes('unavailable')")
        .await;
    browser.until("document.title === '(1) peregrine'").await;

    // Nothing was wrong in the console, and nobody else was asked; no pushkey left the browser.
    let console = browser.log("browser").await;
    assert!(console.is_empty(), "{console:?}");
    let asked = asked(&browser).await;
    assert!(asked.len() > 5, "{asked:?}");
    for url in asked {
        assert!(url.starts_with(&origin), "{url}");
        assert!(!url.contains("rejected-") && !url.contains("never"), "{url}");
    }
    // Plots are drawn, not only placed.
    let ink = "const c = document.querySelector('#all-plot canvas'); \
               const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; \
               return d.some((v, i) => i % 4 === 3 && v > 0)";
    assert_eq!(browser.run(ink).await, true);

    drop(gateway);
    browser
        .until("document.querySelector('#live-word').textContent.startsWith('disconnected')")
        .await;
    browser.until("document.body.classList.contains('lost')").await;
}

#[tokio::test]
async fn fits_phones_and_the_night_and_fifty_apps() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let mut setup = Setup::new();
    for number in 0..50 {
        let long = "very-long-name.".repeat(if number == 7 { 12 } else { 0 });
        setup = setup.app(&format!("org.example.{long}app{number}"), "type: log");
    }
    let gateway = setup.start();
    for number in 0..50 {
        let body = event(&format!("org.example.app{number}"), "phone", "$1");
        gateway.notify(&body).await;
    }
    browser.resize(390, 844, 2.0).await;
    browser.prefer("light").await;
    browser.open(&format!("http://{}/", gateway.admin)).await;
    browser.until("document.querySelectorAll('.app').length === 50").await;
    let paper = "return getComputedStyle(document.body).backgroundColor";
    let light = browser.run(paper).await;
    browser.prefer("dark").await;
    assert_ne!(browser.run(paper).await, light);
    for width in [320, 390, 768, 1280, 1920] {
        browser.resize(width, 844, 1.0).await;
        let over = "return document.documentElement.scrollWidth - innerWidth";
        let over = browser.run(over).await.as_i64().unwrap();
        assert!(over <= 0, "{over} pixels too wide at {width}");
    }
    // One of fifty is found by its name, whatever else is shown.
    type_into(&browser, "#find", "APP42").await;
    browser.until("document.querySelectorAll('.app:not(.hidden)').length === 1").await;
    browser.run("document.querySelector('[data-which=look]').click()").await;
    browser.until("document.querySelectorAll('.app:not(.hidden)').length === 0").await;
    browser.until("!document.querySelector('#no-apps').classList.contains('hidden')").await;
    let console = browser.log("browser").await;
    assert!(console.is_empty(), "{console:?}");
}

/// Takes pictures of a lively gateway: by day, by night, on a phone.
#[tokio::test]
async fn picture() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let wanted = env::var_os("PEREGRINE_PICTURE").map(PathBuf::from);
    // The plots show five minutes.
    let long = Duration::from_secs(if wanted.is_some() { 310 } else { 3 });
    let lively = Lively::start();
    browser.resize(1280, 880, 1.25).await;
    browser.prefer("light").await;
    browser.open(&format!("http://{}/", lively.gateway.admin)).await;
    let begun = Instant::now();
    lively.go_on_until(begun + long * 2 / 3).await;
    lively.lose_the_partner();
    lively.go_on_until(begun + long).await;
    let circuit = "document.querySelector('#attention').textContent.includes('circuit open')";
    until("the circuit opens", async || {
        lively.go_on_until(Instant::now() + Duration::from_secs(1)).await;
        (browser.run(&format!("return {circuit}")).await == true).then_some(())
    })
    .await;
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let take = async |file: &str| {
        lively.go_on_until(Instant::now() + Duration::from_millis(1200)).await;
        let picture = browser.picture().await;
        fs::write(folder.join(file), &picture).unwrap();
        assert!(picture.len() > 20_000, "{file} is empty");
        picture
    };
    let light = take("status.png").await;
    browser.prefer("dark").await;
    sleep(Duration::from_millis(100)).await;
    assert_ne!(take("status-dark.png").await, light);
    browser.resize(390, 2600, 2.0).await;
    take("status-phone.png").await;
    browser.prefer("light").await;
    browser.resize(1280, 3400, 1.0).await;
    take("status-whole.png").await;
    if let Some(file) = wanted {
        fs::write(file, light).unwrap();
    }
    let console = browser.log("browser").await;
    assert!(console.is_empty(), "{console:?}");
}

/// Types a text into a field, as if at once.
async fn type_into(browser: &Browser, field: &str, text: &str) {
    let (field, text) = (json!(field), json!(text));
    let script = format!(
        "const field = document.querySelector({field}); field.value = {text}; \
         field.dispatchEvent(new Event('input', {{ bubbles: true }}))"
    );
    browser.run(&script).await;
}

/// Returns every address that the browser asked since it was last looked.
async fn asked(browser: &Browser) -> Vec<String> {
    let log = browser.log("performance").await;
    let messages = log.iter().filter_map(|line| line["message"].as_str());
    let messages = messages.map(|it| serde_json::from_str::<Value>(it).unwrap()["message"].take());
    messages
        .filter(|it| it["method"] == "Network.requestWillBeSent")
        .filter_map(|it| it["params"]["request"]["url"].as_str().map(str::to_owned))
        // What stands in the page itself, and the browser's own pages before it.
        .filter(|url| !url.starts_with("data:") && !url.starts_with("chrome"))
        .collect()
}
