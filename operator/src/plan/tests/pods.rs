//! What keeps a pod from its start is named, and what to do about it.

use super::*;

/// An app with servers on a database of somebody else's, of which a pod is being created.
fn external() -> (ChatApp, World) {
    let external = json!({"urlSecretRef": {"name": "db", "key": "address"}});
    let app = with(
        &json!({"database": {"cluster": null, "external": external}, "imagePullSecrets": [{"name": "pull"}]}),
    );
    let mut world = World::of(&app);
    world.has_content_of(&app);
    world.jobs_end(&app);
    server_pod(&mut world);
    (app, world)
}

fn told(app: &ChatApp, world: &mut World, reason: &str, message: &str) -> Reason {
    let waiting = waiting_container(reason, message);
    world.object(Kind::Pod, "demo-server-1")["status"]["containerStatuses"] = json!([waiting]);
    verdict(&world.pass(app), ServerAvailable).reason().clone()
}

#[test]
fn a_secret_that_can_not_be_mounted_is_named_with_its_key() {
    let (app, mut world) = external();
    let created = told(&app, &mut world, "ContainerCreating", "");
    assert_eq!(created.reason, "RollingOut");
    assert!(created.message.contains("Secret db"), "{created:?}");

    let note = "MountVolume.SetUp failed for volume \"database\" : secret \"db\" not found";
    world
        .observed
        .tell_of(Kind::Pod, "demo-server-1", "FailedMount", note);
    let missing = told(&app, &mut world, "ContainerCreating", "");
    assert_eq!(missing.reason, "FailedMount");
    for told in [
        "pod demo-server-1",
        "secret \"db\" not found",
        "create Secret db with key address in this namespace",
    ] {
        assert!(missing.message.contains(told), "{told}: {missing:?}");
    }
    // An event stays for an hour.
    let pod = world.object(Kind::Pod, "demo-server-1");
    pod["status"]["conditions"] = json!([]);
    assert_eq!(told(&app, &mut world, "", "").reason, "RollingOut");
}

#[test]
fn a_secret_to_pull_an_image_with_that_does_not_exist_is_named() {
    let (app, mut world) = external();
    let note = "Unable to retrieve some image pull secrets (pull); attempting to pull the image may not succeed.";
    let event = "FailedToRetrieveImagePullSecret";
    world
        .observed
        .tell_of(Kind::Pod, "demo-server-1", event, note);
    let missing = told(
        &app,
        &mut world,
        "ImagePullBackOff",
        "Back-off pulling image",
    );
    assert_eq!(missing.reason, "ImagePullBackOff");
    let remedy =
        "Secret pull, which it is to be pulled with, does not exist: create it in this namespace";
    assert!(missing.message.contains(remedy), "{missing:?}");
}

#[test]
fn a_variable_from_what_does_not_exist_says_what_to_do() {
    let (app, mut world) = external();
    let reason = "CreateContainerConfigError";
    let missing = told(&app, &mut world, reason, "secret \"tokens\" not found");
    assert_eq!(missing.reason, reason);
    for told in ["secret \"tokens\" not found", "correct spec.server.env"] {
        assert!(missing.message.contains(told), "{told}: {missing:?}");
    }
}

#[test]
fn only_pods_that_wait_for_long_are_asked_about() {
    let (app, mut world) = external();
    let _ = told(&app, &mut world, "ContainerCreating", "");
    let pod = world.object(Kind::Pod, "demo-server-1");
    pod["metadata"]["uid"] = json!("u");
    pod["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:30Z");
    let asked = |world: &World, before: &str| {
        let before = before.parse().expect("a time");
        world.observed.pods_that_may_miss_something(before)
    };
    assert_eq!(asked(&world, "2026-01-01T00:00:30Z"), []);
    let ours = ("demo-server-1".to_owned(), "u".to_owned());
    assert_eq!(asked(&world, "2026-01-01T00:00:31Z"), [ours]);
    let _ = told(&app, &mut world, "CrashLoopBackOff", "");
    assert_eq!(asked(&world, "2026-01-01T00:00:31Z"), []);
}
