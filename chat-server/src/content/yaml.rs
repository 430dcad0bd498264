//! YAML as a tree of which each node knows its line, so that everything that is wrong with a file can be told at once. It
//! decides how much a file may ask of the parser; what the tree has to look like is [`super::check`]'s business.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::Budget;
use serde_saphyr::options::{AliasLimits, DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{
    Error, Location, MessageFormatter as _, Options, Spanned, UserMessageFormatter,
};

use super::problem::{Problem, Reason};

/// Anchors are for a few shared lists. What aliases repeat is bounded in number and, together with
/// [`MAX_ANCHORED_BYTES`], in memory.
const MAX_REPEATED_NODES: usize = 2000;
const MAX_ANCHORED_BYTES: usize = 64 * 1024;
/// Content is four levels deep; the rest is for telling where it went wrong.
const MAX_DEPTH: usize = 16;

pub(super) struct Node<'a> {
    pub(super) line: u64,
    pub(super) value: Value<'a>,
}

pub(super) enum Value<'a> {
    /// Any scalar as it is written: `yes`, `42` and `1.0` are texts too.
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Map(Vec<Field<'a>>),
    /// `null`, `~` or nothing at all.
    Nothing,
}

pub(super) struct Field<'a> {
    pub(super) line: u64,
    pub(super) name: String,
    pub(super) node: Node<'a>,
}

/// Read a file of one document.
pub(super) fn read(yaml: &str) -> Result<Node<'_>, Problem> {
    let raw: Spanned<Raw<'_>> =
        serde_saphyr::from_str_with_options(yaml, options()).map_err(|error| problem(&error))?;
    Ok(Node::of(raw, yaml))
}

impl<'a> Node<'a> {
    fn of(raw: Spanned<Raw<'a>>, yaml: &'a str) -> Self {
        let value = match raw.value {
            Raw::Text(text) => Value::Text(text),
            Raw::Plain(text) => {
                Value::Text(source(yaml, &raw.defined).map_or(Cow::Owned(text), Cow::Borrowed))
            }
            Raw::Nothing => Value::Nothing,
            Raw::List(nodes) => {
                Value::List(nodes.into_iter().map(|node| Self::of(node, yaml)).collect())
            }
            Raw::Map(fields) => Value::Map(
                fields
                    .into_iter()
                    .map(|(name, node)| Field {
                        line: name.referenced.line(),
                        name: name.value,
                        node: Self::of(node, yaml),
                    })
                    .collect(),
            ),
        };
        Self {
            line: raw.referenced.line(),
            value,
        }
    }
}

fn options() -> Options {
    let mut budget = Budget::default();
    budget.max_depth = MAX_DEPTH;
    budget.flow_nesting_limit = MAX_DEPTH;
    budget.max_recorded_anchor_bytes = MAX_ANCHORED_BYTES;
    let mut alias_limits = AliasLimits::default();
    alias_limits.max_total_replayed_events = MAX_REPEATED_NODES;
    serde_saphyr::options! {
        with_snippet: false,
        budget: Some(budget),
        alias_limits: alias_limits,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
    }
}

/// What a location covers, where the parser knows it.
fn source<'a>(yaml: &'a str, location: &Location) -> Option<&'a str> {
    let span = location.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let length = usize::try_from(span.byte_len()?).ok()?;
    yaml.get(start..start.checked_add(length)?)
        .filter(|text| !text.is_empty())
}

/// The parser's reason in one line.
fn problem(error: &Error) -> Problem {
    Problem {
        line: error.location().as_ref().map_or(1, Location::line).max(1),
        reason: Reason::Yaml(
            UserMessageFormatter
                .format_message(error)
                .replace(['\n', '\r'], " "),
        ),
    }
}

/// The tree as the parser gives it.
enum Raw<'a> {
    Text(Cow<'a, str>),
    /// A scalar without quotes that YAML takes for a number or a truth value, as the parser would write it.
    Plain(String),
    Nothing,
    List(Vec<Spanned<Raw<'a>>>),
    Map(Vec<(Spanned<String>, Spanned<Raw<'a>>)>),
}

impl<'de> Deserialize<'de> for Raw<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any YAML")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Raw<'de>, E> {
        Ok(Raw::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw<'de>, E> {
        Ok(Raw::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw<'de>, E> {
        Ok(Raw::Text(Cow::Owned(text)))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw<'de>, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw<'de>, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw<'de>, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw<'de>, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Raw<'de>, E> {
        Ok(Raw::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut nodes: A) -> Result<Raw<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = nodes.next_element()? {
            list.push(node);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Raw<'de>, A::Error> {
        let mut map = Vec::new();
        while let Some(field) = fields.next_entry()? {
            map.push(field);
        }
        Ok(Raw::Map(map))
    }
}
