//! An import beside a running server: neither keeps the other from working.

use super::*;
use crate::on_both_storages;
use crate::server::Server;

const MESSAGES: usize = 60_000;

on_both_storages! {
    async fn people_go_on_chatting(database) {
        database.migrate();
        let server = Server::start_with(&["--rate-limit", "0", "--database-url", &database.url()]).await;
        let chat = server.new_chat().await;
        let prototype = Prototype::with_messages(MESSAGES);
        let mut import = prototype.begin_import(&database, &[]);
        let mut said = 0;
        while import.try_wait().expect("a child").is_none() {
            let answer = server.say(&chat, &format!("line {said}")).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            said += 1;
        }
        let ended = Finished::from(import.wait_with_output().expect("ended")).expect_success();
        assert!(ended.stdout.contains(&format!("imported          {MESSAGES}\n")), "{ended:?}");
        assert!(said > 0);
        let transcript = server.transcript(&chat).await;
        let lines: Vec<_> = transcript.body["messages"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|message| message["sender"] == "USER")
            .map(|message| message["text"].as_str().expect("a text").to_owned())
            .collect();
        let expected: Vec<_> = (0..said).map(|number| format!("line {number}")).collect();
        assert_eq!(lines, expected);
        database.connect().await.execute("DELETE FROM messages WHERE import_key IS NULL").await;
        assert_complete(&database, MESSAGES).await;
        prototype.import(&database, &["--verify"]).expect_success();
    }
}
