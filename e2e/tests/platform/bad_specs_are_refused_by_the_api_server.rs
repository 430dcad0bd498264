//! Mistakes that the API server itself refuses, in one sentence that says what to write instead. No operator, no
//! webhook: they are refused even when nothing runs.

use anyhow::{Result, ensure};
use e2e::kubectl;
use serde_json::{Value, json};

use crate::{World, example};

/// A mistake, as a merge patch of the example, and the words that its refusal must have.
struct Mistake {
    what: &'static str,
    patch: Value,
    told: &'static [&'static str],
}

fn mistakes() -> [Mistake; 5] {
    [
        Mistake {
            what: "two databases",
            patch: json!({"spec": {"database": {"external": {"urlSecretRef": {"name": "a", "key": "b"}}}}}),
            told: &["spec.database needs exactly one of", "write one of them"],
        },
        Mistake {
            what: "no database",
            // A new one: to take the database away from one that has it is another mistake.
            patch: json!({"metadata": {"name": "without"}, "spec": {"database": {"cluster": null}}}),
            told: &["spec.database needs exactly one of", "write one of them"],
        },
        Mistake {
            what: "a name that is too long",
            patch: json!({"metadata": {"name": "a-chat-with-a-name-much-too-long-for-all-its-children"}}),
            told: &[
                "metadata.name must have at most 40 characters",
                "choose a shorter name",
            ],
        },
        Mistake {
            what: "less storage than before",
            patch: json!({"spec": {"database": {"cluster": {"storage": {"size": "1Mi"}}}}}),
            told: &["can't shrink", "write the present size or a larger one"],
        },
        Mistake {
            what: "a variable that the operator sets",
            patch: json!({"spec": {"server": {"env": [{"name": "DATABASE_URL_FILE", "value": "/tmp/url"}]}}}),
            told: &[
                "DATABASE_URL_FILE",
                "are set by the operator",
                "remove them from spec.server.env",
            ],
        },
    ]
}

pub(crate) async fn story(world: &World) -> Result<()> {
    world.example.ready(&world.client).await?;
    let right = example::object()?;
    let answer = kubectl::dry_run(example::NAMESPACE, &right).await?;
    ensure!(
        answer.succeeded,
        "the example itself is refused: {}",
        answer.stderr
    );
    for Mistake { what, patch, told } in mistakes() {
        let wrong = example::patched(patch)?;
        let answer = kubectl::dry_run(example::NAMESPACE, &wrong).await?;
        ensure!(!answer.succeeded, "{what}: not refused");
        let missing: Vec<_> = told
            .iter()
            .filter(|word| !answer.stderr.contains(**word))
            .collect();
        ensure!(
            missing.is_empty(),
            "{what}: the refusal doesn't say {missing:?}: {}",
            answer.stderr
        );
        say!("{what}: {}", answer.stderr.replace('\n', " "));
    }
    Ok(())
}
