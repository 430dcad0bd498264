//! What can't be served is held back and named, what served before goes on, and the former spec heals it: content with a mistake,
//! an image that can't migrate, a migration that is run again once its cause is mended, a database that a newer release has migrated, and
//! one that no node has room for.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chatapp_crds::ConditionType;
use e2e::{
    chat::Chat,
    chatapp,
    database::Database,
    forward::Proxy,
    kubectl, pods, repository,
    wait::{self, Seen},
};
use kube::Client;
use serde_json::{Value, json};

use crate::{World, example};

const PATIENCE: Duration = Duration::from_mins(2);
const WORDS: &str = "words";

/// The example, and a way to its server.
struct Stage<'a> {
    client: &'a Client,
    name: String,
    cluster: String,
    chat: Chat,
}

pub(crate) async fn story(world: &World) -> Result<()> {
    world.example.ready(&world.client).await?;
    let name = example::name()?;
    let proxy = Proxy::open().await?;
    let stage = Stage {
        client: &world.client,
        cluster: format!("{name}-db"),
        chat: Chat::at(&proxy.url(example::NAMESPACE, &format!("{name}-server")))?,
        name,
    };
    stage.content_with_a_mistake().await?;
    stage.an_image_that_does_not_migrate().await?;
    stage.a_migration_that_is_run_again(world).await?;
    stage.a_schema_of_a_newer_release(world).await?;
    stage.a_database_without_a_place().await?;
    world.example.ready(&world.client).await?;
    Ok(())
}

impl Stage<'_> {
    fn database(&self) -> Database<'_> {
        Database {
            namespace: example::NAMESPACE,
            cluster: &self.cluster,
        }
    }

    async fn ready(&self) -> Result<()> {
        chatapp::ready(
            self.client,
            example::NAMESPACE,
            &self.name,
            example::PATIENCE,
        )
        .await
        .map(drop)
    }

    async fn until_told(&self, kind: ConditionType, words: &[&str]) -> Result<()> {
        let app = (example::NAMESPACE, self.name.as_str());
        let began = Instant::now();
        let told = chatapp::until_told(self.client, app, kind, words, PATIENCE).await?;
        say!("after {:.1} s: {told}", began.elapsed().as_secs_f64());
        Ok(())
    }

    /// Applies a change that can't work, waits until the ChatApp has said why, and applies the former spec again. No server or page
    /// is touched in all that time.
    async fn held_and_healed(
        &self,
        (former, change): (&Value, Value),
        kind: ConditionType,
        words: &[&str],
    ) -> Result<()> {
        let before = pods::settled(self.client, example::NAMESPACE, &self.name).await?;
        let mut wrong = former.clone();
        example::merge(&mut wrong, change);
        kubectl::apply(example::NAMESPACE, &wrong).await?;
        self.until_told(kind, words).await?;
        self.chat
            .round_trip("hello")
            .await
            .context("the former version doesn't serve")?;
        let began = Instant::now();
        kubectl::apply(example::NAMESPACE, former).await?;
        self.ready().await?;
        say!(
            "ready {:.1} s after the former spec was applied",
            began.elapsed().as_secs_f64()
        );
        let after = pods::settled(self.client, example::NAMESPACE, &self.name).await?;
        ensure!(before == after, "pods before: {before:?}, after: {after:?}");
        self.chat.round_trip("hello").await
    }

    async fn content_with_a_mistake(&self) -> Result<()> {
        write_words(
            "greetings: [Hi]\nfallbacks: [Hm]\ndialogues:\n  - text: ping\n    replies: [first]\n",
        )
        .await?;
        let with_content = json!({"spec": {"content": {"configMapRef": {"name": WORDS}}}});
        let app = example::patched(with_content)?;
        kubectl::apply(example::NAMESPACE, &app).await?;
        self.ready().await?;
        self.until_reply("first").await?;

        write_words(
            "greetings: [Hi]\nfallbacks: [Hm]\ndialogues:\n  - text: ping\n    reply: [second]\n",
        )
        .await?;
        let words = [
            "ContentRefused",
            WORDS,
            "line 5",
            "reply",
            "former content stays",
        ];
        self.until_told(ConditionType::ContentLoaded, &words)
            .await?;
        let reply = self.reply().await?;
        ensure!(reply == "first", "the bot says {reply:?}");

        let began = Instant::now();
        write_words(
            "greetings: [Hi]\nfallbacks: [Hm]\ndialogues:\n  - text: ping\n    replies: [third]\n",
        )
        .await?;
        self.until_reply("third").await?;
        say!(
            "corrected content was live after {:.1} s",
            began.elapsed().as_secs_f64()
        );
        self.ready().await
    }

    async fn reply(&self) -> Result<String> {
        let chat = self.chat.start().await.context("begin a chat")?;
        Ok(self.chat.send(chat.chat_id, "ping").await?)
    }

    async fn until_reply(&self, wanted: &str) -> Result<()> {
        wait::until(&format!("the reply {wanted:?}"), PATIENCE, async || {
            let reply = self.reply().await?;
            Ok(Seen::when(reply == wanted, || reply))
        })
        .await
    }

    /// Somebody confuses the two images.
    async fn an_image_that_does_not_migrate(&self) -> Result<()> {
        let former = example::object()?;
        kubectl::apply(example::NAMESPACE, &former).await?;
        self.ready().await?;
        let page = &former["spec"]["frontend"]["image"];
        let change = json!({"spec": {"server": {"image": page}}});
        let words = [
            "MigrationRetrying",
            "Job",
            "of 7 has failed",
            "exit code 1",
            "CHAT_SERVER_HOST is not set",
            "the next one begins at",
            "or go back: spec.server.image: ",
        ];
        self.held_and_healed((&former, change), ConditionType::Migrated, &words)
            .await
    }

    /// The database has something that the migration doesn't get past. Who has put it right doesn't wait for the next try.
    async fn a_migration_that_is_run_again(&self, world: &World) -> Result<()> {
        self.sql("UPDATE _sqlx_migrations SET checksum = checksum || '\\x00' WHERE version = 1")
            .await?;
        let told = self.on_a_schema_that_was_tampered_with(world).await;
        // Otherwise nothing could be told on this database any more.
        self.sql(
            "UPDATE _sqlx_migrations SET checksum = substring(checksum FROM 1 FOR 48) WHERE version = 1",
        )
        .await?;
        told?;
        let began = Instant::now();
        let retry = ["migrate", "retry", &self.name];
        let plugin = ["kubectl", "chatapp", "--namespace", example::NAMESPACE];
        let said = repository::just(&[&plugin[..], &retry].concat()).await?;
        ensure!(said.contains("(Migrated)"), "kubectl chatapp says {said:?}");
        self.ready().await?;
        say!(
            "ready {:.1} s after kubectl chatapp migrate retry",
            began.elapsed().as_secs_f64()
        );
        self.chat.round_trip("hello").await?;
        kubectl::apply(example::NAMESPACE, &example::object()?).await?;
        self.ready().await
    }

    async fn on_a_schema_that_was_tampered_with(&self, world: &World) -> Result<()> {
        let other = chatapp::read(&world.client, "chatapp-dev", "demo").await?;
        let other = json!({"spec": {"server": {"image": other.spec.server.image}}});
        kubectl::apply(example::NAMESPACE, &example::patched(other)?).await?;
        let words = [
            "MigrationRetrying",
            // By then the next one is half a minute away.
            "try 3 of 7 has failed",
            "the next one begins at",
            &format!("kubectl chatapp migrate retry {}", self.name),
        ];
        self.until_told(ConditionType::Migrated, &words).await?;
        self.chat
            .round_trip("hello")
            .await
            .context("the former version doesn't serve")
    }

    /// A release works on the schema that the next one leaves, until that says otherwise. Then going back to the release is refused
    /// before anything is changed, and the way out is told.
    async fn a_schema_of_a_newer_release(&self, world: &World) -> Result<()> {
        let other = chatapp::read(&world.client, "chatapp-dev", "demo")
            .await?
            .spec
            .server
            .image;
        let other = json!({"spec": {"server": {"image": other}}});
        self.sql(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'of a newer release', true, '', 0); \
             INSERT INTO schema_contract VALUES (9999, '0.1.0'); ALTER TABLE messages ADD COLUMN of_a_newer_release text",
        )
        .await?;
        let told = self.on_the_newer_schema(&example::patched(other)?).await;
        // Otherwise nothing could be told on this database any more.
        self.sql(
            "DELETE FROM schema_contract WHERE migration = 9999; DELETE FROM _sqlx_migrations WHERE version = 9999; \
             ALTER TABLE messages DROP COLUMN of_a_newer_release",
        )
        .await?;
        told?;
        kubectl::apply(example::NAMESPACE, &example::object()?).await?;
        self.ready().await
    }

    async fn on_the_newer_schema(&self, newer: &Value) -> Result<()> {
        kubectl::apply(example::NAMESPACE, newer).await?;
        self.ready().await?;
        self.chat
            .round_trip("hello")
            .await
            .context("on the schema of a newer release")?;
        self.sql("UPDATE schema_contract SET oldest_release = '99.0.0' WHERE migration = 9999")
            .await?;
        let back = &example::object()?["spec"]["server"]["image"];
        let back = json!({"spec": {"server": {"image": back}}});
        let words = [
            "MigrationRefused",
            "needs chat-server 99.0.0 or later",
            "nothing was changed",
            "go back: spec.server.image: ",
        ];
        self.held_and_healed((newer, back), ConditionType::Migrated, &words)
            .await
    }

    async fn sql(&self, statements: &str) -> Result<()> {
        self.database()
            .psql(self.client, "app", statements)
            .await
            .map(drop)
    }

    async fn a_database_without_a_place(&self) -> Result<()> {
        let former = example::object()?;
        let change = json!({"spec": {"database": {"cluster": {"resources": {"requests": {"memory": "9Ti"}}}}}});
        let words = ["Unschedulable", "can't be scheduled", "Insufficient memory"];
        self.held_and_healed((&former, change), ConditionType::DatabaseReady, &words)
            .await?;
        wait::until("the database to be whole", PATIENCE, async || {
            self.database().is_healthy(self.client).await
        })
        .await
    }
}

async fn write_words(content: &str) -> Result<()> {
    let words = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": WORDS}, "data": {"content.yaml": content}});
    kubectl::apply(example::NAMESPACE, &words).await
}
