//! Every example runs, and judges itself by what the provider counted.

#[path = "../../examples/async_openai.rs"]
pub mod async_openai;
#[path = "../../examples/reqwest.rs"]
pub mod reqwest;
#[path = "../../examples/shared.rs"]
pub mod shared;
#[path = "../../examples/token_rate_limiter.rs"]
pub mod token_rate_limiter;

#[test]
fn reqwest_is_paced_by_limits_that_nobody_told() {
    reqwest::main().unwrap();
}

#[test]
fn async_openai_is_paced_by_the_layer() {
    async_openai::main().unwrap();
}

#[test]
fn two_programs_share_one_quota() {
    shared::main().unwrap();
}

#[test]
fn tokens_are_counted_by_an_object() {
    token_rate_limiter::main().unwrap();
}
