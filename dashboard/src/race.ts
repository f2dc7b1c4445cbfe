// The race: one workload, a quota that nobody is told, and three ways to send.
import type { SenderResult, SimulatedGateway, SimulatedSender, SimulatedWorkload, SimulationRequest } from './api/types'
import { count, counted, duration, percent } from './format'

export interface RaceSettings {
  tokensPerMinute: number
  requestsPerMinute: number
  /** How much is asked for, in percent of what the quota lets through. */
  loadPercent: number
  enforced: Enforced
  seed: number
}

/** How the provider counts; none of the three is told. */
export type Enforced = 'pieces' | 'bucket' | 'sliding' | 'fixed'

export const ENFORCED: { value: Enforced; label: string }[] = [
  { value: 'pieces', label: 'in pieces of 5 s' },
  { value: 'bucket', label: 'as a bucket' },
  { value: 'sliding', label: 'as a sliding minute' },
  { value: 'fixed', label: 'in fixed minutes' },
]

/** The gateway's defaults, without a word about the limits. */
const AS_IT_COMES: SimulatedGateway = {
  preset: null,
  knows_limits: false,
  headroom_percent: 0,
  guard_ms: 200,
  concurrency: null,
  spacing_ms: 0,
  penalty_tokens: 1_000,
  probe_concurrency: 2,
  retries_max: null,
  stabilisation_s: null,
  max_wait_s: null,
  waiting_max: null,
  waiting_per_tenant_max: null,
  interactive_percent: null,
  standard_percent: null,
  batch_percent: null,
}

/** The bounds of what may be set. */
export const BOUNDS = {
  tokensPerMinute: { min: 10_000, max: 1_000_000, step: 1_000 },
  requestsPerMinute: { min: 60, max: 10_000, step: 10 },
  loadPercent: { min: 50, max: 300, step: 10 },
  seed: { min: 1, max: 9_999, step: 1 },
} as const

export const FIRST: RaceSettings = { tokensPerMinute: 60_000, requestsPerMinute: 600, loadPercent: 120, enforced: 'pieces', seed: 1 }

/** A load of 100 % is what the quota lets through in this time. */
const WORK_S = 180
/** Room for those who do not use all of the quota, so that jobs get through all of their requests. */
const TIME_FACTOR = 1.25
const REQUESTS: SimulatedWorkload = {
  tenant: '',
  priority: 'batch',
  weight: 1,
  requests_per_minute: null,
  job: null,
  bursts: null,
  prompt_tokens: 500,
  output_tokens: 250,
  max_tokens: 400,
  start_s: 0,
}
/** What one of them takes of the quota, on average: the larger of its prompt and its `max_tokens`. */
const REQUEST_TOKENS = 630
const PIECE_MS = 5_000
/** The part of the quota that people ask for; the rest of the load is jobs. */
const CHAT_PART = 0.15
const JOB_CONCURRENCY = 40

export const LANES: { sender: SimulatedSender; name: string; about: string }[] = [
  {
    sender: 'retries_only',
    name: 'Retries only',
    about: 'A client library as it comes: it sends at once. What is refused is tried twice more, after half a second and a second or as long as the provider asks, and is then lost.',
  },
  {
    sender: 'fixed_rate',
    name: 'Fixed rate',
    about: 'The same, behind a rate that somebody configured: the quota’s own figures, but not how the provider counts.',
  },
  { sender: 'gateway', name: 'paceline', about: 'The same, behind this gateway’s limiter. It is told no limits and learns them from the answers.' },
]

export function laneName(sender: SimulatedSender): string {
  return LANES.find((lane) => lane.sender === sender)?.name ?? sender
}

export function raceRequest(settings: RaceSettings): SimulationRequest {
  const { tokensPerMinute, requestsPerMinute, loadPercent, enforced, seed } = settings
  const pieces = enforced === 'pieces'
  const counted = { window_s: 60, kind: pieces ? 'quantised' : enforced, burst: null, quantum_ms: pieces ? PIECE_MS : null } as const
  const letThrough = Math.min(tokensPerMinute / REQUEST_TOKENS, requestsPerMinute)
  const load = loadPercent / 100
  const chatPerMinute = letThrough * CHAT_PART * Math.min(load, 1)
  const jobs = letThrough * (WORK_S / 60) * load * (1 - CHAT_PART)
  const job = Math.max(Math.round(jobs / 2), 1)
  const jobsTakeS = (jobs / (letThrough - chatPerMinute)) * 60
  return {
    duration_s: Math.max(Math.ceil(jobsTakeS * TIME_FACTOR), 120),
    seed,
    senders: LANES.map((lane) => lane.sender),
    quota: [
      { metric: 'tokens', amount: tokensPerMinute, ...counted },
      { metric: 'requests', amount: requestsPerMinute, ...counted },
    ],
    workload: [
      { ...REQUESTS, tenant: 'chat', priority: 'interactive', requests_per_minute: Math.max(chatPerMinute, 1) },
      { ...REQUESTS, tenant: 'reports', job: { requests: job, concurrency: JOB_CONCURRENCY } },
      { ...REQUESTS, tenant: 'evaluation', weight: 3, job: { requests: job, concurrency: JOB_CONCURRENCY } },
    ],
    foreign_percent: 0,
    gateway: AS_IT_COMES,
  }
}

/** Requests that got no answer in the end. */
export function lostOf(result: SenderResult): number {
  return Math.max(result.requests - result.served, 0)
}

/** In the first minute a full quota may go at once, which says little. */
const WARM_UP_S = 60

/** How far a sender is at a moment of the race. */
export interface Standing {
  served: number
  refused: number
  waiting: number
  /** Tokens let in since the first minute, over what the quota gave since; nothing before. */
  quotaUsed: number | null
}

export function standingAt(result: SenderResult, atS: number, tokensPerStep: number): Standing {
  const past = result.points.filter((point) => point.at_s < atS)
  const sum = (of: (point: (typeof past)[number]) => number): number => past.reduce((all, point) => all + of(point), 0)
  const later = past.filter((point) => point.at_s >= WARM_UP_S)
  return {
    served: Math.min(sum((point) => point.served), result.served),
    refused: Math.min(sum((point) => point.refused), result.refused_by_provider),
    waiting: past.at(-1)?.waiting ?? 0,
    quotaUsed: later.length > 0 && tokensPerStep > 0 ? later.reduce((all, point) => all + point.tokens, 0) / (later.length * tokensPerStep) : null,
  }
}

/** The outcome, in one sentence. */
export function verdict(results: SenderResult[]): { text: string; good: boolean } {
  const own = results.find((result) => result.sender === 'gateway')
  const plain = results.find((result) => result.sender === 'retries_only')
  if (!own) return { text: '', good: false }
  const used = own.quota_used === null ? '' : `, with ${percent(own.quota_used)} of the quota used`
  const first = `${ownPart(own)}${used}`
  if (!plain) return { text: `${first}.`, good: lostOf(own) === 0 }
  return { text: `${first}. ${plainPart(plain)}`, good: lostOf(own) === 0 && own.refused_by_provider <= plain.refused_by_provider }
}

function ownPart(own: SenderResult): string {
  const refused = own.refused_by_provider
  const learned = refused === 0 ? 'was refused nothing' : `was refused ${refused === 1 ? 'once' : refused === 2 ? 'twice' : `${count(refused)} times`} while it learned`
  if (lostOf(own) === 0) return `paceline ${learned} and lost nothing`
  return `paceline ${learned} and lost ${count(lostOf(own))} of ${counted(own.requests, 'request')}`
}

function plainPart(plain: SenderResult): string {
  const refused = plain.refused_by_provider === 0 ? 'no refusal' : counted(plain.refused_by_provider, 'refusal')
  const lost = lostOf(plain)
  if (lost === 0) return `Retries alone lost nothing either, with ${refused}.`
  return `Retries alone met ${refused} and lost ${count(lost)} of ${counted(plain.requests, 'request')}.`
}

/** The finishing line: so much of all requests is served. */
const FINISH_PART = 0.95
export const FINISH = '95 of 100 requests served'

/** When a sender passes the finishing line, in seconds; nothing: it never does. */
export function finishOf(result: SenderResult, stepS: number): number | null {
  const line = result.requests * FINISH_PART
  if (result.served < line) return null
  let served = 0
  for (const point of result.points) {
    served += point.served
    if (served >= line) return Math.min(point.at_s + stepS, result.last_answer_ms / 1000)
  }
  return result.last_answer_ms / 1000
}

/** How a lane came to its end, in words. */
export function finish(result: SenderResult, stepS: number): string {
  const at = finishOf(result, stepS)
  const lost = lostOf(result)
  const losses = lost === 0 ? 'nothing lost' : `${counted(lost, 'request')} lost`
  if (at === null) return `It never passes the finishing line: ${losses}.`
  return `Past the finishing line after ${duration(at * 1000)}, ${losses}.`
}
