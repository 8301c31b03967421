//! Jinja templates over the fields of a document, bounded in work and without access to files.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde_json::Value;

use super::Doc;

/// Work that one rendering may do; one unit is an instruction or 64 bytes. Our own tasks need a few hundred.
const FUEL: u64 = 200_000;

/// Items of a list that are read; lists are of choices or of accepted answers.
const MAX_ITEMS: usize = 1_000;

/// As lm-evaluation-harness sets jinja up: strict about unknown names, trailing newlines kept, nothing escaped. No
/// loader, so `include` and `import` find nothing.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    environment
});

/// Why a template gives nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(super) struct TemplateError {
    /// Line inside the template, from 1.
    pub(super) line: Option<usize>,
    pub(super) reason: String,
    /// The template names a field that the document has not.
    pub(super) field_is_missing: bool,
}

/// Checks a template's syntax, and gives the names it takes from a document.
pub(super) fn variables(source: &str) -> Result<Vec<String>, TemplateError> {
    let template = ENVIRONMENT.template_from_str(source).map_err(|e| explain(&e))?;
    Ok(template.undeclared_variables(false).into_iter().collect())
}

/// The value of a template over a document. One that is a single `{{ ... }}` keeps its value, so that a list stays one.
pub(super) fn evaluate(source: &str, doc: &Doc) -> Result<Value, TemplateError> {
    let Some(expression) = single_expression(source) else {
        return render(source, doc).map(Value::String);
    };
    let expression = ENVIRONMENT.compile_expression(expression).map_err(|e| explain(&e))?;
    let value = expression.eval(fields(doc)).map_err(|e| explain(&e))?;
    if value.is_undefined() {
        let reason = format!("template: undefined value: the document has no such field as in {}", source.trim());
        return Err(TemplateError { line: None, reason, field_is_missing: true });
    }
    Ok(from_jinja(&value))
}

/// A template over the fields of a document.
pub(super) fn render(source: &str, doc: &Doc) -> Result<String, TemplateError> {
    let template = ENVIRONMENT.template_from_str(source).map_err(|e| explain(&e))?;
    template.render(fields(doc)).map_err(|e| explain(&e))
}

fn single_expression(source: &str) -> Option<&str> {
    let inner = source.strip_prefix("{{")?.strip_suffix("}}")?;
    let plain =
        !inner.contains("{{") && !inner.contains("}}") && !inner.starts_with(['-', '+']) && !inner.ends_with('-');
    plain.then_some(inner)
}

fn fields(doc: &Doc) -> minijinja::Value {
    minijinja::Value::from_pairs(doc.iter().map(|(key, field)| (key.as_str(), to_jinja(field))))
}

/// A scalar as text, a list as a list of scalars; null for anything else.
fn from_jinja(value: &minijinja::Value) -> Value {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().into_iter().flatten().take(MAX_ITEMS);
            Value::Array(items.map(|item| scalar_from_jinja(&item)).collect())
        }
        _ => scalar_from_jinja(value),
    }
}

fn scalar_from_jinja(value: &minijinja::Value) -> Value {
    match value.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Bool => Value::String(value.to_string()),
        _ => Value::Null,
    }
}

fn to_jinja(json: &Value) -> minijinja::Value {
    match json {
        Value::Null => minijinja::Value::from(()),
        Value::Bool(b) => minijinja::Value::from(*b),
        Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => minijinja::Value::from(i),
            (_, Some(u)) => minijinja::Value::from(u),
            _ => minijinja::Value::from(n.as_f64()),
        },
        Value::String(s) => minijinja::Value::from(s.as_str()),
        Value::Array(items) => items.iter().map(to_jinja).collect(),
        Value::Object(fields) => minijinja::Value::from_pairs(fields.iter().map(|(k, v)| (k.as_str(), to_jinja(v)))),
    }
}

fn explain(error: &minijinja::Error) -> TemplateError {
    let reason = match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "the template does too much work and was stopped".to_owned(),
        (kind, Some(detail)) => format!("template: {kind}: {detail}"),
        (kind, None) => format!("template: {kind}"),
    };
    TemplateError { line: error.line(), reason, field_is_missing: error.kind() == ErrorKind::UndefinedError }
}
