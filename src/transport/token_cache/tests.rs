//! Renewal: once, in time, by whoever is there.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use futures_util::future::join_all;
use futures_util::poll;
use tokio::sync::oneshot;
use tokio::time::{advance, pause, timeout};

use super::*;

type Cache = Arc<TokenCache<&'static str>>;

const LIFE: Duration = Duration::from_secs(100);
const EARLY: Duration = Duration::from_secs(20);
const STALE: Duration = Duration::from_secs(80);

/// Counts renewals; each makes a token of its number.
#[derive(Default)]
struct Issuer {
    renewals: AtomicU32,
}

impl Issuer {
    fn count(&self) -> u32 {
        self.renewals.load(Ordering::SeqCst)
    }

    fn issue(&self, life: Duration) -> Fresh {
        let number = self.renewals.fetch_add(1, Ordering::SeqCst) + 1;
        Fresh { header: header(number), valid_for: life }
    }

    fn fail(&self) {
        self.renewals.fetch_add(1, Ordering::SeqCst);
    }
}

fn header(number: u32) -> HeaderValue {
    HeaderValue::from_str(&format!("bearer {number}")).unwrap()
}

async fn good(issuer: Arc<Issuer>) -> Result<Fresh, &'static str> {
    tokio::task::yield_now().await;
    Ok(issuer.issue(LIFE))
}

async fn bad(issuer: Arc<Issuer>) -> Result<Fresh, &'static str> {
    tokio::task::yield_now().await;
    issuer.fail();
    Err("no token")
}

fn cold() -> (Cache, Arc<Issuer>) {
    (TokenCache::new(EARLY), Arc::default())
}

/// A cache whose first token is there.
async fn warm() -> (Cache, Arc<Issuer>) {
    let (cache, issuer) = cold();
    assert_eq!(cache.get(|| good(issuer.clone())).await, Ok(header(1)));
    (cache, issuer)
}

/// Lets renewals in the background come to their end.
async fn settle(cache: &Cache) {
    while cache.lock().renewing {
        tokio::task::yield_now().await;
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { timeout(Duration::from_secs(20), future).await.unwrap() })
}

#[test]
fn many_threads_renew_once() {
    let (cache, issuer) = cold();
    let together = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                together.wait();
                let all = (0..100).map(|_| cache.get(|| good(issuer.clone())));
                for token in block_on(join_all(all)) {
                    assert_eq!(token, Ok(header(1)));
                }
            });
        }
    });
    assert_eq!(issuer.count(), 1);
}

#[actix_rt::test]
async fn a_failure_is_everyones_who_waited() {
    pause();
    let (cache, issuer) = cold();
    let all = (0..100).map(|_| cache.get(|| bad(issuer.clone())));
    for token in join_all(all).await {
        assert_eq!(token, Err("no token"));
    }
    assert_eq!(issuer.count(), 1);
    assert_eq!(cache.get(|| good(issuer.clone())).await, Err("no token"));
    assert_eq!(issuer.count(), 1, "the issuer is left alone for a moment");
    advance(FAILURE_PAUSE).await;
    assert_eq!(cache.get(|| good(issuer.clone())).await, Ok(header(2)));
}

#[actix_rt::test]
async fn a_failure_is_also_for_a_waiter_that_hears_of_it_late() {
    pause();
    let (cache, issuer) = cold();
    let mut first = Box::pin(cache.get(|| bad(issuer.clone())));
    let mut second = Box::pin(cache.get(|| good(issuer.clone())));
    assert!(poll!(&mut first).is_pending());
    assert!(poll!(&mut second).is_pending());
    assert_eq!(first.await, Err("no token"));
    advance(FAILURE_PAUSE).await;
    assert_eq!(second.await, Err("no token"));
}

#[actix_rt::test]
async fn another_caller_takes_over() {
    let (cache, issuer) = cold();
    let mut first = Box::pin(cache.get(std::future::pending));
    let mut second = Box::pin(cache.get(|| good(issuer.clone())));
    let mut third = Box::pin(cache.get(|| good(issuer.clone())));
    assert!(poll!(&mut first).is_pending());
    assert!(poll!(&mut second).is_pending());
    assert!(poll!(&mut third).is_pending());
    drop(first);
    assert_eq!(second.await, Ok(header(1)));
    assert_eq!(third.await, Ok(header(1)));
    assert_eq!(issuer.count(), 1);
}

#[test]
fn another_thread_takes_over() {
    let (cache, issuer) = cold();
    let (renewing, renews) = oneshot::channel();
    let (waiting, waits) = oneshot::channel();
    let leader = thread::spawn({
        let cache = cache.clone();
        move || {
            block_on(async {
                let mut first = Box::pin(cache.get(std::future::pending));
                assert!(poll!(&mut first).is_pending());
                renewing.send(()).unwrap();
                waits.await.unwrap();
                // The thread ends with its renewal under way.
            });
        }
    });
    block_on(async {
        renews.await.unwrap();
        let mut second = Box::pin(cache.get(|| good(issuer.clone())));
        assert!(poll!(&mut second).is_pending());
        waiting.send(()).unwrap();
        assert_eq!(second.await, Ok(header(1)));
    });
    leader.join().unwrap();
}

#[actix_rt::test]
async fn a_token_is_renewed_early_in_the_background() {
    pause();
    let (cache, issuer) = warm().await;
    advance(STALE.saturating_sub(Duration::from_secs(1))).await;
    assert_eq!(cache.get(|| good(issuer.clone())).await, Ok(header(1)));
    settle(&cache).await;
    assert_eq!(issuer.count(), 1, "not yet");
    advance(Duration::from_secs(1)).await;
    for _ in 0..10 {
        let mut at_once = Box::pin(cache.get(|| good(issuer.clone())));
        assert_eq!(poll!(&mut at_once), std::task::Poll::Ready(Ok(header(1))));
    }
    settle(&cache).await;
    assert_eq!(issuer.count(), 2);
    assert_eq!(cache.get(|| good(issuer.clone())).await, Ok(header(2)));
}

#[actix_rt::test]
async fn the_old_token_outlives_failed_renewals() {
    pause();
    let (cache, issuer) = warm().await;
    advance(STALE).await;
    // Now, again after the pause of 15 s, and not within it.
    for (wait, renewals) in [(0, 2), (14, 2), (1, 3), (4, 3)] {
        advance(Duration::from_secs(wait)).await;
        assert_eq!(cache.get(|| bad(issuer.clone())).await, Ok(header(1)));
        settle(&cache).await;
        assert_eq!(issuer.count(), renewals);
    }
    advance(Duration::from_secs(1)).await;
    assert_eq!(cache.get(|| bad(issuer.clone())).await, Err("no token"));
    advance(FAILURE_PAUSE).await;
    assert_eq!(cache.get(|| good(issuer.clone())).await, Ok(header(5)));
}

#[actix_rt::test]
async fn a_refused_token_is_forgotten_once() {
    let (cache, issuer) = warm().await;
    cache.refused(&header(7));
    assert_eq!(cache.get(|| good(issuer.clone())).await, Ok(header(1)));
    cache.refused(&header(1));
    assert_eq!(cache.expires(), None);
    assert_eq!(cache.get(|| good(issuer.clone())).await, Ok(header(2)));
    cache.refused(&header(1));
    assert_eq!(cache.get(|| good(issuer.clone())).await, Ok(header(2)));
}

#[actix_rt::test]
async fn odd_lives_are_lived() {
    pause();
    let rows = [
        (Duration::from_secs(10), Duration::from_secs(10)),
        (Duration::ZERO, Duration::ZERO),
        (Duration::MAX, LONGEST_LIFE),
    ];
    for (says, lives) in rows {
        let (cache, issuer) = cold();
        let issue = || {
            let fresh = issuer.issue(says);
            async { Ok(fresh) }
        };
        assert_eq!(cache.expires(), None);
        assert_eq!(cache.get(issue).await, Ok(header(1)));
        let from_now = cache.expires().unwrap().duration_since(SystemTime::now());
        assert!(from_now.is_err() || from_now.is_ok_and(|it| it <= lives));
        // Shorter than `early` as it may be, it is not renewed before half its time.
        let second = u32::from(lives.is_zero()) + 1;
        assert_eq!(cache.get(issue).await, Ok(header(second)));
        advance((lives / 2).saturating_sub(Duration::from_millis(1))).await;
        cache.get(issue).await.unwrap();
        settle(&cache).await;
        assert!(lives.is_zero() || issuer.count() == 1, "{says:?}");
    }
}

#[actix_rt::test]
async fn tokens_are_not_shown() {
    let (cache, issuer) = warm().await;
    let shown = format!("{cache:?} {:?}", issuer.issue(LIFE));
    assert!(!shown.contains("bearer"), "{shown}");
}
