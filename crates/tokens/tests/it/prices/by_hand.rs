//! Costs against a table that was computed by hand.
//!
//! Tokens times dollars for a million of them are micro-dollars; the comment at each row adds them
//! up, and the row has the sum in nano-dollars.

use paceline_tokens::prices::{BilledUsage, PriceBook, ServiceTier};

use super::day;

const OPENAI: (&str, &str) = ("openai", "https://developers.openai.com/api/docs/pricing");
const ANTHROPIC: (&str, &str) = (
    "anthropic",
    "https://platform.claude.com/docs/en/about-claude/pricing",
);
const GEMINI: (&str, &str) = ("gemini", "https://ai.google.dev/gemini-api/docs/pricing");
const XAI: (&str, &str) = ("xai", "https://docs.x.ai/developers/pricing");
const DEEPSEEK: (&str, &str) = (
    "deepseek",
    "https://api-docs.deepseek.com/quick_start/pricing",
);
const MISTRAL: (&str, &str) = ("mistral", "https://mistral.ai/pricing");
const GROQ: (&str, &str) = ("groq", "https://groq.com/pricing");

/// Provider with the source, model, day, usage, nano-dollars.
type Row = (
    (&'static str, &'static str),
    &'static str,
    &'static str,
    BilledUsage,
    u64,
);

/// Input of which so much is cached, and output.
fn text(input_tokens: u64, cached_tokens: u64, output_tokens: u64) -> BilledUsage {
    BilledUsage {
        input_tokens,
        cached_tokens,
        output_tokens,
        ..BilledUsage::default()
    }
}

fn written(usage: BilledUsage, default_time: u64, an_hour: u64) -> BilledUsage {
    BilledUsage {
        cache_write_tokens: default_time,
        cache_write_1h_tokens: an_hour,
        ..usage
    }
}

fn batch(usage: BilledUsage) -> BilledUsage {
    let tier = ServiceTier::Batch;
    BilledUsage { tier, ..usage }
}

fn flex(usage: BilledUsage) -> BilledUsage {
    let tier = ServiceTier::Flex;
    BilledUsage { tier, ..usage }
}

fn priority(usage: BilledUsage) -> BilledUsage {
    let tier = ServiceTier::Priority;
    BilledUsage { tier, ..usage }
}

fn check(rows: &[Row]) {
    let book = PriceBook::built_in();
    for ((provider, source), model, on, usage, nanousd) in rows {
        let price = book.price_at(provider, model, day(on));
        let price = price.unwrap_or_else(|| panic!("{model} has no price on {on}"));
        assert_eq!(price.source(), *source, "{model}");
        let cost = price.cost(usage).unwrap_or_else(|it| panic!("{it}"));
        assert_eq!(cost.nanousd, *nanousd, "{model} on {on}: {usage:?}");
        let parts: u64 = cost.parts.iter().map(|part| part.nanousd).sum();
        assert_eq!(parts, cost.nanousd, "{model}: the parts are not the whole");
    }
}

#[test]
fn the_gpt_6_models_cost_what_their_table_says() {
    let now = "2026-11-01";
    check(&[
        // 4,000 x 10 + 4,000 x 1 + 2,000 x 12.5 + 500 x 50 = 40,000 + 4,000 + 25,000 + 25,000
        (
            OPENAI,
            "gpt-6-astra",
            now,
            written(text(10_000, 4_000, 500), 2_000, 0),
            94_000_000,
        ),
        // half of it
        (
            OPENAI,
            "gpt-6-astra",
            now,
            batch(written(text(10_000, 4_000, 500), 2_000, 0)),
            47_000_000,
        ),
        // exactly at the threshold: 272,000 x 10 + 1,000 x 50 = 2,720,000 + 50,000
        (
            OPENAI,
            "gpt-6-astra",
            now,
            text(272_000, 0, 1_000),
            2_770_000_000,
        ),
        // one above it, the whole of it dearer: 272,001 x 20 + 1,000 x 75 = 5,440,020 + 75,000
        (
            OPENAI,
            "gpt-6-astra",
            now,
            text(272_001, 0, 1_000),
            5_515_020_000,
        ),
        // 200,000 x 10 + 100,000 x 1 + 2,000 x 37.5 = 2,000,000 + 100,000 + 75,000
        (
            OPENAI,
            "gpt-6-astra",
            now,
            flex(text(300_000, 100_000, 2_000)),
            2_175_000_000,
        ),
        // 1,000 x 20 + 100 x 100 = 20,000 + 10,000
        (
            OPENAI,
            "gpt-6-astra",
            now,
            priority(text(1_000, 0, 100)),
            30_000_000,
        ),
        // 2,000 x 2 + 48,000 x 0.10 + 1,200 x 10 = 4,000 + 4,800 + 12,000
        (
            OPENAI,
            "gpt-6.1-sol",
            now,
            text(50_000, 48_000, 1_200),
            20_800_000,
        ),
        // 100,000 x 4 + 300,000 x 0.40 + 10,000 x 15 = 400,000 + 120,000 + 150,000
        (
            OPENAI,
            "gpt-6-sol",
            now,
            text(400_000, 300_000, 10_000),
            670_000_000,
        ),
        // 0.10 + 0.50
        (OPENAI, "gpt-6-luna", now, text(1, 0, 1), 600),
        // 3 x 0.05 + 0.25
        (OPENAI, "gpt-6-luna", now, batch(text(3, 0, 1)), 400),
        // 1 x 0.01
        (OPENAI, "gpt-6-luna", now, text(1, 1, 0), 10),
    ]);
}

#[test]
fn the_gpt_5_6_models_cost_what_their_table_says() {
    let now = "2026-11-01";
    check(&[
        // before the price fell: 100,000 x 5 + 10,000 x 30 = 500,000 + 300,000
        (
            OPENAI,
            "gpt-5.6-sol",
            "2026-08-20",
            text(100_000, 0, 10_000),
            800_000_000,
        ),
        // from that day on: 100,000 x 4 + 10,000 x 20 = 400,000 + 200,000
        (
            OPENAI,
            "gpt-5.6-sol",
            "2026-08-21",
            text(100_000, 0, 10_000),
            600_000_000,
        ),
        // 2,000 x 8 + 300 x 40 = 16,000 + 12,000
        (
            OPENAI,
            "gpt-5.6-sol",
            now,
            priority(text(2_000, 0, 300)),
            28_000_000,
        ),
        // 2,345 x 2 + 10,000 x 2.5 + 678 x 12 = 4,690 + 25,000 + 8,136
        (
            OPENAI,
            "gpt-5.6-terra",
            now,
            written(text(12_345, 0, 678), 10_000, 0),
            37_826_000,
        ),
        // 7,777 x 0.10 + 333 x 0.60 = 777.7 + 199.8
        (
            OPENAI,
            "gpt-5.6-luna",
            now,
            flex(text(7_777, 0, 333)),
            977_500,
        ),
    ]);
}

#[test]
fn the_gpt_5_models_cost_what_their_table_says() {
    let now = "2026-11-01";
    check(&[
        // 1,234 x 5 + 567 x 30 = 6,170 + 17,010
        (OPENAI, "gpt-5.5", now, text(1_234, 0, 567), 23_180_000),
        // 1,234 x 12.5 + 567 x 75 = 15,425 + 42,525
        (
            OPENAI,
            "gpt-5.5",
            now,
            priority(text(1_234, 0, 567)),
            57_950_000,
        ),
        // half of the dearer rate: 272,001 x 5
        (
            OPENAI,
            "gpt-5.5",
            now,
            batch(text(272_001, 0, 0)),
            1_360_005_000,
        ),
        // 20,000 x 0.25 + 100 x 15 = 5,000 + 1,500
        (OPENAI, "gpt-5.4", now, text(20_000, 20_000, 100), 6_500_000),
        // 999 x 0.75 + 4.5 = 749.25 + 4.5
        (OPENAI, "gpt-5.4-mini", now, text(999, 0, 1), 753_750),
        // 10,000 x 0.10 + 1 x 0.01 + 3 x 0.625 = 1,000 + 0.01 + 1.875
        (
            OPENAI,
            "gpt-5.4-nano",
            now,
            batch(text(10_001, 1, 3)),
            1_001_885,
        ),
        // 4,000 x 1.75 + 250 x 14 = 7,000 + 3,500
        (OPENAI, "gpt-5.2", now, text(4_000, 0, 250), 10_500_000),
        // 800 x 2.5 + 90 x 20 = 2,000 + 1,800
        (
            OPENAI,
            "gpt-5.1-codex",
            now,
            priority(text(800, 0, 90)),
            3_800_000,
        ),
        // 2,000 x 0.625 + 6,000 x 0.0625 + 1,000 x 5 = 1,250 + 375 + 5,000
        (
            OPENAI,
            "gpt-5-2025-08-07",
            now,
            flex(text(8_000, 6_000, 1_000)),
            6_625_000,
        ),
        // 8,000 x 0.45 + 2,000 x 0.045 + 500 x 3.6 = 3,600 + 90 + 1,800
        (
            OPENAI,
            "gpt-5-mini",
            now,
            priority(text(10_000, 2_000, 500)),
            5_490_000,
        ),
        // 0.025 + 0.2
        (OPENAI, "gpt-5-nano", now, flex(text(1, 0, 1)), 225),
        // 0.0025 micro-dollars are 2.5 nano-dollars, rounded up
        (OPENAI, "gpt-5-nano", now, batch(text(1, 1, 0)), 3),
        // 100 x 0.05 + 50 x 0.4 = 5 + 20
        (
            OPENAI,
            "gpt-5-nano-2025-08-07",
            now,
            text(100, 0, 50),
            25_000,
        ),
    ]);
}

#[test]
fn older_models_of_openai_cost_what_their_table_says() {
    let now = "2026-11-01";
    check(&[
        // 100 x 2 + 100 x 8 = 200 + 800
        (OPENAI, "gpt-4.1", now, text(100, 0, 100), 1_000_000),
        // no discount on what is cached: 5,000 x 0.20 + 100 x 0.80 = 1,000 + 80
        (
            OPENAI,
            "gpt-4.1-mini",
            now,
            batch(text(5_000, 1_000, 100)),
            1_080_000,
        ),
        // 6 x 0.1 + 4 x 0.025 + 10 x 0.4 = 0.6 + 0.1 + 4
        (OPENAI, "gpt-4.1-nano", now, text(10, 4, 10), 4_700),
        // 600 x 4.25 + 400 x 2.125 + 200 x 17 = 2,550 + 850 + 3,400
        (
            OPENAI,
            "gpt-4o",
            now,
            priority(text(1_000, 400, 200)),
            6_800_000,
        ),
        // the first snapshot has a price of its own: 1,000 x 5 + 200 x 15 = 5,000 + 3,000
        (
            OPENAI,
            "gpt-4o-2024-05-13",
            now,
            text(1_000, 0, 200),
            8_000_000,
        ),
        // another one has not: 1,000 x 2.5 + 200 x 10 = 2,500 + 2,000
        (
            OPENAI,
            "gpt-4o-2024-11-20",
            now,
            text(1_000, 0, 200),
            4_500_000,
        ),
        // 333 x 0.15 + 77 x 0.6 = 49.95 + 46.2
        (OPENAI, "gpt-4o-mini", now, text(333, 0, 77), 96_150),
        // 1,000 x 10 + 1,000 x 40 = 10,000 + 40,000
        (
            OPENAI,
            "o3",
            "2025-06-09",
            text(1_000, 0, 1_000),
            50_000_000,
        ),
        // a fifth of it from the next day on
        (
            OPENAI,
            "o3",
            "2025-06-10",
            text(1_000, 0, 1_000),
            10_000_000,
        ),
        // 1,000 x 0.1375 + 100 x 2.2 = 137.5 + 220
        (
            OPENAI,
            "o4-mini",
            now,
            flex(text(1_000, 1_000, 100)),
            357_500,
        ),
        // 12,345 x 0.02
        (
            OPENAI,
            "text-embedding-3-small",
            now,
            text(12_345, 0, 0),
            246_900,
        ),
        // 1,000 x 0.065
        (
            OPENAI,
            "text-embedding-3-large",
            now,
            batch(text(1_000, 0, 0)),
            65_000,
        ),
        // free of charge
        (OPENAI, "omni-moderation-latest", now, text(500, 0, 0), 0),
    ]);
}

#[test]
fn audio_and_images_cost_what_their_table_says() {
    let now = "2026-11-01";
    let speech = BilledUsage {
        audio_input_tokens: 1_000,
        cached_audio_tokens: 400,
        audio_output_tokens: 800,
        ..text(1_500, 600, 900)
    };
    let transcript = BilledUsage {
        audio_input_tokens: 600,
        audio_ms: 60_000,
        ..text(600, 0, 120)
    };
    let minutes = BilledUsage {
        audio_ms: 90_500,
        ..BilledUsage::default()
    };
    let picture = BilledUsage {
        image_input_tokens: 250,
        image_output_tokens: 4_160,
        images: 1,
        ..text(300, 0, 4_160)
    };
    let pictures = BilledUsage {
        images: 4,
        ..BilledUsage::default()
    };
    let film = BilledUsage {
        audio_input_tokens: 3_200,
        image_input_tokens: 258,
        ..text(5_000, 0, 100)
    };
    check(&[
        // 300 x 4 + 200 x 0.40 + 600 x 32 + 400 x 0.40 + 100 x 16 + 800 x 64
        // = 1,200 + 80 + 19,200 + 160 + 1,600 + 51,200
        (OPENAI, "gpt-realtime", now, speech, 73_440_000),
        // 300 x 0.60 + 200 x 0.06 + 600 x 10 + 400 x 0.30 + 100 x 2.40 + 800 x 20
        // = 180 + 12 + 6,000 + 120 + 240 + 16,000
        (OPENAI, "gpt-realtime-mini", now, speech, 22_552_000),
        // the minute is counted in tokens: 600 x 6 + 120 x 10 = 3,600 + 1,200
        (OPENAI, "gpt-4o-transcribe", now, transcript, 4_800_000),
        // 90.5 s of 60 at 0.006 a minute
        (OPENAI, "whisper-1", now, minutes, 9_050_000),
        // the image is counted in tokens: 50 x 5 + 250 x 10 + 4,160 x 40 = 250 + 2,500 + 166,400
        (OPENAI, "gpt-image-1", now, picture, 169_150_000),
        // 4 x 0.02
        (
            GEMINI,
            "imagen-4.0-fast-generate-001",
            now,
            pictures,
            80_000_000,
        ),
        // 1,542 x 0.3 + 3,200 x 1.00 + 258 x 0.3 + 100 x 2.5 = 462.6 + 3,200 + 77.4 + 250
        (GEMINI, "gemini-2.5-flash", now, film, 3_990_000),
    ]);
}

#[test]
fn claude_models_cost_what_their_table_says() {
    let now = "2026-11-01";
    let cached = written(text(100_000, 80_000, 2_000), 10_000, 5_000);
    check(&[
        // 5,000 x 10 + 80,000 x 0.25 + 10,000 x 12.5 + 5,000 x 20 + 2,000 x 50
        // = 50,000 + 20,000 + 125,000 + 100,000 + 100,000
        (ANTHROPIC, "claude-fable-5-1", now, cached, 395_000_000),
        // the same, reading at 1.00: 60,000 more
        (ANTHROPIC, "claude-fable-5", now, cached, 455_000_000),
        // 5,000 x 2 + 5,000 x 0.10 + 1,000 x 10 = 10,000 + 500 + 10,000
        (
            ANTHROPIC,
            "claude-opus-5-5",
            now,
            batch(text(10_000, 5_000, 1_000)),
            20_500_000,
        ),
        // 3,000 x 5 + 400 x 25 = 15,000 + 10,000
        (
            ANTHROPIC,
            "claude-opus-4-8",
            now,
            text(3_000, 0, 400),
            25_000_000,
        ),
        // 10,000 x 0.20
        (
            ANTHROPIC,
            "claude-sonnet-5-5",
            "2026-10-06",
            text(10_000, 10_000, 0),
            2_000_000,
        ),
        // 10,000 x 0.10
        (
            ANTHROPIC,
            "claude-sonnet-5-5",
            "2026-10-07",
            text(10_000, 10_000, 0),
            1_000_000,
        ),
        // the last day of dearer long contexts: 200,001 x 6 + 1,000 x 22.5 = 1,200,006 + 22,500
        (
            ANTHROPIC,
            "claude-sonnet-4-6",
            "2026-03-12",
            text(200_001, 0, 1_000),
            1_222_506_000,
        ),
        // the day after: 200,001 x 3 + 1,000 x 15 = 600,003 + 15,000
        (
            ANTHROPIC,
            "claude-sonnet-4-6",
            "2026-03-13",
            text(200_001, 0, 1_000),
            615_003_000,
        ),
        // 100,000 x 0.10 + 100 x 0.50 = 10,000 + 50
        (
            ANTHROPIC,
            "claude-haiku-5-5",
            now,
            text(100_000, 0, 100),
            10_050_000,
        ),
        // 100,001 x 0.50 + 100 x 2.50 = 50,000.5 + 250
        (
            ANTHROPIC,
            "claude-haiku-5-5",
            now,
            text(100_001, 0, 100),
            50_250_500,
        ),
        // 2,048 x 2 + 10 x 5 = 4,096 + 50
        (
            ANTHROPIC,
            "claude-haiku-4-5-20251001",
            now,
            written(text(2_048, 0, 10), 0, 2_048),
            4_146_000,
        ),
    ]);
}

#[test]
fn models_of_other_providers_cost_what_their_table_says() {
    let now = "2026-11-01";
    check(&[
        // the last day of half price: 1,000 x 0.75 + 1,000 x 3.75 = 750 + 3,750
        (
            GEMINI,
            "gemini-3.8-flash",
            "2026-12-31",
            text(1_000, 0, 1_000),
            4_500_000,
        ),
        // 1,000 x 1.50 + 1,000 x 7.50 = 1,500 + 7,500
        (
            GEMINI,
            "gemini-3.8-flash",
            "2027-01-01",
            text(1_000, 0, 1_000),
            9_000_000,
        ),
        // exactly at the threshold: 200,000 x 2 + 1,000 x 12 = 400,000 + 12,000
        (
            GEMINI,
            "gemini-3.1-pro-preview",
            now,
            text(200_000, 0, 1_000),
            412_000_000,
        ),
        // one above it, at half: 200,001 x 2 + 1,000 x 9 = 400,002 + 9,000
        (
            GEMINI,
            "gemini-3.1-pro-preview",
            now,
            batch(text(200_001, 0, 1_000)),
            409_002_000,
        ),
        // 150,000 x 2.5 + 100,000 x 0.25 + 2,000 x 15 = 375,000 + 25,000 + 30,000
        (
            GEMINI,
            "gemini-2.5-pro",
            now,
            text(250_000, 100_000, 2_000),
            430_000_000,
        ),
        // long from 200,000 on: 199,999 x 2
        (XAI, "grok-4.7", now, text(199_999, 0, 0), 399_998_000),
        // 200,000 x 4
        (XAI, "grok-4.7", now, text(200_000, 0, 0), 800_000_000),
        // 0.435 + 999 x 0.0036 + 0.87 = 0.435 + 3.5964 + 0.87 = 4.9014, rounded up
        (DEEPSEEK, "deepseek-v4-pro", now, text(1_000, 999, 1), 4_902),
        // 7 x 0.15 + 7 x 0.6 = 1.05 + 4.2
        (MISTRAL, "mistral-small-2603", now, text(7, 0, 7), 5_250),
        // 1,000 x 0.075 + 1 x 0.0375 = 75.0375, rounded up
        (GROQ, "openai/gpt-oss-20b", now, text(1_001, 1, 0), 75_038),
        // 590 x 0.59 + 79 x 0.79 = 348.1 + 62.41
        (
            GROQ,
            "llama-3.3-70b-versatile",
            now,
            text(590, 0, 79),
            410_510,
        ),
    ]);
}
