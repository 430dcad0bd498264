//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Look until the condition holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds().await {
        assert!(
            Instant::now() < deadline,
            "within {DEADLINE:?} this didn't become true: {what}"
        );
        tokio::time::sleep(PAUSE).await;
    }
}

/// As [`until`], for threads that have no runtime.
pub(crate) fn until_blocking(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(
            Instant::now() < deadline,
            "within {DEADLINE:?} this didn't become true: {what}"
        );
        std::thread::sleep(PAUSE);
    }
}
