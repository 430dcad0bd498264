//! The platform as its users meet it, on a real cluster: `./just up`, then `./just test-e2e`. Each file is one story;
//! this one says in which order they are told. One after the other, as they share the cluster and some break parts of
//! it: first those that watch and measure the chat that `up` brought, then those that add a second one.

mod bad_specs_are_refused_by_the_api_server;
mod chat_in_the_browser;
mod content_from_git;
mod example;
mod example_beside_the_first;
mod external_database;
mod git_decides;
mod nothing_acknowledged_is_lost;
mod version_from_git;
mod wrong_image_is_named_and_corrected;

use std::{
    pin::Pin,
    process::{ExitCode, exit},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context, Result};
use e2e::{chat::Chat, cluster};
use kube::Client;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use crate::example::Example;

/// What every story starts from.
struct World {
    client: Client,
    /// The chat of `chatapp-dev`, as the outside sees it.
    chat: Chat,
    example: Example,
}

type Story = for<'world> fn(&'world World) -> Pin<Box<dyn Future<Output = Result<()>> + 'world>>;

const STORIES: [(&str, Story); 9] = [
    ("chat_in_the_browser", |world| {
        Box::pin(chat_in_the_browser::story(world))
    }),
    ("nothing_acknowledged_is_lost", |world| {
        Box::pin(nothing_acknowledged_is_lost::story(world))
    }),
    ("content_from_git", |world| {
        Box::pin(content_from_git::story(world))
    }),
    ("git_decides", |world| Box::pin(git_decides::story(world))),
    ("version_from_git", |world| {
        Box::pin(version_from_git::story(world))
    }),
    ("example_beside_the_first", |world| {
        Box::pin(example_beside_the_first::story(world))
    }),
    ("bad_specs_are_refused_by_the_api_server", |world| {
        Box::pin(bad_specs_are_refused_by_the_api_server::story(world))
    }),
    ("external_database", |world| {
        Box::pin(external_database::story(world))
    }),
    ("wrong_image_is_named_and_corrected", |world| {
        Box::pin(wrong_image_is_named_and_corrected::story(world))
    }),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let (runtime, world) = match prepare() {
        Ok((runtime, world)) => (Arc::new(runtime), Arc::new(world)),
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let trials = STORIES.map(|(name, story)| {
        let (runtime, world) = (Arc::clone(&runtime), Arc::clone(&world));
        Trial::test(name, move || tell(name, story, &runtime, &world))
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
        },
    ))
}

fn tell(name: &str, story: Story, runtime: &Runtime, world: &World) -> Result<(), Failed> {
    let began = Instant::now();
    println!("\n{name}: begins");
    let told = runtime.block_on(async {
        tokio::select! {
            told = story(world) => Some(told),
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    // What the story started ended when its future was dropped, right above.
    let Some(told) = told else { exit(130) };
    println!("{name}: {:.1} s", began.elapsed().as_secs_f64());
    told.map_err(|error| format!("{error:#}").into())
}
