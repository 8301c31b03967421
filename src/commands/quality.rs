//! `kshot bench --quality`: what fewer bits for the weights cost.

use kshot::corpus;
use kshot::engine::{Dtype, DtypeChoice, Quality, compare_quality};
use kshot::model::{Checkpoint, Decoder};
use kshot::text::{TokenId, Tokenizer};
use serde::Serialize;

use super::interrupt::Interrupt;
use super::progress::{ProgressLine, Standing};
use super::{Context, Status, input, model};
use crate::cli::BenchArgs;

/// The seed of the documents that are read where no text is given; training uses others.
const SEED: u64 = 2019;

/// What `--json` prints, a line for each dtype.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    dtype: &'static str,
    bytes: u64,
    text: &'a str,
    tokens: usize,
    #[serde(flatten)]
    quality: Quality,
}

pub(super) fn run(args: &BenchArgs, cx: &mut Context) -> anyhow::Result<Status> {
    let name = model::name(args.model.name.as_deref(), cx);
    let interrupt = Interrupt::on_ctrl_c()?;
    let mut f32 = args.model.clone();
    f32.dtype = DtypeChoice::Is(Dtype::F32);
    let reference = model::load(&name, &f32, cx, &interrupt)?;
    let checkpoint = Checkpoint::open(&reference.info().files)?;
    let tokenizer = model::tokenizer(reference.as_ref())?;
    let (ids, text) = interrupt.while_preparing(|| text(args, &tokenizer))?;
    let dtypes: Vec<Dtype> = match args.model.dtype {
        DtypeChoice::Is(Dtype::F32) => Dtype::ALL.into_iter().filter(|dtype| *dtype != Dtype::F32).collect(),
        DtypeChoice::Is(dtype) => vec![dtype],
        DtypeChoice::Auto => vec![Dtype::Bf16],
    };
    for (index, dtype) in dtypes.into_iter().enumerate() {
        let other = Decoder::load(&checkpoint, dtype, &mut |_, _| !interrupt.engine.is_cancelled())?;
        let mut line = ProgressLine::new();
        let quality = compare_quality(
            model::decoder(reference.as_ref())?,
            &other,
            &ids,
            &interrupt.engine,
            &mut |done, total| {
                let (done, total) = (done as u64, total as u64);
                line.show(dtype.name(), Standing { done, total, rate: None, left: None });
            },
        );
        drop(line);
        let quality = quality?;
        let bytes = other.config().weight_bytes(dtype);
        if args.json {
            let report = Report { model: &name, dtype: dtype.name(), bytes, text: &text, tokens: ids.len(), quality };
            cx.out.json(&report)?;
            continue;
        }
        if index == 0 {
            let shown = cx.out.label(&format!("{name} against f32, {text}: {} positions", quality.positions));
            cx.out.line(shown)?;
            cx.out.line(format!("perplexity of f32 {:.4}; KL in nats, ± standard error", quality.perplexity))?;
            cx.out.line(
                "dtype      MB  KL mean               median    99.9 %       max  same top 1       rms Δp  ppl ratio",
            )?;
        }
        cx.out.line(row(dtype, bytes, &quality))?;
    }
    Ok(Status::Done)
}

fn row(dtype: Dtype, bytes: u64, quality: &Quality) -> String {
    format!(
        "{:<5} {:>7.1}  {:.2e} ± {:.1e}  {:>8.2e}  {:>8.2e}  {:>8.2e}  {:>6.2} ± {:.2} %  {:>5.3} %  {:.5} ± {:.5}",
        dtype.name(),
        bytes as f64 / 1e6,
        quality.kl_mean,
        quality.kl_error,
        quality.kl_median,
        quality.kl_999,
        quality.kl_max,
        quality.same_top * 100.0,
        quality.same_top_error * 100.0,
        quality.rms_probability * 100.0,
        quality.perplexity_ratio,
        quality.perplexity_ratio_error,
    )
}

/// The tokens to read, and what they are.
fn text(args: &BenchArgs, tokenizer: &Tokenizer) -> anyhow::Result<(Vec<TokenId>, String)> {
    let most = args.tokens;
    let special = model::special_tokens(true);
    if let Some(file) = &args.file {
        let mut ids = tokenizer.encode(&input::file_or_stdin(file)?, special)?;
        ids.truncate(most);
        return Ok((ids, file.display().to_string()));
    }
    let mut ids = Vec::new();
    for document in corpus::documents(SEED) {
        ids.extend(tokenizer.encode(&(document + "\n"), special)?);
        if ids.len() >= most {
            break;
        }
    }
    ids.truncate(most);
    Ok((ids, format!("generated documents (seed {SEED})")))
}
