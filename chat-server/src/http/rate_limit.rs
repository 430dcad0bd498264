//! How many requests one client may send: a steady rate and a burst of twice that, counted for each client address by the
//! server itself. Who goes beyond gets 429 with the time to wait. What is counted is what asks for a [`Permit`].

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::time::interval;

use super::App;
use super::client::{self, TrustedProxies};
use super::connections::Peer;
use super::error::ApiError;

/// How often clients are forgotten that have their full burst again.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);
/// As many clients are told apart; what comes on top until the next sweep is as much as the server can answer in a second.
const MAX_CLIENTS: usize = 100_000;
/// Stands for everybody while there are more.
const EVERYBODY: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

pub(crate) struct RateLimit {
    trusted: TrustedProxies,
    clients: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
    is_full: AtomicBool,
}

impl RateLimit {
    /// A limit of this many requests per second, or none for 0.
    pub(crate) fn new(per_second: u32, trusted: TrustedProxies) -> Option<Self> {
        let rate = NonZeroU32::new(per_second)?;
        let burst = rate.saturating_add(rate.get());
        Some(Self {
            trusted,
            clients: RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst)),
            clock: DefaultClock::default(),
            is_full: AtomicBool::new(false),
        })
    }

    /// Count a request, or say how many seconds to wait before the next one.
    fn check(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), u64> {
        let client = if self.is_full.load(Ordering::Relaxed) {
            EVERYBODY
        } else {
            client::network(client::address(peer, headers, &self.trusted))
        };
        self.clients.check_key(&client).map_err(|refused| {
            let wait = refused.wait_time_from(self.clock.now());
            (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
        })
    }

    /// Forget who has the full burst again: all that were silent for two seconds.
    fn sweep(&self, max_clients: usize) {
        self.clients.retain_recent();
        self.clients.shrink_to_fit();
        let is_full = self.clients.len() > max_clients;
        if is_full && !self.is_full.load(Ordering::Relaxed) {
            tracing::warn!(
                "more than {max_clients} clients: for a second they share one rate limit"
            );
        }
        self.is_full.store(is_full, Ordering::Relaxed);
    }
}

/// Keep the memory of the rate limit small, for ever.
pub(crate) async fn sweep(app: Arc<App>) {
    let Some(limit) = &app.rate_limit else {
        return;
    };
    let mut ticks = interval(SWEEP_PAUSE);
    loop {
        ticks.tick().await;
        limit.sweep(MAX_CLIENTS);
    }
}

/// The leave to work on a request.
pub(super) struct Permit;

impl FromRequestParts<Arc<App>> for Permit {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Some(limit) = &app.rate_limit else {
            return Ok(Self);
        };
        let peer = parts
            .extensions
            .get()
            .map_or(EVERYBODY, |Peer(address)| address.ip());
        match limit.check(peer, &parts.headers) {
            Ok(()) => Ok(Self),
            Err(seconds) => Err(ApiError::TooMany { seconds }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 5));

    fn limit(per_second: u32) -> RateLimit {
        let trusted = TrustedProxies::NEIGHBOURS.parse().expect("networks");
        RateLimit::new(per_second, trusted).expect("not 0")
    }

    /// As many requests as this client may send at once; 1000 are tried.
    fn burst(limit: &RateLimit, peer: IpAddr) -> usize {
        (0..1000)
            .take_while(|_| limit.check(peer, &HeaderMap::new()).is_ok())
            .count()
    }

    #[test]
    fn none_means_none() {
        assert!(RateLimit::new(0, TrustedProxies::NEIGHBOURS.parse().expect("networks")).is_none());
    }

    #[test]
    fn the_burst_is_twice_the_rate_and_the_wait_is_in_whole_seconds() {
        let limit = limit(1);
        assert_eq!(burst(&limit, PEER), 2);
        assert_eq!(limit.check(PEER, &HeaderMap::new()), Err(1));
        assert_eq!(burst(&limit, EVERYBODY), 2, "another client has its own");
    }

    #[test]
    fn who_was_silent_is_forgotten_and_who_was_not_is_kept() {
        let limit = limit(u32::MAX);
        assert_eq!(burst(&limit, PEER), 1000);
        // For the clock to go on.
        std::thread::sleep(Duration::from_millis(1));
        limit.sweep(MAX_CLIENTS);
        assert_eq!(limit.clients.len(), 0);
        let limit = self::limit(1);
        burst(&limit, PEER);
        limit.sweep(MAX_CLIENTS);
        assert_eq!(limit.clients.len(), 1);
        assert!(limit.check(PEER, &HeaderMap::new()).is_err());
    }

    #[test]
    fn when_there_are_too_many_they_share_one_limit() {
        let limit = limit(1);
        burst(&limit, PEER);
        limit.sweep(0);
        for last in 1..=2 {
            let peer = IpAddr::from([198, 51, 100, last]);
            assert!(limit.check(peer, &HeaderMap::new()).is_ok());
        }
        assert!(
            limit
                .check(IpAddr::from([198, 51, 100, 9]), &HeaderMap::new())
                .is_err()
        );
        assert_eq!(limit.clients.len(), 2, "no client is remembered on top");
        limit.sweep(MAX_CLIENTS);
        assert!(
            limit
                .check(IpAddr::from([198, 51, 100, 9]), &HeaderMap::new())
                .is_ok()
        );
    }
}
