//! Jinja templates over the fields of a document, bounded in size and work and without access to files.

use std::sync::LazyLock;

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, ErrorKind, State, UndefinedBehavior};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::Doc;

/// Work that one rendering may do; one unit is an instruction or 64 bytes. Our own tasks need a few hundred.
const FUEL: u64 = 200_000;

/// Items of a list that are read; lists are of choices or of accepted answers.
const MAX_ITEMS: usize = 1_000;

/// Tokens inside the tags of a template: minijinja parses, compiles and drops chains of operators by recursion, a level a
/// token at most, and this many fit a thread's stack four times.
const MAX_TOKENS: usize = 1_000;

/// Bytes of a compiled regular expression.
const REGEX_BYTES: usize = 1 << 20;

/// As lm-evaluation-harness sets jinja up: strict about unknown names, trailing newlines kept, nothing escaped, Python's
/// methods of strings, lists and dictionaries, its own filter `regex_replace`. No loader, so `include` and `import` find
/// nothing.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_unknown_method_callback(python_method);
    environment.add_filter("regex_replace", regex_replace);
    // Python's words for what Rust prints in small letters.
    environment.set_formatter(|out, state, value| match value.kind() {
        ValueKind::Bool => out.write_str(if value.is_true() { "True" } else { "False" }).map_err(Into::into),
        ValueKind::None => out.write_str("None").map_err(Into::into),
        _ => minijinja::escape_formatter(out, state, value),
    });
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

/// Python's methods. A width that a format asks for is not paid for with fuel there, so a large one is refused.
fn python_method(
    state: &mut State,
    value: &minijinja::Value,
    method: &str,
    args: &[minijinja::Value],
) -> Result<minijinja::Value, minijinja::Error> {
    if let ("format", Some(format)) = (method, value.as_str()) {
        let long = format.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 4);
        if long || format.contains(":{") {
            let reason = "a width of more than 9999, or one that is computed, is not supported in str.format";
            return Err(minijinja::Error::new(ErrorKind::InvalidOperation, reason));
        }
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
}

/// Python's `re.sub`, with its `\\1` for a group.
fn regex_replace(
    state: &State,
    text: &str,
    pattern: &str,
    replacement: &str,
    count: Option<usize>,
) -> Result<String, minijinja::Error> {
    let bad = |error: regex::Error| {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        minijinja::Error::new(ErrorKind::InvalidOperation, format!("regex_replace: {pattern:?}: {why}"))
    };
    let regex = RegexBuilder::new(pattern).size_limit(REGEX_BYTES).build().map_err(bad)?;
    static GROUP: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\\(\d+)").ok());
    let replacement = replacement.replace('$', "$$");
    let replacement =
        GROUP.as_ref().map_or_else(|| replacement.clone().into(), |group| group.replace_all(&replacement, "$${$1}"));
    // What it may grow to is paid for before it is made.
    let matches = regex.find_iter(text).count();
    let grown = matches.saturating_mul(replacement.len() + text.len() * replacement.matches("${").count());
    state.consume_fuel((text.len() + grown) as u64 / 64)?;
    Ok(regex.replacen(text, count.unwrap_or(0), replacement.as_ref()).into_owned())
}

/// Refuses a template that nests or chains too deeply to be parsed.
fn within_bounds(source: &str) -> Result<(), TemplateError> {
    let tokens = tokenize(source, false, SyntaxConfig::default()).map_while(Result::ok);
    let inside = tokens.filter(|(token, _)| !matches!(token, Token::TemplateData(_)));
    match inside.take(MAX_TOKENS + 1).count() {
        0..=MAX_TOKENS => Ok(()),
        _ => Err(TemplateError {
            line: None,
            reason: format!("the template has more than {MAX_TOKENS} names, values and operators in its tags"),
            field_is_missing: false,
        }),
    }
}

/// Checks a template's syntax, and gives the names it takes from a document.
pub(super) fn variables(source: &str) -> Result<Vec<String>, TemplateError> {
    within_bounds(source)?;
    let template = ENVIRONMENT.template_from_str(source).map_err(|e| explain(&e))?;
    Ok(template.undeclared_variables(false).into_iter().collect())
}

/// The value of a template over a document. One that is a single `{{ ... }}` keeps its value, so that a list stays one.
pub(super) fn evaluate(source: &str, doc: &Doc) -> Result<Value, TemplateError> {
    let Some(expression) = single_expression(source) else {
        return render(source, doc).map(Value::String);
    };
    within_bounds(source)?;
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
    within_bounds(source)?;
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
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::String | ValueKind::Number => Value::String(value.to_string()),
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
