//! What former releases have made of a ChatApp is taken over as it is: an upgrade of the operator replaces no pod. The objects are
//! frozen in `operator/tests/releases`, a folder for each release; the integration tests let the operator meet them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};

use super::{fields::flatten, *};

/// What was changed on purpose: `Kind/name` and why.
#[derive(Deserialize)]
struct Changes {
    rolls: BTreeMap<String, String>,
    rewrites: BTreeMap<String, String>,
}

/// Where in an object is what its pods are made from, or CloudNativePG's instances.
const POD_MAKERS: [(&str, &str); 3] = [
    ("Deployment", "/spec/template/"),
    ("Pooler", "/spec/"),
    ("Cluster", "/spec/"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/releases")
}

fn read<T: DeserializeOwned>(path: &Path) -> T {
    let text = fs::read_to_string(path).expect("a file of a release");
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All objects of an app that has come up, as they are sent.
fn objects(app: &Path) -> Vec<Value> {
    let mut app: ChatApp = read(app);
    app.metadata.uid = Some("app-uid".to_owned());
    let mut world = World::of(&app);
    let plan = world.settle(&app);
    assert!(
        plan.verdicts.iter().all(|(_, verdict)| verdict.is_done()),
        "{:?}",
        plan.verdicts
    );
    let kinds = Kind::ALL.iter().filter(|kind| **kind != Kind::Pod);
    let objects = kinds.flat_map(|kind| world.observed.found(*kind));
    let objects = objects.cloned().map(|mut object| {
        object.as_object_mut().expect("an object").remove("status");
        let metadata = object["metadata"].as_object_mut().expect("metadata");
        metadata.remove("uid");
        metadata.remove("generation");
        object.sort_all_objects();
        object
    });
    objects.collect()
}

fn name_of(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!(
        "{}/{}",
        text(&object["kind"]),
        text(&object["metadata"]["name"])
    )
}

/// The paths that differ, by object.
fn differences(former: &[Value], present: &[Value]) -> BTreeMap<String, Vec<String>> {
    let by_name = |objects: &[Value]| -> BTreeMap<String, BTreeMap<String, Value>> {
        let objects = objects.iter().map(|object| {
            let mut values = BTreeMap::new();
            flatten(object, String::new(), &mut values);
            (name_of(object), values)
        });
        objects.collect()
    };
    let (former, present) = (by_name(former), by_name(present));
    let names: BTreeSet<&String> = former.keys().chain(present.keys()).collect();
    let none = BTreeMap::new();
    let differences = names.into_iter().map(|name| {
        let (former, present) = (
            former.get(name).unwrap_or(&none),
            present.get(name).unwrap_or(&none),
        );
        let paths: BTreeSet<&String> = former.keys().chain(present.keys()).collect();
        let differ = paths
            .into_iter()
            .filter(|path| former.get(*path) != present.get(*path));
        (name.clone(), differ.cloned().collect::<Vec<_>>())
    });
    differences.filter(|(_, paths)| !paths.is_empty()).collect()
}

fn rolls(name: &str, paths: &[String]) -> bool {
    let maker = POD_MAKERS
        .iter()
        .find(|(kind, _)| name.starts_with(&format!("{kind}/")));
    let is_new_job = name.starts_with("Job/");
    is_new_job
        || maker.is_some_and(|(_, pointer)| paths.iter().any(|path| path.starts_with(pointer)))
}

#[test]
fn the_objects_of_each_release_are_planned_again() {
    let folder = folder();
    let present = folder.join(env!("CARGO_PKG_VERSION"));
    if std::env::var_os("FREEZE").is_some() && !present.join("objects.yaml").exists() {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects(&present.join("chatapp.yaml"))});
        let yaml = serde_saphyr::to_string(&list).expect("YAML");
        let head = "# Written once by `./just freeze`; it stays as it is.\n";
        fs::write(present.join("objects.yaml"), format!("{head}{yaml}")).expect("it is written");
    }
    let releases: Vec<_> = fs::read_dir(&folder).expect("releases").collect();
    assert!(!releases.is_empty());
    for release in releases {
        let release = release.expect("a folder").path();
        let changes_file = release.join("changes.yaml");
        let changes: Changes = read(&changes_file);
        let frozen: Value = read(&release.join("objects.yaml"));
        let frozen = frozen["items"].as_array().expect("items");
        let differences = differences(frozen, &objects(&release.join("chatapp.yaml")));
        for (name, paths) in &differences {
            let (list, accepted, effect) = if rolls(name, paths) {
                (
                    "rolls",
                    &changes.rolls,
                    "pods are replaced, or Jobs run again, in every namespace",
                )
            } else {
                (
                    "rewrites",
                    &changes.rewrites,
                    "it is written anew in every namespace",
                )
            };
            assert!(
                accepted.contains_key(name),
                "{name} isn't what the operator of {} has made, so that where this operator takes over {effect}. Differences: {paths:#?}\n\
                 If it is not meant, plan it as before. If it is, write `{name}: why` to `{list}` in {}",
                release.display(),
                changes_file.display()
            );
        }
        for name in changes.rolls.keys().chain(changes.rewrites.keys()) {
            assert!(
                differences.contains_key(name),
                "{}: {name} is no change",
                changes_file.display()
            );
        }
    }
}

#[test]
fn what_replaces_pods_is_told_from_what_does_not() {
    let object = |image: &str, label: &str| {
        json!({"kind": "Deployment", "metadata": {"name": "a", "labels": {"l": label}},
            "spec": {"template": {"spec": {"containers": [{"image": image}]}}}})
    };
    let rolled = |former: Value, present: Value| -> Vec<bool> {
        let differences = differences(&[former], &[present]);
        differences
            .iter()
            .map(|(name, paths)| rolls(name, paths))
            .collect()
    };
    assert_eq!(rolled(object("1", "x"), object("2", "x")), [true]);
    assert_eq!(rolled(object("1", "x"), object("1", "y")), [false]);
    assert_eq!(rolled(object("1", "x"), object("1", "x")), [] as [bool; 0]);
}
