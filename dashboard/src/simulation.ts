// Trying settings out: what can be set, what differs, and how results compare.
import type { SenderResult, SettingsPreset, SimulatedGateway, SimulatedKind, SimulatedQuota, SimulatedWorkload, Simulation, SimulationRequest } from './api/types'
import { count, decimal, duration, percent } from './format'

/** Settings that are numbers. */
type Numbers = { [K in keyof SimulatedGateway]: SimulatedGateway[K] extends number | null ? K : never }[keyof SimulatedGateway]

/** A setting of the gateway that a simulation knows. */
export interface Setting {
  key: Numbers
  /** Its key in the configuration. */
  name: string
  label: string
  min: number
  max: number
  step: number
  /** Whether it may be left out: it is then as the preset says, or as it is by default. */
  optional: boolean
}

function setting(key: Numbers, name: string, label: string, min: number, max: number, step = 1, optional = false): Setting {
  return { key, name, label, min, max, step, optional }
}

/** The settings, in groups that belong together. */
export const GROUPS: { title: string; settings: Setting[] }[] = [
  {
    title: 'The pace',
    settings: [
      setting('headroom_percent', 'limits.headroom', 'Further headroom, %', 0, 99),
      setting('guard_ms', 'limits.guard', 'Guard, ms', 0, 60_000, 10),
      setting('concurrency', 'limits.concurrency', 'Requests at once', 1, 1_000_000, 1, true),
      setting('spacing_ms', 'limits.spacing', 'Spacing, ms', 0, 3_600_000, 10),
      setting('probe_concurrency', 'limits.probe_concurrency', 'Probes at once', 1, 1_000),
      setting('penalty_tokens', 'limits.penalty_tokens', 'Penalty, tokens', 0, 1_000_000_000, 100),
    ],
  },
  {
    title: 'After refusals and failures',
    settings: [
      setting('retries_max', 'retry.retries_max', 'Retries', 0, 100, 1, true),
      setting('stabilisation_s', 'retry.stabilisation', 'Stabilisation, s', 0, 86_400, 1, true),
    ],
  },
  {
    title: 'The queue',
    settings: [
      setting('max_wait_s', 'queue.max_wait', 'Longest wait, s', 0, 604_800, 1, true),
      setting('waiting_max', 'queue.waiting_max', 'Waiting at most', 1, 10_000_000, 1, true),
      setting('waiting_per_tenant_max', 'queue.waiting_per_tenant_max', 'Waiting at most, each tenant', 1, 10_000_000, 1, true),
      setting('interactive_percent', 'queue.tiers.interactive.guaranteed_share', 'Share of interactive, %', 0, 100, 1, true),
      setting('standard_percent', 'queue.tiers.standard.guaranteed_share', 'Share of standard, %', 0, 100, 1, true),
      setting('batch_percent', 'queue.tiers.batch.guaranteed_share', 'Share of batch, %', 0, 100, 1, true),
    ],
  },
]

const SETTINGS = GROUPS.flatMap((group) => group.settings)

/** The same settings under another preset: what it sets is left to it, and what only the old one set is as now. */
export function withPreset(gateway: SimulatedGateway, now: SimulatedGateway, preset: SettingsPreset | null, old: SettingsPreset | null): SimulatedGateway {
  const sets = (one: SettingsPreset | null, name: string): boolean => one?.settings.some((set) => set.key === name) ?? false
  const next: SimulatedGateway = { ...gateway, preset: preset?.name ?? null }
  for (const { key, name, optional } of SETTINGS) {
    if (!optional) continue
    if (sets(preset, name)) Object.assign(next, { [key]: null })
    else if (sets(old, name)) Object.assign(next, { [key]: now[key] })
  }
  return next
}

/** What the two sides differ in, one sentence each. */
export function differences(now: SimulationRequest, tried: SimulationRequest): string[] {
  const found: string[] = []
  if (quotaText(now.quota) !== quotaText(tried.quota)) found.push(`The quota: ${quotaText(tried.quota)}; now ${quotaText(now.quota)}.`)
  if (now.gateway.knows_limits !== tried.gateway.knows_limits) {
    found.push(tried.gateway.knows_limits ? 'The limits are configured; now they are learned.' : 'The limits are learned; now they are configured.')
  }
  if (now.gateway.preset !== tried.gateway.preset) found.push(`Preset: ${tried.gateway.preset ?? 'none'}; now ${now.gateway.preset ?? 'none'}.`)
  for (const { key, label } of SETTINGS) {
    const [before, after] = [now.gateway[key], tried.gateway[key]]
    if (before !== after) found.push(`${label}: ${after ?? 'left out'}; now ${before ?? 'left out'}.`)
  }
  return found
}

function quotaText(quota: SimulatedQuota[]): string {
  return quota.map((one) => `${count(one.amount)} ${one.metric} in ${duration(one.window_s * 1000)} as ${kindText(one)}`).join(' and ')
}

/** The ways in which a provider can count. */
export const KINDS: { value: SimulatedKind; label: string }[] = [
  { value: 'bucket', label: 'bucket' },
  { value: 'fixed', label: 'fixed window' },
  { value: 'fixed_from_first_use', label: 'window from first use' },
  { value: 'sliding', label: 'sliding window' },
  { value: 'quantised', label: 'pieces' },
]

/** The length of a piece, where none is given. */
const PIECE_MS = 1_000

export function pieceOf(quota: SimulatedQuota): number {
  return quota.quantum_ms ?? PIECE_MS
}

export function kindText(quota: SimulatedQuota): string {
  const name = KINDS.find((one) => one.value === quota.kind)?.label ?? quota.kind
  return quota.kind === 'quantised' ? `${name} of ${duration(pieceOf(quota))}` : name
}

/** The lowest rate that can be set, in requests a minute. */
export const RATE_MIN = 0.01

/** How requests of a row come. */
export type Arrivals = 'steady' | 'job' | 'bursts'

export function arrivalsOf(row: SimulatedWorkload): Arrivals {
  return row.job ? 'job' : row.bursts ? 'bursts' : 'steady'
}

/** The same row with requests that come in another way. */
export function withArrivals(row: SimulatedWorkload, arrivals: Arrivals): SimulatedWorkload {
  const none = { ...row, requests_per_minute: null, job: null, bursts: null }
  if (arrivals === 'job') return { ...none, job: { requests: 200, concurrency: 50 } }
  if (arrivals === 'bursts') return { ...none, bursts: { requests: 50, every_s: 60 } }
  return { ...none, requests_per_minute: 30 }
}

/** One figure of both sides. */
export interface Compared {
  label: string
  now: string
  tried: string
  /** How the tried one compares; empty: it does not. */
  change: string
  /** Whether that is better, worse, or neither. */
  tone: 'good' | 'bad' | 'plain'
}

export function compare(now: SenderResult, tried: SenderResult): Compared[] {
  return [
    row('Served', now.served, tried.served, count, 1, () => ` of ${count(now.requests)}`),
    row('Not served', now.requests - now.served, tried.requests - tried.served, count, -1),
    row('Refused by the provider', now.refused_by_provider, tried.refused_by_provider, count, -1),
    row('Quota used, from the second minute on', now.quota_used, tried.quota_used, percent, 0),
    row('Wait, median', now.wait.p50_ms, tried.wait.p50_ms, duration, -1),
    row('Wait, 95th percentile', now.wait.p95_ms, tried.wait.p95_ms, duration, -1),
    row('Wait, longest', now.wait.max_ms, tried.wait.max_ms, duration, -1),
    row('Last answer after', now.last_answer_ms, tried.last_answer_ms, duration, -1),
  ]
}

export function compareTenants(now: SenderResult, tried: SenderResult): Compared[] {
  return now.tenants.map((tenant) => {
    const other = tried.tenants.find((one) => one.tenant === tenant.tenant)
    return row(tenant.tenant, tenant.wait_p95_ms, other?.wait_p95_ms ?? null, duration, -1)
  })
}

/** `better`: 1 where more is better, -1 where less is, 0 where neither is. */
function row(label: string, now: number | null, tried: number | null, format: (value: number) => string, better: number, suffix = (): string => ''): Compared {
  const text = (value: number | null): string => (value === null ? '–' : format(value))
  const base = { label, now: text(now) + (now === null ? '' : suffix()), tried: text(tried) + (tried === null ? '' : suffix()) }
  if (now === null || tried === null || text(now) === text(tried)) return { ...base, change: now === null || tried === null ? '' : 'the same', tone: 'plain' }
  const difference = tried - now
  const size = format === percent ? `${decimal(Math.abs(difference) * 100)} points` : format(Math.abs(difference))
  const change = `${difference > 0 ? '+' : '−'}${size}`
  return { ...base, change, tone: better === 0 ? 'plain' : difference * better > 0 ? 'good' : 'bad' }
}

/** One sentence about both. */
export function summary(now: SenderResult, tried: SenderResult): string {
  const parts: string[] = []
  const lost = tried.requests - tried.served - (now.requests - now.served)
  if (lost !== 0) parts.push(`${count(Math.abs(lost))} ${lost > 0 ? 'more' : 'fewer'} not served`)
  const refused = tried.refused_by_provider - now.refused_by_provider
  if (refused !== 0) parts.push(`${count(Math.abs(refused))} ${refused > 0 ? 'more' : 'fewer'} refusals`)
  const [before, after] = [now.wait.p95_ms, tried.wait.p95_ms]
  if (Math.abs(after - before) > Math.max(before, after) * 0.02) parts.push(`95 of 100 waits end within ${duration(after)} in place of ${duration(before)}`)
  return parts.length === 0 ? 'What is tried does the same as the present settings.' : `With what is tried: ${parts.join('; ')}.`
}

/** Both courses on one axis: moments in milliseconds, and one value of each side for each. */
export function course(answer: Simulation, of: 'waiting' | 'tokens', perMinute: boolean, timesMs: number[]): (number | null)[] {
  const factor = perMinute ? 60 / answer.step_s : 1
  const points = answer.senders[0]?.points ?? []
  let next = 0
  return timesMs.map((ms) => {
    while (next + 1 < points.length && (points[next + 1]?.at_s ?? Infinity) * 1000 <= ms) next += 1
    const point = points[next]
    const over = point === undefined || ms >= (point.at_s + answer.step_s) * 1000
    return over ? 0 : point[of] * factor
  })
}

/** The moments of both courses, each once. */
export function momentsOf(answers: Simulation[]): number[] {
  return [...new Set(answers.flatMap((answer) => (answer.senders[0]?.points ?? []).map((point) => point.at_s * 1000)))].sort((a, b) => a - b)
}
