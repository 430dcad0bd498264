//! Signs of life: when each watch was last heard of, and whether passes end while ChatApps wait for one. A process that answers
//! probes but is deaf to the API server, or works on nothing, is told apart by it and restarted. A watch that tries and fails is
//! not deaf: it knows that it hears nothing, and no restart would help it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// While something waits, a pass ends at least as often: each is given up after a minute.
const PASS_LIMIT: Duration = Duration::from_mins(3);

/// Shared between those who hear and those who ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse(Arc<Mutex<Beats>>);

#[derive(Debug, Default)]
struct Beats {
    /// By what is asked of the API server.
    watches: BTreeMap<String, Watch>,
    /// ChatApps (namespace and name) that wait for a pass, and since when.
    waiting: HashMap<(String, String), Instant>,
    last_pass: Option<Instant>,
}

#[derive(Debug)]
struct Watch {
    name: String,
    heard: Instant,
}

/// A watch that should be heard of for as long as this lives.
pub(crate) struct Expected {
    pulse: Pulse,
    key: String,
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.pulse.beats().watches.remove(&self.key);
    }
}

/// What there is to say of the queue.
pub(crate) struct Queue {
    pub(crate) depth: usize,
    pub(crate) oldest: Duration,
}

impl Pulse {
    fn beats(&self) -> MutexGuard<'_, Beats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, requests with this key should be heard of. Requests are told apart by their path and whether they select by a
    /// label.
    pub(crate) fn expect(&self, path: &str, has_selector: bool, name: &str) -> Expected {
        let key = key(path, has_selector);
        let watch = Watch {
            name: name.to_owned(),
            heard: Instant::now(),
        };
        self.beats().watches.insert(key.clone(), watch);
        Expected {
            pulse: self.clone(),
            key,
        }
    }

    /// A request began, was answered or refused, or a piece of its answer came. Other requests than the expected ones don't count.
    pub(crate) fn heard(&self, key: &str) {
        if let Some(watch) = self.beats().watches.get_mut(key) {
            watch.heard = Instant::now();
        }
    }

    /// A ChatApp should be looked at.
    pub(crate) fn asked(&self, app: (String, String)) {
        self.beats().waiting.entry(app).or_insert_with(Instant::now);
    }

    /// Its pass begins; or it is gone.
    pub(crate) fn served(&self, app: &(String, String)) {
        self.beats().waiting.remove(app);
    }

    /// A pass has ended, well or not.
    pub(crate) fn passed(&self) {
        self.beats().last_pass = Some(Instant::now());
    }

    /// Nothing is watched any more.
    pub(crate) fn reset_queue(&self) {
        let mut beats = self.beats();
        beats.waiting.clear();
        beats.last_pass = None;
    }

    /// How long ago each watch was heard of.
    pub(crate) fn ages(&self) -> Vec<(String, Duration)> {
        let beats = self.beats();
        let watches = beats.watches.values();
        watches
            .map(|watch| (watch.name.clone(), watch.heard.elapsed()))
            .collect()
    }

    pub(crate) fn queue(&self) -> Queue {
        let beats = self.beats();
        Queue {
            depth: beats.waiting.len(),
            oldest: beats
                .waiting
                .values()
                .map(Instant::elapsed)
                .max()
                .unwrap_or_default(),
        }
    }

    /// What a restart would heal.
    pub(crate) fn ailments(&self, watch_limit: Duration) -> Vec<String> {
        let mut ailments: Vec<String> = self
            .ages()
            .into_iter()
            .filter(|(_, age)| *age > watch_limit)
            .map(|(name, age)| {
                format!(
                    "the watch of {name} has been silent for {} s",
                    age.as_secs()
                )
            })
            .collect();
        let oldest = self.queue().oldest;
        let idle = self
            .beats()
            .last_pass
            .map_or(oldest, |passed| passed.elapsed());
        if oldest > PASS_LIMIT && idle > PASS_LIMIT {
            ailments.push(format!(
                "a ChatApp has been waiting for {} s, and no pass has ended for {} s",
                oldest.as_secs(),
                idle.as_secs()
            ));
        }
        ailments
    }
}

/// Tells one watch from another.
pub(crate) fn key(path: &str, has_selector: bool) -> String {
    let selected = if has_selector { "?labelSelector" } else { "" };
    format!("{path}{selected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_mins(2);

    async fn pass_time(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_is_silent_for_too_long_is_an_ailment() {
        let pulse = Pulse::default();
        let pods = pulse.expect("/api/v1/pods", true, "Pod");
        let _jobs = pulse.expect("/apis/batch/v1/jobs", true, "Job");
        for _ in 0..3 {
            pass_time(100).await;
            pulse.heard(&key("/api/v1/pods", true));
        }
        // Another request with the same path.
        pulse.heard(&key("/apis/batch/v1/jobs", false));
        assert_eq!(
            pulse.ailments(LIMIT),
            ["the watch of Job has been silent for 300 s"]
        );
        pass_time(121).await;
        assert_eq!(pulse.ailments(LIMIT).len(), 2);
        drop(pods);
        assert_eq!(
            pulse.ailments(LIMIT).len(),
            1,
            "one that has ended is not expected"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_in_which_nothing_moves_is_an_ailment() {
        let pulse = Pulse::default();
        let app = ("n".to_owned(), "a".to_owned());
        pulse.passed();
        pass_time(1000).await;
        assert_eq!(pulse.ailments(LIMIT), [""; 0], "nothing waits");
        pulse.asked(app.clone());
        pass_time(100).await;
        pulse.passed();
        pulse.asked(app.clone());
        pass_time(100).await;
        assert_eq!(
            (pulse.queue().depth, pulse.queue().oldest.as_secs()),
            (1, 200)
        );
        assert_eq!(pulse.ailments(LIMIT), [""; 0], "others are served");
        pass_time(100).await;
        assert_eq!(
            pulse.ailments(LIMIT),
            ["a ChatApp has been waiting for 300 s, and no pass has ended for 200 s"]
        );
        pulse.served(&app);
        assert_eq!(pulse.ailments(LIMIT), [""; 0]);
    }
}
