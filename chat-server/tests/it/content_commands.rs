//! `content check`, `apply`, `clear` and `export`: what is valid is kept byte by byte, what isn't changes nothing.

use std::process::Stdio;

use crate::database::Database;
use crate::on_both_storages;
use crate::program::{Finished, chat_server, run, run_with_input};

/// With everything that a rewriting would lose: comments, order, line ends, no last line break.
const WRITTEN: &str = "# ours\r\ngreetings: [ ahoy,  'hi' ]\r\n\r\nfallbacks:\n- |\n  two\n  lines\ndialogues:\n\
    - text: [\"Grüße\", \u{1f44b}]  # wave\n  replies: &r [ 'servus' ]\n- {replies: *r, text: yes}\n# the end";

const REFUSED: &str = "greetings: [a]\nfallbacks: []\ndialogues:\n- {text: A, replies: [b]}\n- {text: a, replies: ['']}\n";

/// Content that greets with a word.
pub(crate) fn greeting(word: &str) -> String {
    format!("greetings: [{word}]\nfallbacks: [what?]\ndialogues: [{{text: a, replies: [b]}}]\n")
}

fn check(yaml: &[u8]) -> Finished {
    run_with_input(&["content", "check", "-"], yaml)
}

pub(crate) fn apply(database: &Database, yaml: &str) -> Finished {
    apply_to(&database.url(), yaml)
}

pub(crate) fn apply_to(url: &str, yaml: &str) -> Finished {
    run_with_input(
        &["content", "apply", "-", "--database-url", url],
        yaml.as_bytes(),
    )
}

/// What is written to the file that `OUTCOME_FILE` names.
fn outcome(database: &Database, yaml: &str, code: i32) -> serde_json::Value {
    let directory = tempfile::tempdir().expect("a directory");
    let [content, outcome] = ["content.yaml", "outcome"].map(|name| directory.path().join(name));
    std::fs::write(&content, yaml).expect("it is written");
    let finished = chat_server(&["content", "apply", "--database-url", &database.url()])
        .arg(content)
        .env("OUTCOME_FILE", &outcome)
        .output()
        .map(Finished::from)
        .expect("chat-server runs");
    assert_eq!(finished.code, Some(code), "{finished:?}");
    serde_json::from_slice(&std::fs::read(outcome).expect("a file")).expect("JSON")
}

fn export(database: &Database) -> Finished {
    run(&["content", "export", "--database-url", &database.url()])
}

async fn rows(database: &Database) -> Vec<String> {
    let row = "SELECT CAST(version AS TEXT) || ' ' || CAST(applied_at AS TEXT) || ' ' || yaml FROM content";
    database.texts(row).await
}

on_both_storages! {
    async fn what_is_applied_is_exported_byte_by_byte(database) {
        database.migrate();
        apply(&database, WRITTEN).expect_success();
        let exported = export(&database).expect_success();
        assert_eq!(exported.stdout, WRITTEN);
        assert_eq!(exported.stderr, "");
    }

    async fn where_nothing_was_applied_the_built_in_content_is_exported(database) {
        database.migrate();
        let exported = export(&database).expect_success();
        assert_eq!(exported.stdout, include_str!("../../content/default.yaml"));
        assert!(exported.stderr.contains("built-in"), "{exported:?}");
    }

    async fn the_difference_is_told(database) {
        database.migrate();
        let first = apply(&database, &greeting("ahoy")).expect_success();
        for told in ["greeting added: \"ahoy\"", "dialogue added: \"a\"", "dialogue removed: \"hello\"", "version 1 is in force"] {
            assert!(first.stdout.contains(told), "{told}: {first:?}");
        }
        let second = apply(&database, &greeting("hi").replace("[b]", "[b, c]")).expect_success();
        let expected = ["greeting added: \"hi\"", "greeting removed: \"ahoy\"", "dialogue changed: \"a\" (replies: 1 added, 0 removed)"];
        assert_eq!(second.stdout.lines().take(3).collect::<Vec<_>>(), expected);
        assert!(second.stdout.ends_with("version 2 is in force\n"), "{second:?}");
        assert!(!second.stdout.contains(crate::postgres::PASSWORD), "{second:?}");
    }

    async fn the_same_text_again_writes_nothing(database) {
        database.migrate();
        apply(&database, WRITTEN).expect_success();
        let before = rows(&database).await;
        let again = apply(&database, WRITTEN).expect_success();
        assert!(again.stdout.contains("nothing changed"), "{again:?}");
        assert_eq!(rows(&database).await, before);
    }

    async fn a_refused_file_leaves_the_database_as_it_was(database) {
        database.migrate();
        apply(&database, REFUSED).expect_failure(3, "-:2: fallbacks must not be empty");
        assert!(rows(&database).await.is_empty());
        apply(&database, WRITTEN).expect_success();
        let before = rows(&database).await;
        let refused = apply(&database, REFUSED).expect_failure(3, "-:5: dialogues[1].text is the same as on line 4");
        assert_eq!(refused.stdout, "");
        assert_eq!(rows(&database).await, before);
    }

    async fn what_is_removed_makes_room_for_the_built_in_content(database) {
        database.migrate();
        apply(&database, WRITTEN).expect_success();
        let clear = || run(&["content", "clear", "--database-url", &database.url()]).expect_success();
        assert!(clear().stdout.contains("version 1 is removed"));
        assert!(rows(&database).await.is_empty());
        assert!(clear().stdout.contains("nothing was applied"));
    }

    async fn how_it_ended_is_told_to_the_program_that_started_it(database) {
        database.migrate();
        let told = outcome(&database, WRITTEN, 0);
        assert_eq!(told["message"], "version 1 is in force: greetings 2, fallbacks 1, dialogues 2 (texts 3, replies 2)");
        let told = outcome(&database, REFUSED, 3);
        let message = told["message"].as_str().expect("a text");
        assert!(message.starts_with("line 2: fallbacks must not be empty; line 5: "), "{message}");
    }

    async fn content_that_a_hand_broke_can_be_exported_and_replaced(database) {
        database.migrate();
        apply(&database, WRITTEN).expect_success();
        database.connect().await.execute("UPDATE content SET yaml = 'broken: ['").await;
        assert_eq!(export(&database).expect_success().stdout, "broken: [");
        let repaired = apply(&database, WRITTEN).expect_success();
        assert!(repaired.stdout.contains("can't be read"), "{repaired:?}");
        assert_eq!(export(&database).expect_success().stdout, WRITTEN);
    }

    async fn those_at_once_follow_one_another_and_each_is_whole(database) {
        database.migrate();
        let directory = tempfile::tempdir().expect("a directory");
        let running: Vec<_> = (0..6)
            .map(|number| {
                let file = directory.path().join(number.to_string());
                std::fs::write(&file, greeting(&format!("number {number}"))).expect("it is written");
                chat_server(&["content", "apply", "--database-url", &database.url()])
                    .arg(file)
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .expect("chat-server runs")
            })
            .collect();
        let mut last = None;
        let mut versions = Vec::new();
        for (number, child) in running.into_iter().enumerate() {
            let told = Finished::from(child.wait_with_output().expect("it ends")).expect_success().stdout;
            let version = told.lines().last().and_then(|line| line.split("version ").nth(1)).expect("a version").to_owned();
            if version.starts_with("6 ") {
                last = Some(number);
            }
            versions.push(version);
        }
        versions.sort();
        assert_eq!(versions, (1..=6).map(|it| format!("{it} is in force")).collect::<Vec<_>>());
        let winner = greeting(&format!("number {}", last.expect("one was the last")));
        assert_eq!(export(&database).expect_success().stdout, winner);
    }

    async fn a_schema_that_is_behind_is_refused(database) {
        apply(&database, WRITTEN).expect_failure(1, "run `chat-server migrate`");
        export(&database).expect_failure(1, "run `chat-server migrate`");
    }
}

#[test]
fn a_valid_file_is_summed_up() {
    let checked = check(WRITTEN.as_bytes()).expect_success();
    assert_eq!(
        checked.stdout,
        "-: valid: greetings 2, fallbacks 1, dialogues 2 (texts 3, replies 2)\n"
    );
    assert_eq!(checked.stderr, "");
}

#[test]
fn the_content_in_this_repository_is_valid() {
    for file in [
        "content/default.yaml",
        "../manifests/chatapp/envs/dev/content.yaml",
    ] {
        let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
        run(&["content", "check", &path]).expect_success();
    }
}

#[test]
fn every_problem_of_a_refused_file_is_a_line_that_editors_understand() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), REFUSED).expect("it is written");
    let path = file.path().to_str().expect("UTF-8");
    let refused = run(&["content", "check", path]).expect_failure(3, "problems: 3");
    let expected = [
        "2: fallbacks must not be empty",
        "5: dialogues[1].text is the same as on line 4, except for case and surrounding blanks",
        "5: dialogues[1].replies[0] must not be blank",
    ]
    .map(|problem| format!("{path}:{problem}"));
    assert_eq!(refused.stderr.lines().take(3).collect::<Vec<_>>(), expected);
    assert_eq!(refused.stdout, "");
}

#[test]
fn what_is_no_content_file_at_all_is_refused() {
    check(b"").expect_failure(3, "-:1: ");
    check(b"# fine\n\xff\n").expect_failure(3, "-:2: the file must be UTF-8");
    check(&vec![b'#'; 3_000_000])
        .expect_failure(3, "-:1: the file must not be larger than 1048576 bytes");
    run(&["content", "check", "/dev/zero"]).expect_failure(3, "must not be larger");
    run(&["content", "check", "/nowhere/content.yaml"])
        .expect_failure(1, "cannot read /nowhere/content.yaml");
    run(&["content", "check", "/tmp"]).expect_failure(1, "cannot read /tmp");
    run(&["content", "check"]).expect_failure(2, "FILE");
    run(&["content", "apply", "file"]).expect_failure(2, "--database-url");
}

#[test]
fn a_database_that_is_not_there_is_named() {
    let url = "sqlite:///nowhere/chat.db";
    let applied = run_with_input(
        &["content", "apply", "-", "--database-url", url],
        WRITTEN.as_bytes(),
    );
    applied.expect_failure(1, "migrate");
    let url = format!(
        "postgres://a:{}@127.0.0.1:1/chat",
        crate::postgres::PASSWORD
    );
    let exported = run(&["content", "export", "--database-url", &url]);
    let exported = exported.expect_failure(1, "127.0.0.1:1");
    assert!(!exported.stderr.contains(crate::postgres::PASSWORD));
}
