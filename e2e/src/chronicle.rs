//! What Argo CD says of applications while they are watched: every state of sync and health that they go through, by the watch API. What may be among them is the judgement here, pure; why it should be is the story's business.

use std::{
    collections::BTreeMap,
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use kube::{
    Client, ResourceExt,
    runtime::{WatchStreamExt, watcher},
};
use tokio::task::JoinHandle;

use crate::argocd;

/// A running watch. It ends with this value.
#[derive(Debug)]
pub struct Chronicle {
    courses: Arc<Mutex<BTreeMap<String, Course>>>,
    began: Instant,
    watch: JoinHandle<()>,
}

/// What one application has gone through.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// Each differs from the one before.
    states: Vec<State>,
    /// When it was compared with Git, as Argo CD tells it.
    comparisons: Vec<String>,
}

/// What Argo CD said, and when.
#[derive(Clone, Debug)]
struct State {
    after: Duration,
    sync: String,
    health: String,
}

impl State {
    fn is_healthy(&self) -> bool {
        self.health == "Healthy"
    }
}

impl Chronicle {
    /// Watches the applications of these names from now on.
    #[must_use]
    pub fn begin(client: &Client, names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let courses: Arc<Mutex<BTreeMap<String, Course>>> = Arc::default();
        let began = Instant::now();
        let written = Arc::clone(&courses);
        let events = watcher(argocd::api(client), watcher::Config::default());
        let watch = tokio::spawn(async move {
            let objects = events.default_backoff().applied_objects();
            let mut objects = pin!(objects);
            while let Some(object) = objects.next().await {
                // After an error the watch begins anew, with how everything is then.
                let Ok(object) = object else { continue };
                let name = object.name_any();
                if names.contains(&name) {
                    lock(&written).entry(name).or_default().note(
                        began.elapsed(),
                        argocd::text(&object, "/status/sync/status"),
                        argocd::text(&object, "/status/health/status"),
                        argocd::text(&object, "/status/reconciledAt"),
                    );
                }
            }
        });
        Self {
            courses,
            began,
            watch,
        }
    }

    /// For how long it has been watching.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        self.began.elapsed()
    }

    /// What an application has gone through until now.
    pub fn course(&self, name: &str) -> Result<Course> {
        ensure!(!self.watch.is_finished(), "the watch has ended");
        let courses = lock(&self.courses);
        let course = courses.get(name).cloned();
        course.with_context(|| format!("nothing was seen of application {name}"))
    }
}

impl Drop for Chronicle {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Course {
    fn note(&mut self, after: Duration, sync: &str, health: &str, compared: &str) {
        let last = self.states.last();
        if last.is_none_or(|last| last.sync != sync || last.health != health) {
            self.states.push(State {
                after,
                sync: sync.to_owned(),
                health: health.to_owned(),
            });
        }
        if self.comparisons.last().is_none_or(|last| last != compared) {
            self.comparisons.push(compared.to_owned());
        }
    }

    /// How often it was compared with Git meanwhile.
    #[must_use]
    pub fn comparisons(&self) -> usize {
        self.comparisons.len().saturating_sub(1)
    }

    /// It was as Git says and healthy, all the time.
    pub fn was_at_rest(&self) -> Result<()> {
        self.left_health_at_most(0)
    }

    /// It was as Git says all the time, waited for something at most `times` times, never needed a human, and is healthy now.
    pub fn left_health_at_most(&self, times: usize) -> Result<()> {
        let calm = self.states.iter().all(|state| {
            state.sync == "Synced" && ["Healthy", "Progressing"].contains(&state.health.as_str())
        });
        let healthy = self.states.iter().filter(|state| state.is_healthy());
        let departures = self.states.len() - healthy.count();
        let ended_well = self.states.last().is_some_and(State::is_healthy);
        ensure!(
            calm && departures <= times && ended_well,
            "went through: {self}"
        );
        Ok(())
    }
}

impl fmt::Display for Course {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, state) in self.states.iter().enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            let State {
                after,
                sync,
                health,
            } = state;
            write!(
                out,
                "{separator}{sync} {health} after {:.1} s",
                after.as_secs_f64()
            )?;
        }
        Ok(())
    }
}

/// A watch that panicked is reported by `course`; what it has written is still right.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(states: &[(&str, &str)]) -> Course {
        let mut course = Course::default();
        for (number, (sync, health)) in (0..).zip(states) {
            course.note(Duration::from_secs(number), sync, health, "today");
        }
        course
    }

    const GOOD: (&str, &str) = ("Synced", "Healthy");
    const WAITING: (&str, &str) = ("Synced", "Progressing");

    #[test]
    fn rest_is_one_good_state() {
        assert!(course(&[GOOD, GOOD, GOOD]).was_at_rest().is_ok());
        for other in [
            WAITING,
            ("OutOfSync", "Healthy"),
            ("Unknown", "Healthy"),
            ("Synced", "Degraded"),
        ] {
            assert!(course(&[GOOD, other, GOOD]).was_at_rest().is_err());
            assert!(course(&[other]).was_at_rest().is_err());
        }
        assert!(course(&[]).was_at_rest().is_err());
    }

    #[test]
    fn once_is_not_twice_and_ends_well() {
        let once = course(&[GOOD, WAITING, GOOD]);
        assert!(once.left_health_at_most(1).is_ok());
        assert!(once.was_at_rest().is_err());
        let twice = course(&[GOOD, WAITING, GOOD, WAITING, GOOD]);
        assert!(twice.left_health_at_most(1).is_err());
        assert!(course(&[GOOD, WAITING]).left_health_at_most(1).is_err());
        let out_of_sync = course(&[GOOD, ("OutOfSync", "Progressing"), GOOD]);
        assert!(out_of_sync.left_health_at_most(1).is_err());
    }

    #[test]
    fn comparisons_are_counted_from_the_first_that_is_new() {
        let mut course = course(&[GOOD, GOOD]);
        assert_eq!(course.comparisons(), 0);
        course.note(Duration::from_secs(9), GOOD.0, GOOD.1, "tomorrow");
        assert_eq!(course.comparisons(), 1);
    }
}
