//! Running again: what is new is imported, and nothing else.

use super::*;
use crate::on_both_storages;

on_both_storages! {
    async fn doubles_nothing(database) {
        database.migrate();
        let prototype = Prototype::with_messages(2000);
        prototype.import(&database, &[]).expect_success();
        let before = written(&database).await;
        let again = prototype.import(&database, &["--verify"]).expect_success();
        assert!(again.stdout.contains("done before       2000\n"), "{again:?}");
        assert!(again.stdout.contains("imported          0\n"), "{again:?}");
        assert_eq!(written(&database).await, before);
        assert_complete(&database, 2000).await;
    }

    async fn takes_what_was_appended(database) {
        database.migrate();
        let prototype = Prototype::with_messages(150);
        prototype.import(&database, &[]).expect_success();
        prototype.append(150..400);
        let again = prototype.import(&database, &["--verify"]).expect_success();
        assert!(again.stdout.contains("done before       150\n"), "{again:?}");
        assert!(again.stdout.contains("imported          250\n"), "{again:?}");
        assert_complete(&database, 400).await;
    }

    async fn leaves_deleted_what_was_deleted(database) {
        database.migrate();
        let prototype = Prototype::with_messages(1000);
        prototype.import(&database, &[]).expect_success();
        database
            .connect()
            .await
            .execute("DELETE FROM messages WHERE CAST(chat_id AS text) LIKE '%1'; DELETE FROM chats WHERE CAST(id AS text) LIKE '%1'")
            .await;
        let after_deletion = written(&database).await;
        prototype.append(1000..1010);
        prototype.execute("UPDATE messages SET chat_id = 'later' WHERE rowid > 1000");
        let again = prototype.import(&database, &["--verify"]).expect_success();
        assert!(again.stdout.contains("imported          10\n"), "{again:?}");
        assert!(again.stdout.contains("differing         0\n"), "{again:?}");
        assert!(!again.stdout.contains("deleted since     0\n"), "{again:?}");
        assert_ne!(after_deletion, written(&database).await);
        let back = database.texts("SELECT body FROM messages WHERE CAST(chat_id AS text) LIKE '00000000-%1'").await;
        assert!(back.is_empty(), "{back:?}");
    }

    async fn a_copy_of_the_file_is_the_same_file(database) {
        database.migrate();
        let prototype = Prototype::with_messages(100);
        prototype.import(&database, &[]).expect_success();
        let copy = prototype.file("copy.db");
        std::fs::copy(prototype.path(), &copy).expect("copied");
        let again = import(&copy, &database, &[]).expect_success();
        assert!(again.stdout.contains("imported          0\n"), "{again:?}");
    }

    async fn another_file_is_another_import(database) {
        database.migrate();
        Prototype::with_messages(100).import(&database, &[]).expect_success();
        let other = Prototype::new();
        other.say(OTHER.to_owned(), 1, "USER".to_owned(), "I am new here".to_owned());
        let imported = other.import(&database, &["--verify"]).expect_success();
        assert!(imported.stdout.contains("imported          1\n"), "{imported:?}");
    }

    async fn rows_that_were_numbered_anew_are_refused(database) {
        database.migrate();
        let prototype = Prototype::with_messages(500);
        prototype.import(&database, &[]).expect_success();
        prototype.execute("DELETE FROM messages WHERE rowid BETWEEN 100 AND 110; VACUUM");
        let before = written(&database).await;
        prototype.import(&database, &[]).expect_failure(3, "the file ends at row 489, but was imported up to row 500");
        prototype.append(500..600);
        prototype.import(&database, &[]).expect_failure(3, "numbered anew");
        assert_eq!(written(&database).await, before);
    }

    async fn a_file_whose_first_rows_were_deleted_is_refused(database) {
        database.migrate();
        let prototype = Prototype::with_messages(500);
        prototype.import(&database, &[]).expect_success();
        prototype.execute("DELETE FROM messages WHERE rowid < 10");
        let before = written(&database).await;
        prototype.import(&database, &[]).expect_failure(3, "message 10 of the file was imported before");
        prototype.execute("VACUUM");
        prototype.import(&database, &[]).expect_failure(3, "was imported before");
        assert_eq!(written(&database).await, before);
    }

    async fn two_at_once_import_once(database) {
        database.migrate();
        let prototype = Prototype::with_messages(30_000);
        let running: Vec<_> = (0..3).map(|_| prototype.begin_import(&database, &[])).collect();
        let ended: Vec<_> = running
            .into_iter()
            .map(|child| Finished::from(child.wait_with_output().expect("it ends")))
            .collect();
        assert!(ended.iter().any(|it| it.code == Some(0)), "{ended:?}");
        for other in ended.into_iter().filter(|it| it.code != Some(0)) {
            other.expect_failure(1, "another import");
        }
        prototype.import(&database, &["--verify"]).expect_success();
        assert_complete(&database, 30_000).await;
    }
}
