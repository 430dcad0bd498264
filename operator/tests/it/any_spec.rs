//! The specs of the property tests (operator/src/plan/tests/properties.rs) on a real API server: it accepts them, and what it makes
//! of the children is what is wanted.

#[path = "../../src/plan/tests/specs.rs"]
mod specs;

use std::collections::BTreeMap;

use chatapp_crds::ChatApp;
use kube::api::{Patch, PatchParams, PostParams};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::{Value, json};

use crate::{
    api_server::ApiServer,
    audit::Request,
    wait::try_until,
    world::{CONTENT, World, app},
};

/// Each pass reads the content: that is how a pass is seen from the outside.
const PASS: &str = "get configmaps/content";
/// ChatApps that the operator has at a time.
const APPS: usize = 8;

/// The same ones each time, by name.
fn samples(count: usize) -> BTreeMap<String, Value> {
    let mut runner = TestRunner::deterministic();
    let strategy = (specs::name(), specs::spec());
    let mut samples = BTreeMap::new();
    while samples.len() < count {
        let (name, spec) = strategy.new_tree(&mut runner).expect("a sample").current();
        samples.insert(name, spec);
    }
    samples
}

#[tokio::test]
async fn any_spec_of_the_property_tests_is_accepted() {
    let server = ApiServer::shared().await;
    let world = World::without_operator(server, "any-spec-accepted").await;
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    for (name, spec) in samples(150) {
        let created = world.api().create(&params, &app(&name, &spec)).await;
        created.unwrap_or_else(|error| panic!("{name}: {error}\n{spec}"));
    }
}

#[tokio::test]
async fn what_comes_of_any_spec_is_left_alone() {
    let server = ApiServer::shared().await;
    let mut world = World::new(server, "any-spec").await;
    world.write_content("greetings: [a]").await;
    let mut samples = samples(APPS);
    for (name, spec) in &mut samples {
        spec["content"] = json!({"configMapRef": {"name": CONTENT}});
        // Finer than what the API server keeps of pods: of so few samples none may have it.
        spec["frontend"]["resources"] =
            json!({"requests": {"cpu": "12.5m", "memory": "0.33333Gi"}});
        let created = world
            .api()
            .create(&PostParams::default(), &app(name, spec))
            .await;
        created.unwrap_or_else(|error| panic!("{name}: {error}\n{spec}"));
    }
    // At last a look at all of them changes nothing.
    let mut changes = Vec::new();
    let quiet = try_until(async || {
        let before = world.requests().len();
        for name in samples.keys() {
            touch(&world, name).await;
        }
        try_until(async || (passes(&world, before) >= APPS).then_some(())).await?;
        world.play().await?;
        changes = changes_since(&world, before);
        changes.is_empty().then_some(())
    });
    assert!(quiet.await.is_some(), "{changes:?}\n{samples:#?}");
    // And not to a new operator.
    world.stop_operator();
    let before = world.requests().len();
    world.start_operator().await;
    world
        .until("a look at all", async || {
            (passes(&world, before) >= APPS).then_some(())
        })
        .await;
    world.stop_operator();
    assert_eq!(changes_since(&world, before), [""; 0]);
}

async fn touch(world: &World<'_>, name: &str) {
    let now = jiff::Timestamp::now().to_string();
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"example.org/touched": now}}}));
    let patched = world
        .api::<ChatApp>()
        .patch(name, &PatchParams::default(), &patch)
        .await;
    patched.expect("a touch");
}

fn passes(world: &World<'_>, since: usize) -> usize {
    let requests = world.requests();
    let passes = requests[since..].iter();
    passes
        .filter(|request| request.is_by_operator() && request.what() == PASS)
        .count()
}

fn changes_since(world: &World<'_>, since: usize) -> Vec<String> {
    let requests = world.requests();
    let changes = requests[since..]
        .iter()
        .filter(|request| request.is_change_by_operator());
    changes.map(Request::what).collect()
}
