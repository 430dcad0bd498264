//! The objects by ChatApp: a pass looks at its own children only, however many others there are.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    found::Found,
    packed::{Packed, Packer},
};
use crate::kinds::Kind;

/// Namespace and name.
pub(crate) type Key = (String, String);

#[derive(Default)]
pub(crate) struct Index {
    by_app: HashMap<Key, BTreeMap<(Kind, String), Packed>>,
    /// The ChatApp that an object is filed under: its label may change.
    app_of: HashMap<Kind, HashMap<Key, String>>,
    packers: HashMap<Kind, Packer>,
    /// Objects of a kind that is being listed anew: what isn't among them at the end is gone.
    listed: HashMap<Kind, HashSet<Key>>,
}

impl Index {
    /// Files the object. Returns the ChatApps that it touches: none if it is as before.
    pub(crate) fn put(&mut self, kind: Kind, found: Found) -> Vec<Key> {
        let key = (found.namespace().to_owned(), found.name().to_owned());
        if let Some(listed) = self.listed.get_mut(&kind) {
            listed.insert(key.clone());
        }
        let packed = self.packers.entry(kind).or_default().pack(&found.text);
        let app = (key.0.clone(), found.app);
        let mut touched = Vec::new();
        let filed = self.app_of.get(&kind).and_then(|apps| apps.get(&key));
        if filed.is_some_and(|filed| *filed != app.1) {
            touched.extend(self.remove(kind, &key));
        }
        let children = self.by_app.entry(app.clone()).or_default();
        let is_same = children.get(&(kind, key.1.clone())) == Some(&packed);
        if !is_same {
            children.insert((kind, key.1.clone()), packed);
            self.app_of
                .entry(kind)
                .or_default()
                .insert(key, app.1.clone());
            touched.push(app);
        }
        touched
    }

    /// Returns the ChatApp that it touches.
    pub(crate) fn remove(&mut self, kind: Kind, key: &Key) -> Option<Key> {
        let app = self.app_of.get_mut(&kind)?.remove(key)?;
        let app = (key.0.clone(), app);
        if let Some(children) = self.by_app.get_mut(&app) {
            children.remove(&(kind, key.1.clone()));
            if children.is_empty() {
                self.by_app.remove(&app);
            }
        }
        Some(app)
    }

    /// From now on the kind is listed anew.
    pub(crate) fn start_list(&mut self, kind: Kind) {
        self.listed.insert(kind, HashSet::new());
    }

    /// The list is complete. Returns the ChatApps of what is gone.
    pub(crate) fn end_list(&mut self, kind: Kind) -> Vec<Key> {
        let listed = self.listed.remove(&kind).unwrap_or_default();
        let filed = self.app_of.get(&kind).into_iter().flat_map(HashMap::keys);
        let gone: Vec<Key> = filed
            .filter(|key| !listed.contains(*key))
            .cloned()
            .collect();
        gone.iter()
            .filter_map(|key| self.remove(kind, key))
            .collect()
    }

    /// The objects with the ChatApp's label.
    pub(crate) fn of_app(&self, app: &Key) -> Vec<(Kind, Packed)> {
        let children = self.by_app.get(app).into_iter().flatten();
        children
            .map(|((kind, _), packed)| (*kind, packed.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(name: &str, app: &str, version: &str) -> Found {
        let object = json!({"metadata": {"name": name, "namespace": "n", "labels": {"sillychat.io/chatapp": app}}, "version": version});
        serde_json::from_value(object).expect("an object")
    }

    fn key(name: &str) -> Key {
        ("n".to_owned(), name.to_owned())
    }

    fn names(index: &Index, app: &str) -> Vec<String> {
        let children = index.of_app(&key(app)).into_iter();
        children
            .filter_map(|(kind, packed)| {
                packed.unpack(kind)?["metadata"]["name"]
                    .as_str()
                    .map(str::to_owned)
            })
            .collect()
    }

    #[test]
    fn an_app_finds_its_own_children_and_no_others() {
        let mut index = Index::default();
        for (name, app) in [("a-server", "a"), ("b-server", "b"), ("a-db", "a")] {
            assert_eq!(index.put(Kind::Service, found(name, app, "1")), [key(app)]);
        }
        assert_eq!(names(&index, "a"), ["a-db", "a-server"]);
        assert_eq!(names(&index, "c"), [""; 0]);
    }

    #[test]
    fn an_object_that_is_as_before_touches_nobody() {
        let mut index = Index::default();
        index.put(Kind::Service, found("x", "a", "1"));
        assert_eq!(index.put(Kind::Service, found("x", "a", "1")), []);
        assert_eq!(index.put(Kind::Service, found("x", "a", "2")), [key("a")]);
    }

    #[test]
    fn a_label_that_changes_touches_both_apps() {
        let mut index = Index::default();
        index.put(Kind::Service, found("x", "a", "1"));
        assert_eq!(
            index.put(Kind::Service, found("x", "b", "1")),
            [key("a"), key("b")]
        );
        assert_eq!(names(&index, "a"), [""; 0]);
        assert_eq!(index.remove(Kind::Service, &key("x")), Some(key("b")));
        assert!(index.by_app.is_empty());
    }

    #[test]
    fn what_is_not_in_a_new_list_is_gone() {
        let mut index = Index::default();
        index.put(Kind::Service, found("stays", "a", "1"));
        index.put(Kind::Service, found("goes", "b", "1"));
        index.put(Kind::Pod, found("goes", "c", "1"));
        index.start_list(Kind::Service);
        assert_eq!(index.put(Kind::Service, found("stays", "a", "1")), []);
        assert_eq!(index.end_list(Kind::Service), [key("b")]);
        assert_eq!(names(&index, "a"), ["stays"]);
        assert_eq!(
            names(&index, "c"),
            ["goes"],
            "other kinds are not concerned"
        );
    }
}
