//! Where the tables live: what `redis_url` may be.

use peregrine::dispatch::Home;

use crate::Folder;

fn with_state(state: &str) -> Folder {
    Folder::with(format!("apps: {{a: {{type: log}}}}\nstate:\n{state}"))
}

/// Asserts that the first error is this, on this line.
#[track_caller]
fn assert_refused(state: &str, line: usize, start: &str) {
    let report = with_state(state).load(&[]).unwrap_err();
    let [finding] = &report.findings[..] else {
        panic!("one mistake is told once: {report}");
    };
    assert_eq!(finding.at.map(|at| at.line), Some(line), "{report}");
    assert!(finding.message().starts_with(start), "{report}");
    assert!(!report.to_string().contains("hunter2"), "{report}");
}

#[test]
fn memory_needs_nothing() {
    let loaded = with_state("  backend: memory").load(&[]).unwrap();
    assert!(matches!(loaded.config.home, Home::Memory));
    assert!(loaded.warnings.findings.is_empty());
    let idle = with_state("  redis_url: redis://h").load(&[]).unwrap();
    let [warning] = &idle.warnings.findings[..] else {
        panic!("{}", idle.warnings);
    };
    let text = warning.message();
    assert!(text.starts_with("state.backend: is memory, so `redis_url` has no effect"), "{text}");
}

#[cfg(not(feature = "redis"))]
#[test]
fn a_build_without_redis_says_so() {
    let state = "  redis_url: redis://h\n  backend: redis";
    assert_refused(state, 4, "state.backend: `redis` is not in this build; ");
}

#[cfg(feature = "redis")]
mod redis {
    use std::fs;

    use super::*;

    #[test]
    fn a_url_of_redis_is_needed() {
        let is_missing = "state.redis_url: is missing, and `state.backend` is redis; write redis:";
        assert_refused("  backend: redis", 2, is_missing);
        for (url, what) in [
            ("hunter2", "is no URL; "),
            ("https://:hunter2@h/0", "is no URL of Redis; "),
            ("redis:///0", "names no host; "),
            ("redis://u:hunter2@h:port", "is no URL; "),
            ("redis://u:hunter2@h/zero", "has a database that is no number; "),
            ("redis://u:hunter2@h/-1", "has a database that is no number; "),
            ("redis://u:hunter2@h/0?ssl=1", "has something after the database "),
            ("rediss://u:hunter2@h/0#insecure", "has something after the database "),
            ("redis://u:%ff@h", "has credentials that are not UTF-8; "),
        ] {
            let state = format!("  backend: redis\n  redis_url: '{url}'");
            assert_refused(&state, 4, &format!("state.redis_url: {what}"));
        }
    }

    #[test]
    fn urls_that_are_good() {
        for url in [
            "redis://h",
            "redis://h:1234/3",
            "rediss://redis.example.org/",
            "redis://user:p%40ss@[::1]:6379/0",
            "redis://:password@10.0.0.1",
        ] {
            let state = format!("  backend: redis\n  redis_url: '{url}'");
            let loaded = with_state(&state).load(&[]).unwrap();
            assert!(matches!(loaded.config.home, Home::Redis(_)), "{url}");
            let shown = format!("{:?}", loaded.config);
            assert!(!shown.contains("p@ss") && !shown.contains("password"), "{shown}");
        }
    }

    #[test]
    fn a_url_in_a_file() {
        let folder = with_state("  backend: redis\n  redis_url_file: url");
        let report = folder.load(&[]).unwrap_err().to_string();
        assert!(report.contains("state.redis_url_file: cannot read "), "{report}");
        fs::write(folder.path().join("url"), "nonsense\n").unwrap();
        let report = folder.load(&[]).unwrap_err().to_string();
        assert!(report.contains("state.redis_url_file: is no URL"), "{report}");
        fs::write(folder.path().join("url"), "redis://h\n").unwrap();
        let home = || folder.load(&[]).unwrap().config.home;
        let before = home();
        assert!(before.is_same_as(&home()));
        fs::write(folder.path().join("url"), "redis://other\n").unwrap();
        assert!(!before.is_same_as(&home()));
        assert!(!before.is_same_as(&Home::Memory));
    }

    #[test]
    fn a_limit_for_answers() {
        let state = "  backend: redis\n  redis_url: redis://h\n  redis_timeout_ms: 0";
        assert_refused(state, 5, "state.redis_timeout_ms: cannot be `0`");
    }
}
