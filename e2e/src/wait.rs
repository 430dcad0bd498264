//! Waiting: looks at the world again and again until it is as wanted, and says what was seen last when the time is
//! over. What is looked at is the caller's business.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

/// Short against everything that is waited for here, long against the cost of one look.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// What one look says.
#[derive(Debug)]
pub enum Seen<T> {
    /// It is as wanted.
    Done(T),
    /// It is not; this is how it is, in one line.
    NotYet(String),
}

impl Seen<()> {
    /// `Done` if `holds`, otherwise what `state` says.
    pub fn when(holds: bool, state: impl FnOnce() -> String) -> Self {
        if holds {
            Self::Done(())
        } else {
            Self::NotYet(state())
        }
    }
}

/// Looks until it is as wanted. An error of `look` counts as "not yet": what is waited for is often the end of errors.
pub async fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Seen<T>>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    let mut last = String::from("nothing, the first look did not end");
    loop {
        match tokio::time::timeout_at(deadline, look()).await {
            Ok(Ok(Seen::Done(value))) => return Ok(value),
            Ok(Ok(Seen::NotYet(state))) => last = state,
            Ok(Err(error)) => last = format!("{error:#}"),
            Err(_) => {}
        }
        // Not left to the timeout: it never ends a look that is over at once.
        if Instant::now() >= deadline {
            bail!(
                "waited {} s for {what}; seen last: {last}",
                within.as_secs()
            );
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn looks_again_until_done() {
        let mut looks = 0;
        let value = until("three looks", Duration::from_secs(9), async || {
            looks += 1;
            Ok(if looks == 3 {
                Seen::Done(looks)
            } else {
                Seen::NotYet(format!("look {looks}"))
            })
        });
        assert_eq!(value.await.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_state_is_in_the_error() {
        let waited = until::<()>("peace", Duration::ZERO, async || {
            Ok(Seen::NotYet("war".into()))
        })
        .await;
        assert_eq!(
            waited.unwrap_err().to_string(),
            "waited 0 s for peace; seen last: war"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_ends_with_the_deadline() {
        let waited = until::<()>("an answer", Duration::from_secs(1), async || {
            std::future::pending().await
        })
        .await;
        assert!(
            waited
                .unwrap_err()
                .to_string()
                .contains("the first look did not end")
        );
    }
}
