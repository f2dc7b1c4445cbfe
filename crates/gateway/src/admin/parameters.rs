//! The parameters of a request's query: each is looked at once, and none is passed over.

use std::ops::RangeInclusive;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use paceline_ledger::TEXT_BYTES_MAX;

use super::problem::Problem;

/// What a name has to be.
const NAME: &str = "a name of 1 to 256 bytes without control characters";

/// What was given, and which names were looked for.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl Parameters {
    fn parse(query: &str) -> Result<Self, Problem> {
        let mut given: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).ok_or_else(|| Problem::unknown("?", &[]))?;
            let value = decoded(value)
                .ok_or_else(|| Problem::invalid(&shown(&name), "UTF-8, percent-encoded"))?;
            if given.iter().any(|(other, _)| *other == name) {
                return Err(Problem::invalid(&shown(&name), "one value, not several"));
            }
            given.push((name, value));
        }
        Ok(Self {
            given,
            known: Vec::new(),
        })
    }

    /// Takes the value of a parameter, if it was given.
    pub(super) fn take(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let at = self.given.iter().position(|(other, _)| other == name)?;
        Some(self.given.swap_remove(at).1)
    }

    /// Takes a name of something.
    pub(super) fn name(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        let value = self.name_or_none(name)?;
        match value.as_deref() {
            Some("") => Err(Problem::invalid(name, NAME)),
            _ => Ok(value),
        }
    }

    /// Takes a name of something, which may be empty.
    pub(super) fn name_or_none(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        self.take(name)
            .map(|value| checked(name, value))
            .transpose()
    }

    /// Takes one of some words.
    pub(super) fn word<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let found = words.iter().find(|(word, _)| *word == value);
        let Some((_, meant)) = found else {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            return Err(Problem::invalid(
                name,
                &format!("one of {}", words.join(", ")),
            ));
        };
        Ok(Some(*meant))
    }

    /// Takes a whole number.
    pub(super) fn number(
        &mut self,
        name: &'static str,
        range: RangeInclusive<usize>,
    ) -> Result<Option<usize>, Problem> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.parse().ok().filter(|_| digits);
        let number = number.filter(|number| range.contains(number));
        let (low, high) = range.into_inner();
        number
            .map(Some)
            .ok_or_else(|| Problem::invalid(name, &format!("a whole number from {low} to {high}")))
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Result<(), Problem> {
        match self.given.first() {
            Some((name, _)) => Err(Problem::unknown(name, &self.known)),
            None => Ok(()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

/// Takes no parameters.
#[derive(Debug)]
pub(super) struct NoParameters;

impl<S: Sync> FromRequestParts<S> for NoParameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let parameters = Parameters::from_request_parts(parts, state).await?;
        parameters.finish().map(|()| Self)
    }
}

/// A text that can be the name of something in a record.
pub(super) fn checked(parameter: &str, value: String) -> Result<String, Problem> {
    let fits = value.len() <= TEXT_BYTES_MAX && !value.contains(char::is_control);
    fits.then_some(value)
        .ok_or_else(|| Problem::invalid(parameter, NAME))
}

/// Of a name that was made up by somebody, as much as need be shown.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

/// Undoes the encoding of forms; `None` where it is none, or hides what is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                high << 4 | low
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_undone_and_what_is_none_is_refused() {
        assert_eq!(decoded("a+b%20c%C3%A4").as_deref(), Some("a b cä"));
        for text in ["%", "%4", "%zz", "%ff", "a%C3"] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }

    #[test]
    fn a_parameter_that_nobody_looks_for_is_an_error_that_names_the_others() {
        let mut parameters = Parameters::parse("limit=5&x=1").unwrap();
        assert_eq!(parameters.number("limit", 1..=10), Ok(Some(5)));
        let problem = parameters.finish().unwrap_err();
        assert_eq!(problem, Problem::unknown("x", &["limit"]));
    }

    #[test]
    fn values_are_taken_once_and_only_as_they_must_be() {
        assert!(Parameters::parse("a=1&a=1").is_err());
        let number = |text: &str| {
            let mut parameters = Parameters::parse(text).unwrap();
            parameters.number("limit", 1..=10)
        };
        for text in [
            "limit=0",
            "limit=11",
            "limit=%2B5",
            "limit=-1",
            "limit=",
            "limit=1e1",
        ] {
            assert!(number(text).is_err(), "{text}");
        }
        let name = |text: &str| Parameters::parse(text).unwrap().name("tenant");
        assert_eq!(name("tenant=a%20b"), Ok(Some("a b".to_owned())));
        assert_eq!(name(""), Ok(None));
        for text in ["tenant=", "tenant=a%0Ab", "tenant=a%00"] {
            assert!(name(text).is_err(), "{text}");
        }
        assert!(name(&format!("tenant={}", "x".repeat(257))).is_err());
    }
}
