//! A platform engineer applies the example's file in a fresh namespace with restricted pod security: it becomes a chat
//! beside the first one, which doesn't notice.

use std::time::Instant;

use anyhow::{Result, ensure};
use e2e::chatapp;

use crate::{World, example};

pub(crate) async fn story(world: &World) -> Result<()> {
    let began = Instant::now();
    world.example.ready(&world.client).await?;
    say!(
        "{} was ready {:.1} s after kubectl apply",
        example::FILE,
        began.elapsed().as_secs_f64()
    );
    example::chat_with(&example::name()?).await?;

    let first = chatapp::read(&world.client, "chatapp-dev", "demo").await?;
    ensure!(
        chatapp::is_ready(&first),
        "the first ChatApp is not ready any more: {}",
        chatapp::in_one_line(&first)
    );
    world.chat.round_trip("hello").await
}
