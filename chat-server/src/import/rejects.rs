//! Rows that can't be taken: as a line for people, which shows nothing of what was said, or whole, as JSON Lines that lose
//! nothing of what stood in the file.

use std::io::{self, Write};
use std::path::Path;

use rusqlite::types::ValueRef;
use serde_json::{Value, json};

use super::check::{Refusal, Row};
use crate::new_file::{NewFile, NewFileError};

pub(crate) struct Rejects(NewFile);

impl Rejects {
    pub(crate) fn begin(path: &Path) -> Result<Self, NewFileError> {
        NewFile::begin(path).map(Self)
    }

    pub(crate) fn write(&mut self, row: &Row<'_>, refusal: &Refusal) -> io::Result<()> {
        let line = json!({
            "row": row.id,
            "reason": refusal.to_string(),
            "chat_id": raw(row.chat_id),
            "time": raw(row.time),
            "sender": raw(row.sender),
            "text": raw(row.text),
        });
        writeln!(self.0, "{line}")
    }

    /// Put the file in its place.
    pub(crate) fn finish(self) -> Result<(), NewFileError> {
        self.0.finish()
    }
}

/// The line for people.
pub(crate) fn line(row: &Row<'_>, refusal: &Refusal) -> String {
    format!("row {}: {refusal}", row.id)
}

/// A value as JSON. What JSON has no form for is written in hexadecimal digits, under the name of its kind.
fn raw(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => json!(number),
        ValueRef::Real(number) if number.is_finite() => json!(number),
        ValueRef::Real(number) => json!({"real": number.to_string()}),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => json!(text),
            Err(_) => json!({"text_hex": hex(bytes)}),
        },
        ValueRef::Blob(bytes) => json!({"blob_hex": hex(bytes)}),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_without_loss() {
        assert_eq!(raw(ValueRef::Null), Value::Null);
        assert_eq!(raw(ValueRef::Integer(i64::MIN)), json!(i64::MIN));
        assert_eq!(raw(ValueRef::Real(0.1)), json!(0.1));
        assert_eq!(raw(ValueRef::Real(f64::INFINITY)), json!({"real": "inf"}));
        assert_eq!(raw(ValueRef::Text(b"a\0b")), json!("a\0b"));
        assert_eq!(raw(ValueRef::Text(b"a\xff")), json!({"text_hex": "61ff"}));
        assert_eq!(
            raw(ValueRef::Blob(b"\x00\x9f")),
            json!({"blob_hex": "009f"})
        );
    }
}
