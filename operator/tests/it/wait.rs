//! Waiting for something that can be observed, with a deadline.

use std::time::Duration;

/// Generous, because other builds may have the machine; a test that passes doesn't wait for it.
const LIMIT: Duration = Duration::from_mins(1);
const PERIOD: Duration = Duration::from_millis(50);

/// Asks until there is an answer.
pub(crate) async fn try_until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let mut ticks = tokio::time::interval(PERIOD);
    tokio::time::timeout(LIMIT, async {
        loop {
            ticks.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    })
    .await
    .ok()
}
