//! `kshot tokens`: how a text is cut.

use kshot::hub::Source;
use kshot::text::{TokenId, Tokenizer};
use serde::Serialize;

use super::interrupt::Interrupt;
use super::model::{self, Need};
use super::{Context, Status};
use crate::cli::TokensArgs;

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    ids: &'a [TokenId],
    tokens: Vec<Token>,
}

/// One token and where it stands in the text.
#[derive(Serialize)]
struct Token {
    id: TokenId,
    text: String,
    /// In hexadecimal.
    bytes: String,
    /// First byte in the text, and the one after the last.
    start: usize,
    end: usize,
    special: bool,
}

pub(super) fn run(args: &TokensArgs, cx: &mut Context) -> anyhow::Result<Status> {
    let name = model::name(args.model.as_deref(), cx);
    let text = args.text.read()?;
    let interrupt = Interrupt::on_ctrl_c()?;
    let files = model::files(&Source::of(&name)?, Need::Tokenizer, cx, &interrupt)?;
    // The rest is one stretch of work without anything to put in order.
    interrupt.while_preparing(|| {
        let tokenizer = Tokenizer::open(files)?;
        let ids = tokenizer.encode(&text, model::special_tokens(args.no_special))?;
        print(args, &name, &text, &tokenizer, &ids, cx)
    })
}

fn print(
    args: &TokensArgs,
    name: &str,
    text: &str,
    tokenizer: &Tokenizer,
    ids: &[TokenId],
    cx: &mut Context,
) -> anyhow::Result<Status> {
    let mut start = 0;
    let tokens: Vec<Token> = ids
        .iter()
        .map(|&id| {
            let bytes = tokenizer.bytes(id).unwrap_or_default();
            let token = Token {
                id,
                text: String::from_utf8_lossy(bytes).into_owned(),
                bytes: hex(bytes),
                start,
                end: start + bytes.len(),
                special: tokenizer.is_special(id) || tokenizer.ends_text(id),
            };
            start = token.end;
            token
        })
        .collect();
    if args.json {
        cx.out.json(&Report { model: name, ids, tokens })?;
        return Ok(Status::Done);
    }

    let style = cx.out.style();
    let mut shown = String::new();
    for (index, &id) in ids.iter().enumerate() {
        let label = tokenizer.label(id);
        shown += &if index % 2 == 0 { label } else { style.inverse(label) };
    }
    if cx.out.is_terminal() && !ids.is_empty() {
        cx.out.line(shown)?;
        cx.out.line("")?;
    }
    for token in &tokens {
        let label = tokenizer.label(token.id);
        let special = if token.special { "  special" } else { "" };
        let line =
            format!("{:>6}  {:>4}..{:<4}  {:<24}  {label}{special}", token.id, token.start, token.end, token.bytes);
        cx.out.line(line)?;
    }
    cx.out.line(style.dim(format!(
        "{} tokens, {} bytes, {} characters",
        ids.len(),
        text.len(),
        text.chars().count()
    )))?;
    Ok(Status::Done)
}

/// Bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
