//! An import that is killed: it goes on where it ended.

use super::*;
use crate::on_both_storages;
use crate::wait;

const MESSAGES: usize = 250_000;

async fn count(database: &Database) -> usize {
    database
        .texts("SELECT CAST(count(*) AS text) FROM messages")
        .await[0]
        .parse()
        .expect("a number")
}

on_both_storages! {
    async fn goes_on_and_doubles_nothing(database) {
        database.migrate();
        let prototype = Prototype::with_messages(MESSAGES);
        let mut killed = 0;
        while killed < 3 {
            let before = count(&database).await;
            let mut import = prototype.begin_import(&database, &[]);
            wait::until("a batch is there", async || {
                count(&database).await > before || import.try_wait().expect("a child").is_some()
            })
            .await;
            import.kill().expect("killed");
            let ended = import.wait().expect("ended");
            if ended.code().is_some() {
                break;
            }
            killed += 1;
        }
        assert!(killed > 0, "no import was killed half-way");
        let rest = prototype.import(&database, &["--verify"]).expect_success();
        assert!(rest.stdout.contains(&format!("rows in the file  {MESSAGES}\n")), "{rest:?}");
        assert!(!rest.stdout.contains("done before       0\n"), "{rest:?}");
        assert!(rest.stdout.contains("deleted since     0\n"), "{rest:?}");
        assert_complete(&database, MESSAGES).await;
    }
}
