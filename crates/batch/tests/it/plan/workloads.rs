//! The ten batches.

use paceline_proving::{Formula, Kind, Metric, QuotaRule, Size, Span};

/// A batch and a provider.
#[derive(Clone)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) url: &'static str,
    pub(crate) requests: u64,
    pub(crate) concurrency: u64,
    /// Models, and the tokens of their prompts; requests go to them in turn.
    pub(crate) prompts: Vec<(&'static str, Size)>,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) output: Size,
    /// From the arrival of a request to the head of its answer, and from there to the end.
    pub(crate) processing_ms: Span,
    pub(crate) streaming_ms: Span,
    pub(crate) quotas: Vec<QuotaRule>,
    pub(crate) formula: Formula,
    /// Whether charges are corrected to what was used.
    pub(crate) corrected: bool,
}

pub(crate) fn all() -> Vec<Workload> {
    let mut all = chats();
    all.extend(others());
    all
}

fn chat() -> Workload {
    Workload {
        name: "chat, short answers",
        url: "/v1/chat/completions",
        requests: 3_000,
        concurrency: 64,
        prompts: vec![(
            "gpt-4o-mini",
            Size::Lognormal {
                mean: 600,
                max: 6_000,
            },
        )],
        max_tokens: Some(200),
        output: Size::Between { min: 20, max: 200 },
        processing_ms: Span(400, 1_200),
        streaming_ms: Span(500, 3_000),
        quotas: vec![tokens(100_000, Kind::Bucket), requests(1_000, Kind::Bucket)],
        formula: Formula::Max,
        corrected: false,
    }
}

fn chats() -> Vec<Workload> {
    vec![
        chat(),
        Workload {
            name: "chat, long answers",
            requests: 1_500,
            max_tokens: Some(4_000),
            output: Size::Lognormal {
                mean: 900,
                max: 4_000,
            },
            processing_ms: Span(500, 2_000),
            streaming_ms: Span(5_000, 30_000),
            quotas: vec![tokens(400_000, Kind::Sliding)],
            formula: Formula::Sum,
            ..chat()
        },
        Workload {
            name: "mixed models",
            prompts: vec![
                ("gpt-4o-mini", Size::Fixed(300)),
                (
                    "gpt-4o",
                    Size::Between {
                        min: 1_000,
                        max: 3_000,
                    },
                ),
            ],
            quotas: vec![tokens(150_000, Kind::Sliding)],
            requests: 2_000,
            ..chat()
        },
        Workload {
            name: "few huge requests",
            requests: 60,
            prompts: vec![(
                "gpt-4.1",
                Size::Between {
                    min: 30_000,
                    max: 45_000,
                },
            )],
            quotas: vec![tokens(100_000, Kind::Bucket)],
            processing_ms: Span(5_000, 15_000),
            streaming_ms: Span(2_000, 8_000),
            ..chat()
        },
        Workload {
            name: "token-bound, corrected",
            max_tokens: None,
            output: Size::Lognormal {
                mean: 250,
                max: 2_000,
            },
            quotas: vec![tokens(80_000, Kind::Bucket)],
            corrected: true,
            ..chat()
        },
    ]
}

fn others() -> Vec<Workload> {
    vec![
        Workload {
            name: "embeddings",
            url: "/v1/embeddings",
            requests: 4_000,
            prompts: vec![(
                "text-embedding-3-small",
                Size::Between { min: 100, max: 700 },
            )],
            max_tokens: None,
            output: Size::Fixed(0),
            processing_ms: Span(50, 150),
            streaming_ms: Span(0, 0),
            quotas: vec![
                tokens(500_000, Kind::Quantised { quantum_ms: 1_000 }),
                requests(3_000, Kind::Bucket),
            ],
            ..chat()
        },
        Workload {
            name: "request-bound",
            requests: 2_500,
            prompts: vec![("gpt-4o-mini", Size::Fixed(100))],
            quotas: vec![
                tokens(10_000_000, Kind::Bucket),
                requests(300, Kind::Bucket),
            ],
            ..chat()
        },
        Workload {
            name: "concurrency-bound",
            requests: 1_500,
            concurrency: 8,
            prompts: vec![("gpt-4o-mini", Size::Fixed(200))],
            quotas: vec![tokens(10_000_000, Kind::Bucket)],
            ..chat()
        },
        Workload {
            name: "fixed minutes",
            requests: 6_100,
            prompts: vec![("gpt-4o-mini", Size::Fixed(100))],
            quotas: vec![requests(300, Kind::Fixed)],
            ..chat()
        },
        Workload {
            name: "daily limit",
            requests: 3_300,
            prompts: vec![("gpt-4o-mini", Size::Fixed(100))],
            quotas: vec![
                requests(500, Kind::Bucket),
                QuotaRule {
                    window_s: 86_400,
                    ..requests(1_000, Kind::Fixed)
                },
            ],
            ..chat()
        },
    ]
}

fn tokens(amount: u64, kind: Kind) -> QuotaRule {
    QuotaRule {
        metric: Metric::Tokens,
        amount,
        window_s: 60,
        kind,
    }
}

fn requests(amount: u64, kind: Kind) -> QuotaRule {
    QuotaRule {
        metric: Metric::Requests,
        ..tokens(amount, kind)
    }
}
