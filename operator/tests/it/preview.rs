//! `chatapp-operator plan --diff` against a real API server: it tells what would change, as `kubectl diff` does, and changes nothing.

use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    audit::Request,
    command::{Said, kubeconfig, plan},
    world::{APP, CONTENT, World, app, spec, spec_with_content},
};

fn diff(world: &World<'_>, server: &ApiServer, manifests: &str) -> Said {
    let kubeconfig = kubeconfig(server, &world.directory);
    let namespace = world.namespace.clone();
    plan(
        manifests,
        &[
            "--diff",
            "--kubeconfig",
            &kubeconfig,
            "--namespace",
            &namespace,
        ],
    )
}

fn manifest(spec: &Value) -> String {
    json!(app(APP, spec)).to_string()
}

#[tokio::test]
async fn what_would_change_is_told_and_nothing_is_changed() {
    let server = ApiServer::shared().await;
    let world = World::new(server, "diff").await;
    world.write_content("greetings: [Hello]").await;
    let mut spec = spec_with_content();
    spec["retention"] = json!({"days": 30});
    spec["server"]["resources"] = json!({"requests": {"cpu": "1000m", "memory": "1024Mi"}});
    spec["server"]["env"] = json!([{"name": "EMPTY", "value": ""}, {"name": "GONE", "value": "1"}]);
    world.create_app(spec.clone()).await;
    world.bring_up().await;
    let before = world.requests().len();

    let same = diff(&world, server, &manifest(&spec));
    assert_eq!((same.code, same.out.as_str()), (0, ""), "{same:?}");

    spec["server"]["image"] = json!("registry.example.org/chat-server:2");
    spec["server"]["env"] = json!([{"name": "EMPTY", "value": ""}]);
    spec.as_object_mut().expect("a spec").remove("retention");
    let changed = diff(&world, server, &manifest(&spec));
    assert_eq!(changed.code, 1, "{changed:?}");
    for told in [
        "# CronJob demo-purge goes\n",
        " is made when the database is ready (DatabaseReady)\n--- live/Job/demo-migrate-",
        "# Deployment demo-server changes when the content is loaded (ContentLoaded)\n",
        "\n-        image: registry.example.org/chat-server:1\n+        image: registry.example.org/chat-server:2\n",
        "\n-        - name: GONE\n-          value: \"1\"\n",
    ] {
        assert!(changed.out.contains(told), "{told}\n{}", changed.out);
    }
    for untold in [
        "managedFields",
        "applied-hash",
        "applied-template",
        "demo-frontend",
    ] {
        assert!(!changed.out.contains(untold), "{untold}\n{}", changed.out);
    }

    // The content beside it in the file is the one that counts.
    let words = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONTENT}, "data": {"content.yaml": "greetings: [Bye]"}});
    let content = diff(
        &world,
        server,
        &format!("{words}\n---\n{}", manifest(&spec)),
    );
    assert!(content.out.contains("greetings: [Bye]"), "{}", content.out);

    let requests = world.requests();
    let writes = requests[before..]
        .iter()
        .filter(|request| request.is_change() && !request.is_by_operator());
    assert_eq!(writes.map(Request::what).collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn a_chat_app_that_is_not_there_is_all_new() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "diff-new").await;
    world
        .create_service(
            json!({"metadata": {"name": "demo-server"}, "spec": {"ports": [{"port": 1}]}}),
        )
        .await;
    let said = diff(&world, server, &manifest(&spec()));
    assert_eq!(said.code, 1, "{said:?}");
    for told in [
        "# Service demo-server exists already and does not belong to the ChatApp",
        "# Cluster demo-db is made at once\n",
        "# Deployment demo-frontend is made when the servers serve (ServerAvailable)\n",
    ] {
        assert!(said.out.contains(told), "{told}\n{}", said.out);
    }
}

#[tokio::test]
async fn errors_name_the_file_the_document_and_the_way_out() {
    let two = format!(
        "{}\n---\n{}",
        manifest(&spec()),
        json!({"apiVersion": "sillychat.io/v1alpha1", "kind": "ChatApp", "metadata": {"name": "other"}, "spec": {"server": {"imagee": "x"}}})
    );
    let said = plan(&two, &[]);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    let lines: Vec<&str> = said.errors.lines().collect();
    assert!(
        lines.contains(&"error: standard input:3, ChatApp other: spec.server.imagee: unknown field, did you mean \"image\"?"),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"error: standard input:3, ChatApp other: spec.frontend: Required value"),
        "{lines:?}"
    );
    let none = plan("apiVersion: v1\nkind: Namespace\nmetadata: {name: x}", &[]);
    assert!(
        none.errors.contains("there is no ChatApp in"),
        "{}",
        none.errors
    );
    let no_cluster = plan(&manifest(&spec()), &["--diff", "--kubeconfig", "/nowhere"]);
    assert_eq!(no_cluster.code, 2);
    assert!(
        no_cluster.errors.contains("--kubeconfig or KUBECONFIG"),
        "{}",
        no_cluster.errors
    );
}
