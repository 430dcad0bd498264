//! The platform as its users meet it, on a real cluster: `./just up`, then `./just test-e2e`. Each file is one story;
//! this one says in which order they are told.

/// Prints a line of the story that is being told.
macro_rules! say {
    ($($words:tt)*) => {
        $crate::say(format_args!($($words)*))
    };
}

mod another_operator_takes_over;
mod bad_specs_are_refused_by_the_api_server;
mod chat_in_the_browser;
mod constant_load;
mod content_from_git;
mod database_outlives_its_chat;
mod drift_is_undone;
mod example;
mod example_beside_the_first;
mod external_database;
mod failover_and_scaling_are_not_drift;
mod gate_holds_what_is_wrong;
mod git_decides;
mod git_takes_a_chat_away;
mod nothing_acknowledged_is_lost;
mod nothing_moves_at_rest;
mod own_application;
mod password_changes_unnoticed;
mod person;
mod platform_comes_from_git;
mod platform_upgraded_from_git;
mod policies_hold;
mod rollouts_lose_no_request;
mod route_by_gateway;
mod route_by_ingress;
mod two_releases_serve_side_by_side;
mod version_from_git;
mod wrong_image_is_named_and_corrected;

use std::{
    fmt,
    pin::Pin,
    process::{ExitCode, exit},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::{Context, Result};
use e2e::{chat::Chat, cluster};
use kube::Client;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::{runtime::Runtime, sync::Mutex};

use crate::example::Example;

/// What every story starts from.
struct World {
    client: Client,
    /// The chat of `chatapp-dev`, as the outside sees it.
    chat: Chat,
    example: Example,
    /// Whose turn it is among the stories that share something.
    turn: Mutex<()>,
    /// Held by the one that watches what nobody touches, and by those that touch it.
    rest: Mutex<()>,
    /// How many stories have begun and not ended.
    begun: AtomicUsize,
}

type Tell = for<'world> fn(&'world World) -> Pin<Box<dyn Future<Output = Result<()>> + 'world>>;

/// When a story is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Beside all others: it has ChatApps of its own, and waits most of the time.
    Beside,
    /// After the ones before it: it measures, or breaks parts of, what they share.
    InTurn,
    /// As before, and never while the platform or an environment other than dev is watched at rest: it changes them.
    Disturbing,
}

const STORIES: [(&str, When, Tell); 24] = [
    ("nothing_moves_at_rest", When::Beside, |world| {
        Box::pin(nothing_moves_at_rest::story(world))
    }),
    ("git_takes_a_chat_away", When::Beside, |world| {
        Box::pin(git_takes_a_chat_away::story(world))
    }),
    ("database_outlives_its_chat", When::Beside, |world| {
        Box::pin(database_outlives_its_chat::story(world))
    }),
    (
        "failover_and_scaling_are_not_drift",
        When::Beside,
        |world| Box::pin(failover_and_scaling_are_not_drift::story(world)),
    ),
    ("password_changes_unnoticed", When::Beside, |world| {
        Box::pin(password_changes_unnoticed::story(world))
    }),
    ("chat_in_the_browser", When::InTurn, |world| {
        Box::pin(chat_in_the_browser::story(world))
    }),
    ("platform_comes_from_git", When::InTurn, |world| {
        Box::pin(platform_comes_from_git::story(world))
    }),
    ("policies_hold", When::InTurn, |world| {
        Box::pin(policies_hold::story(world))
    }),
    ("nothing_acknowledged_is_lost", When::InTurn, |world| {
        Box::pin(nothing_acknowledged_is_lost::story(world))
    }),
    ("content_from_git", When::InTurn, |world| {
        Box::pin(content_from_git::story(world))
    }),
    ("git_decides", When::InTurn, |world| {
        Box::pin(git_decides::story(world))
    }),
    ("example_beside_the_first", When::InTurn, |world| {
        Box::pin(example_beside_the_first::story(world))
    }),
    (
        "bad_specs_are_refused_by_the_api_server",
        When::InTurn,
        |world| Box::pin(bad_specs_are_refused_by_the_api_server::story(world)),
    ),
    ("route_by_ingress", When::InTurn, |world| {
        Box::pin(route_by_ingress::story(world))
    }),
    ("route_by_gateway", When::InTurn, |world| {
        Box::pin(route_by_gateway::story(world))
    }),
    ("external_database", When::InTurn, |world| {
        Box::pin(external_database::story(world))
    }),
    ("rollouts_lose_no_request", When::InTurn, |world| {
        Box::pin(rollouts_lose_no_request::story(world))
    }),
    ("two_releases_serve_side_by_side", When::InTurn, |world| {
        Box::pin(two_releases_serve_side_by_side::story(world))
    }),
    ("drift_is_undone", When::InTurn, |world| {
        Box::pin(drift_is_undone::story(world))
    }),
    ("gate_holds_what_is_wrong", When::InTurn, |world| {
        Box::pin(gate_holds_what_is_wrong::story(world))
    }),
    (
        "wrong_image_is_named_and_corrected",
        When::InTurn,
        |world| Box::pin(wrong_image_is_named_and_corrected::story(world)),
    ),
    ("version_from_git", When::Disturbing, |world| {
        Box::pin(version_from_git::story(world))
    }),
    ("platform_upgraded_from_git", When::Disturbing, |world| {
        Box::pin(platform_upgraded_from_git::story(world))
    }),
    ("another_operator_takes_over", When::Disturbing, |world| {
        Box::pin(another_operator_takes_over::story(world))
    }),
];

tokio::task_local! {
    static STORY: &'static str;
}

/// Several stories may be told at the same time.
fn say(line: fmt::Arguments<'_>) {
    STORY.with(|story| println!("{story}: {line}"));
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let beside = STORIES.iter().filter(|(_, when, _)| *when == When::Beside);
    arguments.test_threads = Some(beside.count() + 1);
    let (runtime, world) = match prepare() {
        Ok((runtime, world)) => (Arc::new(runtime), Arc::new(world)),
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let trials = STORIES.map(|(name, when, tell)| {
        let (runtime, world) = (Arc::clone(&runtime), Arc::clone(&world));
        Trial::test(name, move || {
            runtime.block_on(STORY.scope(name, told(when, tell, &world)))
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.into());
    if let Err(error) = runtime.block_on(world.example.remove(&world.client)) {
        eprintln!("error: remove what the stories made: {error:#}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

fn prepare() -> Result<(Runtime, World)> {
    let runtime = Runtime::new().context("start the runtime")?;
    let chat = Chat::from_env()?;
    let client = runtime.block_on(cluster::connect())?;
    Ok((
        runtime,
        World {
            client,
            chat,
            example: Example::default(),
            turn: Mutex::default(),
            rest: Mutex::default(),
            begun: AtomicUsize::default(),
        },
    ))
}

async fn told(when: When, tell: Tell, world: &World) -> Result<(), Failed> {
    world.begun.fetch_add(1, Ordering::SeqCst);
    let outcome = tokio::select! {
        outcome = in_turn(when, tell, world) => outcome,
        _ = tokio::signal::ctrl_c() => interrupted(world),
    };
    world.begun.fetch_sub(1, Ordering::SeqCst);
    outcome.map_err(|error| format!("{error:#}").into())
}

async fn in_turn(when: When, tell: Tell, world: &World) -> Result<()> {
    let _turn = match when {
        When::Beside => None,
        When::InTurn | When::Disturbing => Some(world.turn.lock().await),
    };
    let _rest = match when {
        When::Beside | When::InTurn => None,
        When::Disturbing => Some(world.rest.lock().await),
    };
    let began = Instant::now();
    say!("begins");
    let outcome = tell(world).await;
    say!("{:.1} s", began.elapsed().as_secs_f64());
    // Others may take minutes yet, and only then all errors are printed.
    if let Err(error) = &outcome {
        say!("failed: {error:#}");
    }
    outcome
}

/// What the story started ended when its future was dropped. The last of those that were told ends the process.
fn interrupted(world: &World) -> ! {
    if world.begun.fetch_sub(1, Ordering::SeqCst) == 1 {
        exit(130);
    }
    loop {
        thread::park();
    }
}
