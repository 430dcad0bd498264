//! Objects as they are kept: compressed JSON, unpacked when a pass asks for it. A thousand ChatApps have 17,000 children and pods;
//! as trees of values they would fill hundreds of megabytes. Objects of a kind resemble each other: the first ones are samples that
//! the others are compressed with, and what is left of one are its names, its uid and its state.

use std::sync::Arc;

use lz4_flex::block;
use serde_json::{Value, json};

use crate::kinds::Kind;

/// How much of the first objects of a kind is kept as samples.
const SAMPLES_SIZE: usize = 16 * 1024;

/// The JSON of an object, compressed.
#[derive(Clone)]
pub(crate) struct Packed {
    bytes: Box<[u8]>,
    /// Those that it was compressed with.
    samples: Arc<[u8]>,
}

impl Packed {
    fn text(&self) -> Option<Vec<u8>> {
        block::decompress_size_prepended_with_dict(&self.bytes, &self.samples).ok()
    }

    /// The object. `None` can't be: we packed it ourselves.
    pub(crate) fn unpack(&self, kind: Kind) -> Option<Value> {
        let mut object: Value = serde_json::from_slice(&self.text()?).ok()?;
        // A list doesn't repeat them with every object.
        object["apiVersion"] = json!(kind.api_version());
        object["kind"] = json!(kind.name());
        Some(object)
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.samples, &other.samples) {
            self.bytes == other.bytes
        } else {
            self.text() == other.text()
        }
    }
}

/// Packs the objects of a kind.
pub(crate) struct Packer {
    samples: Arc<[u8]>,
    is_complete: bool,
}

impl Default for Packer {
    fn default() -> Self {
        Self {
            samples: Arc::from([]),
            is_complete: false,
        }
    }
}

impl Packer {
    /// Packs an object's JSON.
    pub(crate) fn pack(&mut self, text: &[u8]) -> Packed {
        let bytes = block::compress_prepend_size_with_dict(text, &self.samples);
        let packed = Packed {
            // A copy: the buffer is as large as the worst case.
            bytes: Box::from(&*bytes),
            samples: self.samples.clone(),
        };
        if !self.is_complete {
            let samples = [&*self.samples, text].concat();
            self.is_complete = samples.len() > SAMPLES_SIZE;
            if !self.is_complete {
                self.samples = samples.into();
            }
        }
        packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: usize) -> Vec<u8> {
        let object = json!({"metadata": {"name": format!("chat-{number}-server"), "uid": number * 7919},
            "spec": {"containers": [{"name": "server", "image": "x", "args": ["serve", "a".repeat(2000)]}]}});
        object.to_string().into_bytes()
    }

    #[test]
    fn objects_come_out_as_they_went_in_before_and_after_the_samples_are_complete() {
        let mut packer = Packer::default();
        let all: Vec<Packed> = (0..100).map(|number| packer.pack(&text(number))).collect();
        assert!(packer.is_complete);
        for (number, packed) in all.iter().enumerate() {
            assert_eq!(packed.text(), Some(text(number)), "{number}");
        }
        assert!(all[99].bytes.len() < 150, "{}", all[99].bytes.len());
    }

    #[test]
    fn the_same_object_is_the_same_whatever_it_was_compressed_with() {
        let mut packer = Packer::default();
        let first = packer.pack(&text(1));
        let second = packer.pack(&text(1));
        let other = packer.pack(&text(2));
        assert!(first.bytes != second.bytes && first == second);
        assert!(first != other && second != other);
    }

    #[test]
    fn small_and_large_objects_are_packed() {
        let mut packer = Packer::default();
        for size in [0, 1, 3, 10, 100_000, 5] {
            let text = json!("x".repeat(size)).to_string().into_bytes();
            assert_eq!(packer.pack(&text).text(), Some(text), "{size}");
        }
    }
}
