// The figures of the page on performance, asked for together and of the same time.
import { get } from './api/client'
import type { CallRecord, Forecasts, Performance, PerformanceSums, RequestsPage, Suggestion, Suggestions, TokenUsage } from './api/types'
import type { Series } from './components/TimeChart.svelte'
import { outcomeName } from './format'
import { along, stretchName, stretchesOf } from './series'
import { before, keyOf, question, spanOf, stretchParameters, type Dimension, type Span, type View } from './view'

const GROUPS = 100
/** How many of the latest failures are shown, and so are asked for of each kind. */
const FAILURES = 5

/** How calls end that are failures, with their colours. */
export const FAILED: [string, string][] = [
  ['provider_error', '--series-6'],
  ['refused', '--series-3'],
  ['upstream_failed', '--series-4'],
]

export interface GroupRow {
  name: string
  sums: PerformanceSums
  /** The part of its calls that failed; `null`: not known. */
  failed: number | null
}

export interface Going {
  key: string
  view: View
  now: Performance
  before: Performance
  rows: GroupRow[]
  /** By what the series are cut. */
  stretch: string
  starts: number[]
  endMs: number
  waits: Series[]
  times: Series[]
  errors: Series[]
  failures: CallRecord[]
}

export async function loadPerformance(view: View, signal: AbortSignal): Promise<Going> {
  const span = spanOf(view)
  const by = view.group
  const more = { group_by: by, limit: GROUPS, ...stretchParameters(span) }
  const path = '/monitoring/performance'
  const [now, earlier, outcomes] = await Promise.all([
    get<Performance>(question(path, view, span, more), {}, signal),
    get<Performance>(question(path, view, before(span), { limit: 1 }), {}, signal),
    get<TokenUsage>(question('/monitoring/token-usage', view, span, { group_by: `${by},outcome`, limit: 1000 }), {}, signal),
  ])
  const { starts, endMs } = stretchesOf(now)
  const kinds = FAILED.filter(([kind]) => (now.total.outcomes[kind] ?? 0) > 0)
  const [errors, failures] = await Promise.all([
    Promise.all(kinds.map((kind) => errorSeries(view, span, kind, now.bucket, starts, signal))),
    Promise.all(kinds.map(([kind]) => latest(view, span, kind, signal))),
  ])
  const called = new Set(now.series.map((point) => point.start_ms))
  // A line needs two moments side by side; one alone is seen as a dot only.
  const dots = starts.some((start, i) => called.has(start) && !called.has(starts[i - 1] ?? 0) && !called.has(starts[i + 1] ?? 0))
  const line = (label: string, color: string, figure: (sums: PerformanceSums) => number | null): Series => ({
    label,
    color,
    kind: 'line',
    dots,
    values: along(starts, now.series, (point) => figure(point.performance), null),
  })
  return {
    key: keyOf(view),
    view,
    now,
    before: earlier,
    rows: rowsOf(by, now, outcomes),
    stretch: stretchName(now, now.total.calls, now.series.reduce((sum, point) => sum + point.performance.calls, 0)),
    starts,
    endMs,
    waits: [
      line('p50', '--series-1', (sums) => sums.wait.p50_ms),
      line('p95', '--series-3', (sums) => sums.wait.p95_ms),
    ],
    times: [
      line('first byte p50', '--series-7', (sums) => sums.first_byte.p50_ms),
      line('call p50', '--series-1', (sums) => sums.duration.p50_ms),
      line('call p95', '--series-2', (sums) => sums.duration.p95_ms),
    ],
    errors,
    failures: failures.flat().sort((a, b) => b.ended_at_ms - a.ended_at_ms).slice(0, FAILURES),
  }
}

/** The gateway tells outcomes of all calls only, so groups are asked for by outcome as well. */
function rowsOf(by: Dimension, now: Performance, outcomes: TokenUsage): GroupRow[] {
  const failed = new Map<string, number>()
  for (const { by: names, usage } of outcomes.groups) {
    if (FAILED.some(([kind]) => kind === names.outcome)) failed.set(names[by] ?? '', (failed.get(names[by] ?? '') ?? 0) + usage.calls)
  }
  return now.groups.map(({ by: names, performance: sums }) => {
    const name = names[by] ?? ''
    const count = failed.get(name) ?? (outcomes.truncated ? null : 0)
    return { name, sums, failed: count === null || sums.calls === 0 ? null : count / sums.calls }
  })
}

async function errorSeries(view: View, span: Span, [kind, color]: [string, string], bucket: string, starts: number[], signal: AbortSignal): Promise<Series> {
  const more = { ...stretchParameters(span), outcome: kind, limit: 1, bucket }
  const answer = await get<TokenUsage>(question('/monitoring/token-usage', view, span, more), {}, signal)
  return { label: outcomeName(kind), color, kind: 'bars', values: along(starts, answer.series, (point) => point.usage.calls, 0) }
}

async function latest(view: View, span: Span, kind: string, signal: AbortSignal): Promise<CallRecord[]> {
  const page = await get<RequestsPage>(question('/monitoring/requests', view, span, { outcome: kind, limit: FAILURES }), {}, signal)
  return page.requests
}

export interface Advised {
  fromMs: number
  suggestions: Suggestion[]
  /** Which limits stand in the configuration, as `limitKey` names them; others were learned. */
  configured: Set<string>
}

export function limitKey(pool: string, metric: string, windowMs: number): string {
  return `${pool} ${metric} ${windowMs}`
}

export async function loadAdvice(signal: AbortSignal): Promise<Advised> {
  const answer = await get<Suggestions>('/monitoring/suggestions', {}, signal)
  const configured = new Set<string>()
  if (answer.suggestions.some((suggestion) => suggestion.kind === 'raise_limit')) {
    const { limits } = await get<Forecasts>('/monitoring/forecasts', {}, signal)
    for (const { pool, metric, window_ms: windowMs, source } of limits) {
      if (source === 'configured') configured.add(limitKey(pool, metric, windowMs))
    }
  }
  return { fromMs: answer.from_ms, suggestions: answer.suggestions, configured }
}
