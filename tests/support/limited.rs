//! Engines that tell less than a model in this process: five candidates of a position, no whole rows of logits; one of
//! them without a tokenizer here.

use std::sync::Arc;

use kshot::engine::{
    Aside, AsideRequest, Backend, CancelToken, Capabilities, Checked, Drawn, EngineError, EngineKind, Finish,
    FinishReason, GenerateRequest, ModelInfo, NextToken, Prefilled, Produced, Prompt, ReadEnd, ReadRequest, Reported,
    ScoreRequest, Scores, Start, Step, Timings, TokenScore, TokenizerKind,
};
use kshot::text::{TokenId, Tokenizer};

use super::scripted::{info, tokenizer};

/// Five candidates, the model's own tokenizer.
pub(crate) const FIVE: &[EngineKind] =
    &[EngineKind { name: "five", serves: |_| true, check: |request, _, _| Ok(checked(&request.name, true)) }];

/// Text in, text out, five candidates of each token that it draws.
pub(crate) const TEXT: &[EngineKind] =
    &[EngineKind { name: "text", serves: |_| true, check: |request, _, _| Ok(checked(&request.name, false)) }];

/// The candidates of every position, best first.
const CANDIDATES: [(TokenId, f32); 5] = [(257, 0.31), (258, 0.22), (259, 0.11), (260, 0.06), (261, 0.04)];

/// What it draws: two candidates, and a token that is none.
const DRAWN: [(&str, TokenId, f32); 3] = [(" eau", 257, 0.31), (" l", 258, 0.22), ("q", 113, 0.001)];

struct Limited {
    info: Arc<ModelInfo>,
    tokenizer: Option<Arc<Tokenizer>>,
}

fn checked(name: &str, exact: bool) -> Box<dyn Checked> {
    let capabilities = Capabilities {
        full_logits: false,
        prompt_logprobs: exact,
        top_n: Some(5),
        trace: false,
        batch: false,
        tokenizer: if exact { TokenizerKind::Exact } else { TokenizerKind::None },
    };
    let info = ModelInfo { capabilities, ..info(name) };
    Box::new(Limited { info: Arc::new(info), tokenizer: exact.then(|| Arc::new(tokenizer())) })
}

impl Checked for Limited {
    fn memory(&self) -> u64 {
        0
    }

    fn load(
        self: Box<Self>,
        _: &CancelToken,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Box<dyn Backend>, EngineError> {
        progress(1, 1);
        Ok(self)
    }
}

fn top() -> Vec<(TokenId, f32)> {
    CANDIDATES.iter().map(|(id, share)| (*id, share.ln())).collect()
}

fn score(id: TokenId, share: f32) -> TokenScore {
    let rank = CANDIDATES.iter().position(|(candidate, _)| *candidate == id).map(|place| place + 1);
    TokenScore { id, logprob: Some(share.ln()), rank, entropy: None, top: top() }
}

/// Scores of given tokens: a candidate has its share, all others one in a thousand.
fn scores(ids: &[TokenId]) -> Vec<TokenScore> {
    let share = |id: TokenId| CANDIDATES.iter().find(|(candidate, _)| *candidate == id).map_or(0.001, |it| it.1);
    ids.iter().map(|&id| score(id, share(id))).collect()
}

impl Backend for Limited {
    fn info(&self) -> &Arc<ModelInfo> {
        &self.info
    }

    fn tokenizer(&self) -> Option<&Arc<Tokenizer>> {
        self.tokenizer.as_ref()
    }

    fn generate(
        &mut self,
        request: &GenerateRequest,
        _: &CancelToken,
        sink: &mut dyn FnMut(Produced),
    ) -> Result<Finish, EngineError> {
        let as_text = matches!(request.prompt, Prompt::Text(_));
        assert_eq!(as_text, self.tokenizer.is_none(), "a prompt as this engine takes it");
        sink(Produced::Prefilled(Prefilled { tokens: 7, cached: 0, seconds: 0.1 }));
        let steps = request.max_tokens.min(DRAWN.len());
        for (index, (text, id, share)) in DRAWN.iter().take(steps).enumerate() {
            let names = CANDIDATES.iter().zip([" eau", " l", " water", " de", " la"]);
            let names = names.map(|((id, _), name)| (*id, name.as_bytes().to_vec())).chain([(113, b"q".to_vec())]);
            let names = if self.tokenizer.is_none() { names.collect() } else { Vec::new() };
            let drawn = Drawn::There(Reported { score: score(*id, *share), names });
            let bytes = text.as_bytes().to_vec();
            sink(Produced::Step(Box::new(Step { sequence: 0, index, shown: bytes.len(), bytes, drawn })));
        }
        Ok(Finish {
            reasons: vec![FinishReason::Eos],
            stopped_at: vec![None],
            seed: 42,
            prompt: request.prompt.ids().to_vec(),
            timings: Timings { decode_tokens: steps, decode_s: 0.1, ..Timings::default() },
        })
    }

    fn score(&mut self, _: &ScoreRequest, _: &CancelToken) -> Result<Scores, EngineError> {
        Err(EngineError::Unable { what: "scoring a text", why: "this engine gives no probabilities of one" })
    }

    fn read(
        &mut self,
        request: &ReadRequest,
        _: &CancelToken,
        sink: &mut dyn FnMut(usize, Vec<TokenScore>),
    ) -> Result<ReadEnd, EngineError> {
        let mut all = scores(&request.ids);
        if let (Start::FirstToken, Some(first)) = (request.start, all.first_mut()) {
            *first = TokenScore { id: first.id, logprob: None, rank: None, entropy: None, top: Vec::new() };
        }
        sink(request.from, all.split_off(request.from));
        Ok(ReadEnd { next: NextToken::Top(top().into()), ran: request.ids.len() - request.from })
    }

    fn aside(&mut self, request: &AsideRequest, _: &CancelToken) -> Result<Aside, EngineError> {
        Ok(Aside { scores: scores(&request.target), next: NextToken::Top(top().into()) })
    }
}
