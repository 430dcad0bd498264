//! Which content a running server has: a change is live on all of them within two seconds, and nothing that is wrong
//! with the database's content takes the words from a bot that has some.

use std::time::{Duration, Instant};

use crate::content_commands::{apply, apply_to, greeting};
use crate::database::Database;
use crate::on_both_storages;
use crate::outage::{set_read_only, start_postgres};
use crate::server::Server;
use crate::{program, wait};

/// The longest until a change is live.
const LIVE: Duration = Duration::from_secs(2);

async fn greeted(server: &Server) -> String {
    let started = server.start_chat().await;
    assert_eq!(started.status, 200, "{started:?}");
    started.body["reply"].as_str().expect("a text").to_owned()
}

/// The server greets with this, as of less than two seconds.
async fn expect_live(server: &Server, word: &str) {
    let changed = Instant::now();
    wait::until(word, async || greeted(server).await == word).await;
    assert!(changed.elapsed() < LIVE, "{word}: {:?}", changed.elapsed());
}

async fn serving(database: &Database) -> Server {
    Server::start_with(&["--database-url", &database.url()]).await
}

fn is_built_in(greeting: &str) -> bool {
    include_str!("../../content/default.yaml").contains(greeting)
}

const LISTENERS: &str = "SELECT pid FROM pg_stat_activity
    WHERE application_name = 'chat-server content' AND datname = current_database()";

/// The processes of PostgreSQL that tell servers on this database of changes.
async fn listeners(database: &Database) -> Vec<String> {
    let query = LISTENERS.replace("pid", "pid::text");
    database.texts(&query).await
}

on_both_storages! {
    async fn content_is_in_force_from_the_first_answer_on(database) {
        database.migrate();
        apply(&database, &greeting("ahoy")).expect_success();
        assert_eq!(greeted(&serving(&database).await).await, "ahoy");
    }

    async fn changes_are_live_within_two_seconds(database) {
        let server = Server::start(&database).await;
        assert!(is_built_in(&greeted(&server).await));
        for word in ["one", "two", "three"] {
            apply(&database, &greeting(word)).expect_success();
            expect_live(&server, word).await;
        }
        program::run(&["content", "clear", "--database-url", &database.url()]).expect_success();
        wait::until("the built-in content", async || is_built_in(&greeted(&server).await)).await;
        apply(&database, &greeting("four")).expect_success();
        expect_live(&server, "four").await;
        let chat = server.new_chat().await;
        assert_eq!(server.say(&chat, " A ").await.body["reply"], "b");
    }

    async fn a_refused_file_leaves_the_old_content_in_force(database) {
        let server = Server::start(&database).await;
        apply(&database, &greeting("old")).expect_success();
        expect_live(&server, "old").await;
        apply(&database, "greetings: [new]\n").expect_failure(3, "the file has no fallbacks");
        apply(&database, &greeting("newest").replace("what?", "''")).expect_failure(3, "must not be blank");
        let until = Instant::now() + LIVE;
        wait::until("two seconds passed", async || {
            assert_eq!(greeted(&server).await, "old");
            Instant::now() > until
        })
        .await;
    }

    async fn content_that_this_release_cannot_read_changes_nothing(database) {
        let server = Server::start(&database).await;
        apply(&database, &greeting("old")).expect_success();
        expect_live(&server, "old").await;
        database.connect().await.execute("UPDATE content SET version = 7, yaml = 'greetings: [new] \nmoods: [x]\n'").await;
        wait::until("the reason is logged", async || server.logged("the database's content is refused").is_some()).await;
        let line = server.logged("the database's content is refused").expect("it is logged");
        assert!(line["error"].as_str().is_some_and(|it| it.contains("line 2: unknown field \"moods\"")), "{line}");
        assert_eq!((&line["version"], &line["level"]), (&7.into(), &"ERROR".into()));
        assert_eq!(greeted(&server).await, "old");
        apply(&database, &greeting("new")).expect_success();
        expect_live(&server, "new").await;
        let refusals = server.log_lines().into_iter().filter(|line| line["level"] == "ERROR").count();
        assert_eq!(refusals, 1, "{}", server.log());
    }

    async fn a_server_that_starts_with_such_content_serves_the_built_in_one(database) {
        database.migrate();
        apply(&database, &greeting("old")).expect_success();
        database.connect().await.execute("UPDATE content SET yaml = 'moods: [x]'").await;
        let server = serving(&database).await;
        assert_eq!(server.get("/readyz").await.status, 200);
        assert!(is_built_in(&greeted(&server).await));
    }

    async fn without_a_row_the_built_in_content_is_back(database) {
        let server = Server::start(&database).await;
        apply(&database, &greeting("ours")).expect_success();
        expect_live(&server, "ours").await;
        database.connect().await.execute("DELETE FROM content").await;
        wait::until("the built-in content is back", async || is_built_in(&greeted(&server).await)).await;
        // The version is the same as before, the content is not.
        apply(&database, &greeting("others")).expect_success();
        expect_live(&server, "others").await;
    }

    async fn a_file_that_was_given_is_in_force_for_good(database) {
        database.migrate();
        apply(&database, &greeting("database")).expect_success();
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), greeting("file")).expect("it is written");
        let path = file.path().to_str().expect("UTF-8");
        let fixed = Server::start_with(&["--database-url", &database.url(), "--content", path]).await;
        let other = serving(&database).await;
        apply(&database, &greeting("changed")).expect_success();
        expect_live(&other, "changed").await;
        assert_eq!(greeted(&fixed).await, "file");
    }
}

#[tokio::test]
async fn all_servers_on_one_postgres_see_a_change() {
    let database = Database::postgres().await;
    database.migrate();
    let (one, other) = tokio::join!(serving(&database), serving(&database));
    for word in ["one", "two"] {
        apply(&database, &greeting(word)).expect_success();
        tokio::join!(expect_live(&one, word), expect_live(&other, word));
    }
}

#[tokio::test]
async fn postgres_tells_of_a_change_without_being_asked() {
    let database = Database::postgres().await;
    let server = Server::start(&database).await;
    wait::until("the server listens", async || {
        listeners(&database).await.len() == 1
    })
    .await;
    // The next look without being told is up to five seconds away, so several that were quick were told.
    for word in ["a", "b", "c", "d", "e", "f"] {
        apply(&database, &greeting(word)).expect_success();
        let changed = Instant::now();
        wait::until(word, async || greeted(&server).await == word).await;
        assert!(changed.elapsed() < Duration::from_secs(1), "{word}");
    }
}

#[tokio::test]
async fn a_change_that_was_missed_is_seen_when_the_connection_is_back() {
    let database = Database::postgres().await;
    let server = Server::start(&database).await;
    apply(&database, &greeting("old")).expect_success();
    expect_live(&server, "old").await;
    let before = listeners(&database).await;
    // A change that nobody is told of, and the end of the listening connection.
    let mut connection = database.connect().await;
    connection
        .execute("UPDATE content SET version = version + 1, yaml = replace(yaml, 'old', 'new')")
        .await;
    connection
        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chat-server content' AND datname = current_database()")
        .await;
    expect_live(&server, "new").await;
    assert_ne!(listeners(&database).await, before);
    apply(&database, &greeting("newest")).expect_success();
    expect_live(&server, "newest").await;
}

#[tokio::test]
async fn a_change_by_hand_that_nobody_is_told_of_is_found() {
    let database = Database::postgres().await;
    let server = Server::start(&database).await;
    apply(&database, &greeting("old")).expect_success();
    expect_live(&server, "old").await;
    let mut connection = database.connect().await;
    connection
        .execute("UPDATE content SET yaml = replace(yaml, 'old', 'new')")
        .await;
    wait::until("the change is found", async || {
        greeted(&server).await == "new"
    })
    .await;
}

#[tokio::test]
async fn a_postgres_that_became_read_only_is_not_listened_to() {
    let postgres = start_postgres().await;
    let url = postgres.url("postgres");
    program::migrate(&url).expect_success();
    let server = Server::start_with(&["--database-url", &url]).await;
    let mut connection = postgres.connect("postgres").await;
    let mut listeners = async || {
        sqlx::query_scalar::<_, i32>(LISTENERS)
            .fetch_all(&mut connection)
            .await
            .expect("rows")
    };
    wait::until("the server listens", async || listeners().await.len() == 1).await;
    let before = listeners().await;
    let mut other = postgres.connect("postgres").await;
    set_read_only(&mut other, "on").await;
    wait::until("the connection is given up", async || {
        listeners().await != before
    })
    .await;
    set_read_only(&mut other, "off").await;
    wait::until("the server listens again", async || {
        let now = listeners().await;
        now.len() == 1 && now != before
    })
    .await;
    apply_to(&url, &greeting("back")).expect_success();
    expect_live(&server, "back").await;
}

#[tokio::test]
async fn a_server_is_ready_only_with_its_content() {
    let database = Database::postgres().await;
    database.migrate();
    apply(&database, &greeting("ours")).expect_success();
    let mut connection = database.connect().await;
    connection
        .execute("BEGIN; LOCK TABLE content IN ACCESS EXCLUSIVE MODE")
        .await;
    let server = serving(&database).await;
    assert!(server.logged("the content can't be read yet").is_some());
    server.get("/readyz").await.expect_error(503, "");
    connection.execute("COMMIT").await;
    wait::until("the server is ready", async || {
        server.get("/readyz").await.status == 200
    })
    .await;
    assert_eq!(greeted(&server).await, "ours");
}

#[tokio::test]
async fn a_server_that_listens_stops_at_once() {
    let database = Database::postgres().await;
    let mut server = Server::start(&database).await;
    wait::until("the server listens", async || {
        listeners(&database).await.len() == 1
    })
    .await;
    let asked = Instant::now();
    server.signal("TERM");
    assert!(server.ended().await.success());
    assert!(asked.elapsed() < LIVE, "{:?}", asked.elapsed());
    wait::until("nobody listens any more", async || {
        listeners(&database).await.is_empty()
    })
    .await;
}
