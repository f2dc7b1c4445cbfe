//! The lanes of a gateway that do not take all of their calls.

use paceline_admin_api::{LaneCause, LaneState, Lanes};

use crate::figures::{grouped, percent, span_ms};
use crate::terminal::{Style, plain};

/// A blank line and a line for each lane that is not well; nothing where all are.
pub(super) fn lines(lanes: &Lanes, style: Style) -> Vec<String> {
    let ill = lanes.lanes.iter().filter(|lane| !is_well(lane));
    let ill: Vec<String> = ill.map(|lane| line(lane, style)).collect();
    let blank = (!ill.is_empty()).then(String::new);
    blank.into_iter().chain(ill).collect()
}

fn is_well(lane: &LaneState) -> bool {
    matches!(lane.state.as_str(), "closed" | "unwatched")
}

fn line(lane: &LaneState, style: Style) -> String {
    let mut words = vec![match lane.state.as_str() {
        "open" => style.red("left alone"),
        "half_open" => style.red("one call finds out"),
        "returning" => format!(
            "returning, {} of its calls",
            percent(lane.share.unwrap_or_default())
        ),
        other => plain(other),
    }];
    if let Some(wait) = lane.next_probe_in_ms {
        words.push(format!("next try in {}", span_ms(wait)));
    }
    words.push(match lane.trips {
        1 => "ill once".to_owned(),
        trips => format!("ill {} times", grouped(trips)),
    });
    words.extend(lane.cause.as_ref().map(cause));
    format!(
        "lane {}: {}",
        style.bold(&plain(&lane.name)),
        words.join(", ")
    )
}

fn cause(cause: &LaneCause) -> String {
    let mut text = format!("last of {}", plain(&cause.kind));
    if let Some(status) = cause.status {
        text += &format!(" {status}");
    }
    match cause.message.as_str() {
        "" => text,
        message => format!("{text}: {}", plain(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_that_are_not_well_are_told_with_cause_and_next_try() {
        let lane = |name: &str, state: &str| LaneState {
            name: name.into(),
            state: state.into(),
            trips: 1,
            ..LaneState::default()
        };
        let open = LaneState {
            cause: Some(LaneCause {
                kind: "overload".into(),
                status: Some(529),
                message: "Over\x1bloaded".into(),
                at_unix_ms: 1,
            }),
            next_probe_in_ms: Some(3_000),
            trips: 4,
            ..lane("claude/claude-haiku-4-5", "open")
        };
        let returning = LaneState {
            share: Some(0.4),
            ..lane("b/x", "returning")
        };
        let mut lanes = Lanes {
            lanes: vec![lane("a/x", "closed"), returning, open],
            ..Lanes::default()
        };
        lanes.lanes.push(lane("d/x", "half_open"));
        lanes.lanes.push(lane("e/x", "unwatched"));
        assert_eq!(
            lines(&lanes, Style::default()),
            [
                "",
                "lane b/x: returning, 40 % of its calls, ill once",
                "lane claude/claude-haiku-4-5: left alone, next try in 3.0 s, ill 4 times, last of \
                 overload 529: Over\u{fffd}loaded",
                "lane d/x: one call finds out, ill once",
            ]
        );
        lanes.lanes.retain(is_well);
        assert!(lines(&lanes, Style::default()).is_empty());
    }
}
