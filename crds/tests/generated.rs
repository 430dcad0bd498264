//! The committed YAML is what the types say.

use std::{path::Path, process::Command};

#[test]
fn the_committed_crd_is_not_stale() {
    let output = Command::new(env!("CARGO_BIN_EXE_crdgen"))
        .output()
        .expect("crdgen runs");
    assert!(
        output.status.success(),
        "crdgen failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../manifests/platform/crds/chatapps.sillychat.io.yaml");
    let committed = std::fs::read_to_string(&path).expect("the committed CRD can be read");
    assert!(
        String::from_utf8_lossy(&output.stdout) == committed,
        "{} is stale: run ./just generate and commit it",
        path.display()
    );
}
