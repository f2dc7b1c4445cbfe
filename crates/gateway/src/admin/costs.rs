//! What calls cost: `/monitoring/cost-breakdown`.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use paceline_admin_api::{CostBreakdown, CostGroup, CostPoint, CostSums};
use paceline_ledger::{Order, Query, Usage};

use super::asked;
use super::parameters::Parameters;
use super::performance::ratio;
use super::problem::Problem;
use super::usage::names;
use crate::shared::Shared;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/monitoring/cost-breakdown", get(cost_breakdown))
}

async fn cost_breakdown(
    State(shared): State<Arc<Shared>>,
    mut parameters: Parameters,
) -> Result<Json<CostBreakdown>, Problem> {
    let filter = asked::filter(&mut parameters, shared.now_ms())?;
    let series = asked::series(&mut parameters, &filter)?;
    let grouping = asked::grouping(&mut parameters)?;
    parameters.finish()?;
    let ledger = asked::ledger(&shared)?;
    let total = Query::total(filter);
    let points = total.clone().over(series.period, series.offset_minutes);
    let points = ledger.query(&points).await?;
    let groups = Query {
        group_by: grouping.dimensions.clone(),
        ..total.clone().top(Order::Cost, grouping.limit)
    };
    let groups = ledger.query(&groups).await?;
    let total = ledger.query(&total).await?;
    let sum = total.groups.first().map(|group| sums(&group.usage));
    let sum = sum.unwrap_or_default();
    Ok(Json(CostBreakdown {
        from_ms: total.from_ms,
        until_ms: total.until_ms,
        total: sum,
        truncated: groups.truncated,
        groups: groups
            .groups
            .iter()
            .map(|group| CostGroup {
                by: names(group, &grouping.dimensions),
                cost: sums(&group.usage),
                share: ratio(group.usage.cost_nanousd, sum.cost_nanousd).unwrap_or(0.0),
            })
            .collect(),
        bucket: asked::period_name(series.period).to_owned(),
        utc_offset_minutes: series.offset_minutes,
        series: points
            .groups
            .iter()
            .map(|group| CostPoint {
                start_ms: group.bucket_ms.unwrap_or_default(),
                cost: sums(&group.usage),
            })
            .collect(),
    }))
}

fn sums(usage: &Usage) -> CostSums {
    let priced = usage.sent.saturating_sub(usage.unpriced);
    CostSums {
        calls: usage.calls,
        cost_nanousd: usage.cost_nanousd,
        unpriced: usage.unpriced,
        average_nanousd: usage.cost_nanousd.checked_div(priced),
        input_tokens: usage.input_tokens,
        cached_tokens: usage.cached_tokens,
        output_tokens: usage.output_tokens,
    }
}
