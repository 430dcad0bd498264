//! `migrate`: what it does is told, done once, and safe beside another one.

use crate::on_both_storages;
use crate::program;

const FIRST: &str = "applied 1 chats and messages, ";
const AGAIN: &str = "nothing to do, the schema is up to date";

/// As a migration of a later release leaves the database.
async fn apply_from_the_future(database: &crate::database::Database, contract: &'static str) {
    let mut connection = database.connect().await;
    connection
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             SELECT 9999, 'from the next release', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
        )
        .await;
    connection.execute(contract).await;
}

on_both_storages! {
    async fn says_what_it_did_and_does_it_once(database) {
        let first = program::migrate(&database.url()).expect_success();
        assert!(first.stdout.contains(FIRST), "{first:?}");
        let second = program::migrate(&database.url()).expect_success();
        assert!(second.stdout.contains(AGAIN), "{second:?}");
    }

    async fn two_at_once_apply_everything_once(database) {
        let running: Vec<_> = (0..4).map(|_| program::begin_migrate(&database.url())).collect();
        let outputs: Vec<_> = running
            .into_iter()
            .map(|child| program::Finished::from(child.wait_with_output().expect("it ends")).expect_success().stdout)
            .collect();
        assert_eq!(outputs.iter().filter(|it| it.contains(FIRST)).count(), 1, "{outputs:?}");
        assert_eq!(outputs.iter().filter(|it| it.contains(AGAIN)).count(), 3, "{outputs:?}");
    }

    async fn a_schema_that_is_ahead_is_left_alone_and_served(database) {
        database.migrate();
        apply_from_the_future(&database, "INSERT INTO schema_contract VALUES (9999, '0.2.0')").await;
        let migrated = program::migrate(&database.url()).expect_success();
        assert!(migrated.stdout.contains(AGAIN), "{migrated:?}");
        let server = crate::server::Server::start(&database).await;
        assert_eq!(server.get("/readyz").await.status, 200);
    }

    async fn check_says_behind_up_to_date_ahead_or_too_new_and_changes_nothing(database) {
        let check = |code: i32, words: &str| {
            let checked = program::run(&["migrate", "--check", "--database-url", &database.url()]);
            assert_eq!(checked.code, Some(code), "{checked:?}");
            assert!(checked.stdout.contains(words), "{checked:?}");
        };
        check(3, "5 migration(s) behind: run `chat-server migrate`");
        check(3, "5 migration(s) behind");
        database.migrate();
        check(0, "up to date");
        apply_from_the_future(&database, "INSERT INTO schema_contract VALUES (9999, '0.2.0')").await;
        check(4, "newer release, and this one works on it");
        database.connect().await.execute("UPDATE schema_contract SET oldest_release = '99.0.0' WHERE migration = 9999").await;
        check(5, "needs chat-server 99.0.0 or later");
    }

    async fn a_dry_run_names_what_is_missing_and_changes_nothing(database) {
        let dry_run = || program::run(&["migrate", "--dry-run", "--database-url", &database.url()]);
        for _ in 0..2 {
            let told = dry_run().expect_success();
            assert!(told.stdout.contains("would apply 1 chats and messages, "), "{told:?}");
        }
        database.migrate();
        let told = dry_run().expect_success();
        assert!(told.stdout.contains(AGAIN), "{told:?}");
        apply_from_the_future(&database, "INSERT INTO schema_contract VALUES (9999, '99.0.0')").await;
        dry_run().expect_failure(5, "needs chat-server 99.0.0 or later");
    }

    async fn what_was_done_is_told_to_the_program_that_started_it(database) {
        let directory = tempfile::tempdir().expect("a directory");
        let outcome = directory.path().join("outcome");
        let url = database.url();
        let tell = |arguments: &[&str]| -> serde_json::Value {
            let arguments = [&["migrate", "--database-url", &url], arguments].concat();
            let ended = program::chat_server(&arguments).env("OUTCOME_FILE", &outcome).status();
            assert!(ended.expect("chat-server runs").success());
            serde_json::from_slice(&std::fs::read(&outcome).expect("a file")).expect("JSON")
        };
        for arguments in [&["--dry-run"] as &[_], &[]] {
            let told = tell(arguments);
            assert_eq!(told["schemaVersion"], 5, "{told}");
            assert_eq!(told["migrations"][0], "1 chats and messages", "{told}");
        }
        assert_eq!(tell(&[])["migrations"], serde_json::json!([]));
        apply_from_the_future(&database, "INSERT INTO schema_contract VALUES (9999, '0.2.0')").await;
        assert_eq!(tell(&[])["schemaVersion"], 9999);
    }

    async fn a_schema_whose_contract_leaves_this_release_out_is_refused_and_left_alone(database) {
        database.migrate();
        apply_from_the_future(&database, "INSERT INTO schema_contract VALUES (9999, '99.0.0')").await;
        let url = database.url();
        program::migrate(&url).expect_failure(5, "needs chat-server 99.0.0 or later");
        program::run(&["serve", "--listen", "127.0.0.1:0", "--database-url", &url])
            .expect_failure(1, "needs chat-server 99.0.0 or later");
        assert_eq!(database.texts("SELECT description FROM _sqlx_migrations").await.len(), 6);
    }

    async fn a_migration_that_was_changed_after_it_was_applied_is_refused(database) {
        database.migrate();
        database.connect().await.execute("UPDATE _sqlx_migrations SET checksum = '00'").await;
        program::migrate(&database.url()).expect_failure(1, "migration 1 was previously applied but has been modified");
    }

    async fn serve_refuses_a_schema_that_is_behind(database) {
        program::run(&["serve", "--listen", "127.0.0.1:0", "--database-url", &database.url()])
            .expect_failure(1, "5 migration(s) behind: run `chat-server migrate`");
    }
}

#[test]
fn serve_makes_no_sqlite_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("chat.db");
    let url = format!("sqlite://{}", file.display());
    program::run(&["serve", "--listen", "127.0.0.1:0", "--database-url", &url])
        .expect_failure(1, "chat-server migrate");
    assert!(!file.exists());
}

#[tokio::test]
async fn an_sqlite_file_has_write_ahead_logging() {
    let database = crate::database::Database::sqlite();
    database.migrate();
    assert_eq!(database.texts("PRAGMA journal_mode").await, ["wal"]);
}
