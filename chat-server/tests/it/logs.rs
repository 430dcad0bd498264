//! What is logged, and what never is.

use crate::on_both_storages;
use crate::postgres::PASSWORD;
use crate::program::chat_server;
use crate::server::Server;
use crate::wait;

on_both_storages! {
    async fn one_line_per_request(database) {
        let server = Server::start(&database).await;
        let chat = server.new_chat().await;
        server.transcript(&chat).await;
        server.say(&chat, " ").await;
        server.get("/nothing").await;
        let requests = || server.log_lines().into_iter().filter(|line| line["message"] == "request").collect::<Vec<_>>();
        wait::until("four requests are logged", async || requests().len() == 4).await;
        let expected =
            [("POST", "/start_chat", 200), ("GET", "/transcript/{chat_id}", 200), ("POST", "/message", 422), ("GET", "none", 404)];
        for (line, (method, route, status)) in requests().iter().zip(expected) {
            assert_eq!((&line["method"], &line["route"], &line["status"]), (&method.into(), &route.into(), &status.into()));
            assert!(line["duration_ms"].as_f64().is_some_and(|it| it > 0.0), "{line}");
        }
        assert!(!server.log().contains(&chat), "{}", server.log());
    }

    async fn no_message_text_and_no_password_however_much_is_logged(database) {
        database.migrate();
        let mut server = Server::spawn(
            chat_server(&["serve", "--listen", "127.0.0.1:0"])
                .env("DATABASE_URL", database.url())
                .env("LOG_FORMAT", "json")
                .env("RUST_LOG", "debug"),
        )
        .await;
        let chat = server.new_chat().await;
        server.say(&chat, "wombat-secret").await;
        server.transcript(&chat).await;
        server.say("wombat-secret", "wombat-secret").await;
        let not_json = server.request(reqwest::Method::POST, "/message").json("wombat-secret");
        not_json.send().await.expect("an answer");
        database.connect().await.execute("DROP TABLE messages").await;
        server.say(&chat, "wombat-secret").await.expect_error(503, "");
        server.signal("TERM");
        assert!(server.ended().await.success());
        wait::until("the end is logged", async || server.logged("stopped").is_some()).await;
        assert!(server.logged("the database failed").is_some(), "{}", server.log());
        for secret in ["wombat-secret", PASSWORD] {
            assert!(!server.log().contains(secret), "{}", server.log());
        }
    }
}

#[test]
fn a_misspelt_password_parameter_is_not_logged() {
    let refused = chat_server(&[
        "migrate",
        "--database-url",
        "postgres://a@127.0.0.1:1/b?passwort=hunter2",
    ])
    .env("RUST_LOG", "trace")
    .output()
    .expect("it runs");
    assert!(!String::from_utf8_lossy(&refused.stderr).contains("hunter2"));
}

#[test]
fn a_database_that_cannot_be_reached_is_named_without_its_password() {
    let refused = crate::program::migrate(&format!("postgres://app:{PASSWORD}@127.0.0.1:1/chat"));
    let refused = refused.expect_failure(1, "cannot migrate postgres://127.0.0.1:1/chat");
    assert!(!refused.stderr.contains(PASSWORD), "{refused:?}");
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
}
