//! The fields of a document as the file has them: a scalar that would print otherwise than it is written stays text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_saphyr::Spanned;

use super::Doc;

/// Fields in their order, each with its place in the file.
pub(super) struct Fields(Vec<(String, Spanned<Field>)>);

enum Field {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Field>>),
    Map(Fields),
}

impl Fields {
    /// The document. `source` is the text that the fields were read from.
    ///
    /// A plain `007`, `1.50` or a number of 23 digits means itself: as a number it would lose what is written.
    pub(super) fn into_doc(self, source: &str) -> Doc {
        self.0.into_iter().map(|(name, field)| (name, value(field, source))).collect()
    }
}

fn value(field: Spanned<Field>, source: &str) -> Value {
    match field.value {
        Field::Null => Value::Null,
        Field::Bool(flag) => Value::Bool(flag),
        Field::Text(text) => Value::String(text),
        Field::List(items) => items.into_iter().map(|item| value(item, source)).collect(),
        Field::Map(fields) => Value::Object(fields.into_doc(source)),
        Field::Number(number) => {
            let span = field.defined.span();
            let place = span.byte_offset().zip(span.byte_len()).and_then(|(start, length)| {
                source.get(usize::try_from(start).ok()?..usize::try_from(start + length).ok()?)
            });
            match place.map(str::trim) {
                Some(written) if written != number.to_string() => Value::from(written),
                _ => Value::Number(number),
            }
        }
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document: names with their values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Field, E> {
        Ok(Field::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Field, E> {
        Ok(Field::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Field, E> {
        Ok(Field::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Field, E> {
        Ok(Field::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Field, E> {
        Ok(Number::from_f64(number).map_or(Field::Null, Field::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field, E> {
        Ok(Field::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Field, E> {
        Ok(Field::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Field::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Field, A::Error> {
        FieldsVisitor.visit_map(map).map(Field::Map)
    }
}
