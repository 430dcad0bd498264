//! Files: which are read, and that none is changed.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use super::*;
use crate::on_both_storages;

#[track_caller]
fn assert_refused(prototype: &Prototype, code: i32, reason: &str) {
    let database = Database::sqlite();
    database.migrate();
    prototype
        .import(&database, &[])
        .expect_failure(code, reason);
}

#[test]
fn what_is_not_the_prototypes_file_is_refused() {
    let prototype = Prototype::without_tables();
    assert_refused(&prototype, 1, "No such file");
    fs::create_dir(prototype.path()).expect("made");
    assert_refused(&prototype, 1, "is a directory");
    fs::remove_dir(prototype.path()).expect("removed");
    fs::write(prototype.path(), "chat_id,time,sender,text\n".repeat(100)).expect("written");
    assert_refused(&prototype, 3, "is not an SQLite database");
    fs::write(prototype.path(), "").expect("written");
    assert_refused(&prototype, 3, "has no table `messages`");
    prototype.execute(
        "CREATE VIEW messages AS SELECT 1 AS chat_id, 2 AS time, 'USER' AS sender, 'hi' AS text",
    );
    assert_refused(&prototype, 3, "has no table `messages`");
    prototype.execute("DROP VIEW messages; CREATE TABLE messages (chat_id, time, text)");
    assert_refused(&prototype, 3, "no column `sender`");
    prototype.execute("DROP TABLE messages; CREATE TABLE messages (chat_id, time, sender, text, PRIMARY KEY (chat_id, time)) WITHOUT ROWID");
    assert_refused(&prototype, 3, "has no row numbers");
}

on_both_storages! {
    async fn a_schema_that_is_behind_is_refused(database) {
        Prototype::with_messages(1)
            .import(&database, &[])
            .expect_failure(1, "5 migration(s) behind: run `chat-server migrate`");
    }

    async fn a_file_without_messages_is_no_error(database) {
        database.migrate();
        let prototype = Prototype::new();
        prototype.import(&database, &["--verify"]).expect_success();
        prototype.append(0..10);
        prototype.import(&database, &["--verify"]).expect_success();
        assert_complete(&database, 10).await;
    }

    async fn a_file_is_read_while_the_prototype_writes_to_it(database) {
        database.migrate();
        let prototype = Prototype::new();
        prototype.execute("PRAGMA journal_mode = WAL");
        prototype.append(0..100);
        let mut writer = prototype.open();
        let transaction = writer.transaction().expect("begun");
        transaction
            .execute("INSERT INTO messages VALUES ('x', 1, 'USER', 'not committed')", [])
            .expect("inserted");
        prototype.import(&database, &["--verify"]).expect_success();
        transaction.rollback().expect("rolled back");
        assert_complete(&database, 100).await;
    }

    async fn a_file_is_read_where_nothing_can_be_written(database) {
        database.migrate();
        let prototype = Prototype::new();
        prototype.execute("PRAGMA journal_mode = WAL");
        prototype.append(0..100);
        let directory = prototype.path().parent().expect("a directory").to_owned();
        let set_mode = |mode| fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).expect("set");
        set_mode(0o555);
        let (file, url) = (prototype.path(), database.url());
        let import = program::chat_server(&["import", "sqlite", "--verify", "--database-url", &url]);
        // Modes don't bind root, unless it gives that up.
        let is_root = fs::metadata("/proc/self").expect("proc is mounted").uid() == 0;
        let bound: &[&str] = if is_root {
            &["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
        } else {
            &["env"]
        };
        let finished = Command::new(bound[0])
            .args(&bound[1..])
            .arg(import.get_program())
            .args(import.get_args())
            .arg(file)
            .env_clear()
            .output();
        set_mode(0o755);
        Finished::from(finished.expect("it runs")).expect_success();
        assert_eq!(fs::read_dir(&directory).expect("listed").count(), 1);
        assert_complete(&database, 100).await;
    }

    async fn the_file_stays_as_it_is(database) {
        database.migrate();
        let prototype = Prototype::with_messages(100);
        let before = fs::read(prototype.path()).expect("read");
        prototype.import(&database, &["--verify"]).expect_success();
        assert!(fs::read(prototype.path()).expect("read") == before);
    }
}
