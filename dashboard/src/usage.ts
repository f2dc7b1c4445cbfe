// The figures of the page on usage: asked for together and of the same time, so that they add up.
import { get } from './api/client'
import type { CostBreakdown, Forecasts, SpendForecast, TokenUsage, UsagePoint, UsageSums } from './api/types'
import { feed } from './live/feed.svelte'
import { along, stretchName, stretchesOf, weeksOf } from './series'
import { before, filterValue, keyOf, question, spanOf, stretchParameters, type Dimension, type Span, type View } from './view'
import type { Series } from './components/TimeChart.svelte'

/** The most groups that are told of, those with most tokens and those that cost most. */
export const GROUPS = 100
/** How many groups have a colour of their own in the charts. */
const COLOURED = 5
const OTHERS = '--fill-idle'

export interface Row {
  /** Its name as the gateway has it; empty: calls without one. */
  name: string
  calls: number
  input: number
  cached: number
  output: number
  cost: number
  unpriced: number
  /** The cost of a sent call with a known price, on average; `null`: there is none. */
  average: number | null
  /** The same before; `undefined`: not known. */
  before: { calls: number; input: number; output: number; cost: number } | undefined
}

export interface Usage {
  /** Of which view these are. */
  key: string
  view: View
  span: Span
  now: TokenUsage
  before: TokenUsage
  rows: Row[]
  truncated: boolean
  /** Calls that are in the sums and in no group: by session, those of which no single record is kept any more. */
  unlisted: number
  /** Models of which some calls have no known price. */
  unpricedModels: string[]
  /** By what the series are cut. */
  stretch: string
  starts: number[]
  endMs: number
  cost: Series[]
  tokens: Series[]
  /** Whether the series lie on each other; by tag a call may be in several. */
  stacked: boolean
}

export async function loadUsage(view: View, signal: AbortSignal): Promise<Usage> {
  const span = spanOf(view)
  const by = view.group
  const more = { group_by: by, limit: GROUPS, ...stretchParameters(span) }
  const [now, cost, earlier] = await Promise.all([
    get<TokenUsage>(question('/monitoring/token-usage', view, span, more), {}, signal),
    get<CostBreakdown>(question('/monitoring/cost-breakdown', view, span, more), {}, signal),
    get<TokenUsage>(question('/monitoring/token-usage', view, before(span), { group_by: by, limit: 1000 }), {}, signal),
  ])
  const rows = rowsOf(by, now, cost, earlier)
  const top = topOf(rows, by)
  const [answers, unpricedModels] = await Promise.all([
    Promise.all(top.map((row) => seriesOf(view, span, row.name, now.bucket, signal))),
    unpriced(view, span, now, signal),
  ])
  const { starts, endMs } = stretchesOf(now)
  const weeks = weeksOf(now, starts)
  const groups = top.map((row, i) => ({ name: row.name, points: answers[i]?.series ?? [] }))
  const stacked = by !== 'tag'
  const chart = (figure: (point: UsagePoint) => number): Series[] => {
    const series = seriesWithOthers(starts, now.series, groups, figure, { by, stacked })
    return weeks ? series.map((one) => ({ ...one, values: weeks.sum(one.values) })) : series
  }
  return {
    key: keyOf(view),
    view,
    span,
    now,
    before: earlier,
    rows,
    truncated: now.truncated || cost.truncated,
    unlisted: by !== 'session' || now.truncated ? 0 : Math.max(now.total.calls - callsIn(now), 0),
    unpricedModels,
    stretch: stretchName(now, now.total.calls, now.series.reduce((sum, point) => sum + point.usage.calls, 0), weeks !== null),
    starts: weeks?.starts ?? starts,
    endMs: weeks?.endMs ?? endMs,
    cost: chart((point) => point.usage.cost_nanousd),
    tokens: chart((point) => point.usage.total_tokens),
    stacked,
  }
}

/** Those with most tokens and those that cost most, which need not be the same. */
function rowsOf(by: Dimension, now: TokenUsage, cost: CostBreakdown, earlier: TokenUsage): Row[] {
  const isWhole = !earlier.truncated && (by !== 'session' || callsIn(earlier) >= earlier.total.calls)
  const past = new Map(earlier.groups.map(({ by: names, usage }) => [names[by] ?? '', usage]))
  const known = [
    ...now.groups.map(({ by: names, usage }) => ({ name: names[by] ?? '', sums: usage, average: averageCost(usage) })),
    ...cost.groups.map(({ by: names, cost: sums }) => ({ name: names[by] ?? '', sums, average: sums.average_nanousd })),
  ]
  const rows = new Map<string, Row>()
  for (const { name, sums, average } of known) {
    if (rows.has(name)) continue
    const was = isWhole || by !== 'session' ? past.get(name) : undefined
    // Where groups are missing, nobody knows which calls theirs were.
    const none = !isWhole ? undefined : { calls: 0, input: 0, output: 0, cost: 0 }
    rows.set(name, {
      name,
      calls: sums.calls,
      input: sums.input_tokens,
      cached: sums.cached_tokens,
      output: sums.output_tokens,
      cost: sums.cost_nanousd,
      unpriced: sums.unpriced,
      average,
      before: was ? { calls: was.calls, input: was.input_tokens, output: was.output_tokens, cost: was.cost_nanousd } : none,
    })
  }
  return [...rows.values()]
}

function callsIn(answer: TokenUsage): number {
  return answer.groups.reduce((sum, group) => sum + group.usage.calls, 0)
}

/** What a sent call with a known price cost, on average; `null`: there is none. */
export function averageCost(sums: UsageSums): number | null {
  const priced = sums.sent - sums.unpriced
  return priced > 0 ? sums.cost_nanousd / priced : null
}

function topOf(rows: Row[], by: Dimension): Row[] {
  const priced = rows.some((row) => row.cost > 0)
  const size = (row: Row): number => (priced ? row.cost : row.input + row.output)
  const named = rows.filter((row) => filterValue(by, row.name) !== null && size(row) > 0)
  return named.sort((a, b) => size(b) - size(a)).slice(0, COLOURED)
}

function seriesOf(view: View, span: Span, name: string, bucket: string, signal: AbortSignal): Promise<TokenUsage> {
  const filters = { ...view.filters, [view.group]: filterValue(view.group, name) ?? '' }
  const more = { ...stretchParameters(span), limit: 1, bucket }
  return get<TokenUsage>(question('/monitoring/token-usage', { ...view, filters }, span, more), {}, signal)
}

/** Which models have calls of which no price is known. */
async function unpriced(view: View, span: Span, now: TokenUsage, signal: AbortSignal): Promise<string[]> {
  if (now.total.unpriced === 0) return []
  const more = { group_by: 'model', limit: 1000 }
  const answer = view.group === 'model' ? now : await get<TokenUsage>(question('/monitoring/token-usage', view, span, more), {}, signal)
  return answer.groups.filter((group) => group.usage.unpriced > 0).map((group) => group.by.model ?? '')
}

/** A series of each group that is named, and one of all that is left. */
function seriesWithOthers(
  starts: number[],
  all: UsagePoint[],
  groups: { name: string; points: UsagePoint[] }[],
  figure: (point: UsagePoint) => number,
  { by, stacked }: { by: Dimension; stacked: boolean },
): Series[] {
  const kind = stacked ? ('bars' as const) : ('line' as const)
  const named = groups.map(({ name, points }, i): Series & { values: number[] } => ({
    label: name === '' ? `no ${by}` : name,
    color: `--series-${i + 1}`,
    kind,
    values: along(starts, points, figure, 0) as number[],
  }))
  if (!stacked) return named
  const whole = along(starts, all, figure, 0) as number[]
  const rest = whole.map((value, i) => Math.max(value - named.reduce((sum, one) => sum + (one.values[i] ?? 0), 0), 0))
  if (named.length === 0) return [{ label: 'all', color: '--series-1', kind, values: whole }]
  return rest.some((value) => value > 0) ? [...named, { label: 'others', color: OTHERS, kind, values: rest }] : named
}

export interface Spend {
  spend: SpendForecast | null
  /** Since the first of the month on this machine's calendar, in billionths of a dollar. */
  monthNanousd: number
  /** How many days of the month are left. */
  daysLeft: number
}

export async function loadSpend(signal: AbortSignal): Promise<Spend> {
  const now = new Date(Date.now() + feed.clockOffsetMs)
  const first = new Date(now.getFullYear(), now.getMonth())
  const next = new Date(now.getFullYear(), now.getMonth() + 1)
  const [forecasts, month] = await Promise.all([
    get<Forecasts>('/monitoring/forecasts', {}, signal),
    get<CostBreakdown>('/monitoring/cost-breakdown', { from: Math.floor(first.getTime() / 1000), limit: 1, bucket: 'day' }, signal),
  ])
  const daysLeft = (next.getTime() - now.getTime()) / 86_400_000
  return { spend: forecasts.spend, monthNanousd: month.total.cost_nanousd, daysLeft }
}
