//! What becomes of each live object, as unified diffs of YAML. Bookkeeping of the API server and the operator's own notes are no
//! difference.

use serde_json::Value;
use similar::TextDiff;

use super::{
    merge,
    rehearsal::{Rehearsal, Rehearsed},
    stream::{until, when},
    yaml::{essence, render},
};
use crate::{
    kinds::Kind,
    plan::ownership::{Owner, Ownership},
};

/// Lines around a change.
const CONTEXT: usize = 3;

/// What there is of the objects that a plan wants, by kind and name.
pub(crate) trait Present {
    fn present(&self, kind: Kind, name: &str) -> Option<&Value>;
}

/// One diff for each object that changes, with a comment above it; empty if none does.
pub(crate) fn differences(
    rehearsal: &Rehearsal,
    owner: &Owner<'_>,
    live: &impl Present,
) -> Result<String, serde_saphyr::SerializeError> {
    let mut text = Vec::new();
    for deletion in &rehearsal.deletions {
        let (kind, name) = (deletion.kind.as_str(), deletion.name.as_str());
        let present = Kind::named(kind).and_then(|kind| live.present(kind, name));
        if let Some(present) = present {
            let is_made_anew = rehearsal.objects.iter().any(|object| {
                (object.child.kind(), object.child.name()) == (kind, name) && !object.is_passing
            });
            let what = if is_made_anew {
                "goes, and is made anew"
            } else {
                "goes"
            };
            text.push(format!("# {kind} {name} {what}\n"));
            text.push(unified(kind, name, &render(&essence(present))?, ""));
        }
    }
    let mut objects: Vec<&Rehearsed> = rehearsal.objects.iter().collect();
    objects.sort_by_key(|object| object.changes_after);
    for Rehearsed {
        changes_after,
        is_passing,
        child,
        ..
    } in objects
    {
        let (kind, name) = (child.kind(), child.name());
        let present = Kind::named(kind).and_then(|kind| live.present(kind, name));
        let (when, until) = (when(*changes_after), until(*is_passing));
        let Some(present) = present else {
            text.push(format!("# {kind} {name} is made {when}{until}\n"));
            text.push(unified(kind, name, "", &render(&essence(&child.object))?));
            continue;
        };
        // Above it is told that it goes.
        if *is_passing {
            continue;
        }
        let what = match owner.ownership_of_value(present) {
            Ownership::Ours => "changes",
            Ownership::LeftBehind => {
                "was left behind by a former ChatApp of the name and is adopted"
            }
            Ownership::Leaving => "is being deleted, and is made anew",
            Ownership::Foreign => {
                text.push(format!(
                    "# {kind} {name} exists already and does not belong to the ChatApp: it stays as it is, and the ChatApp waits\n"
                ));
                continue;
            }
        };
        let before = render(&essence(present))?;
        let after = render(&essence(&merge::applied(present, &child.object)))?;
        if before != after {
            text.push(format!("# {kind} {name} {what} {when}\n"));
            text.push(unified(kind, name, &before, &after));
        }
    }
    Ok(text.concat())
}

fn unified(kind: &str, name: &str, before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(
            &format!("live/{kind}/{name}"),
            &format!("planned/{kind}/{name}"),
        )
        .to_string()
}
