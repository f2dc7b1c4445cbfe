// What a page of figures is about: which time, by what, and of which calls only. It lives in the
// address, so that a view can be sent to somebody.
import { address, type Query } from './api/client'
import { dayTime } from './format'
import { feed } from './live/feed.svelte'

/** By what calls can be told apart, as the gateway names it. */
export type Dimension = 'model' | 'tenant' | 'session' | 'tag' | 'key' | 'route' | 'provider'
export type FilterName = Dimension | 'outcome'
export type Choice = '1h' | '24h' | '7d' | '30d' | '90d' | 'custom'

export interface View {
  choice: Choice
  /** The ends of a chosen time; both 0 for one that ends now. */
  fromMs: number
  untilMs: number
  /** What is wrong with the chosen time; empty: nothing. */
  problem: string
  group: Dimension
  filters: Partial<Record<FilterName, string>>
}

/** A time, from the one moment until just before the other. */
export interface Span {
  fromMs: number
  untilMs: number
}

/** How each is called here; `none` stands for calls that have no such name. */
export const NAMES: Record<FilterName, { one: string; none: string }> = {
  model: { one: 'Model', none: 'no model' },
  tenant: { one: 'Tenant', none: 'no tenant' },
  session: { one: 'Session', none: 'no session' },
  tag: { one: 'Tag', none: 'no tag' },
  key: { one: 'Key', none: 'no key' },
  route: { one: 'Endpoint', none: 'no endpoint' },
  provider: { one: 'Provider', none: 'no provider' },
  outcome: { one: 'Outcome', none: 'no outcome' },
}

export const DIMENSIONS = ['model', 'tenant', 'session', 'tag', 'key', 'route', 'provider'] as const
export const FILTERS: FilterName[] = [...DIMENSIONS, 'outcome']
export const OUTCOMES = ['ok', 'provider_error', 'refused', 'upstream_failed', 'caller_gone']

/** In the address, calls without a key; ids of keys are longer. */
const NO_KEY = '-'

const HOUR_MS = 3_600_000
const LENGTHS_MS: Record<Exclude<Choice, 'custom'>, number> = {
  '1h': HOUR_MS,
  '24h': 24 * HOUR_MS,
  '7d': 7 * 24 * HOUR_MS,
  '30d': 30 * 24 * HOUR_MS,
  '90d': 90 * 24 * HOUR_MS,
}
const DEFAULT: Choice = '24h'

export function viewOf(query: URLSearchParams): View {
  const group = query.get('group') as Dimension
  const filters: View['filters'] = {}
  for (const name of FILTERS) {
    const value = query.get(name)
    if (value) filters[name] = value
  }
  const view: View = {
    choice: DEFAULT,
    fromMs: 0,
    untilMs: 0,
    problem: '',
    group: DIMENSIONS.includes(group) ? group : 'model',
    filters,
  }
  if (query.has('from') || query.has('to')) {
    view.choice = 'custom'
    view.fromMs = Date.parse(query.get('from') ?? '')
    view.untilMs = Date.parse(query.get('to') ?? '')
    view.problem = problemOf(view)
  } else if (query.get('period') && query.get('period')! in LENGTHS_MS) {
    view.choice = query.get('period') as Choice
  }
  return view
}

function problemOf({ fromMs, untilMs }: Span): string {
  if (Number.isNaN(fromMs) || Number.isNaN(untilMs)) return 'Choose a day and a time for both ends.'
  return fromMs < untilMs ? '' : 'The first moment must be before the last.'
}

/** The time that a view is about, now. */
export function spanOf(view: View): Span {
  if (view.choice === 'custom') return { fromMs: view.fromMs, untilMs: view.untilMs }
  const untilMs = Date.now() + feed.clockOffsetMs
  return { fromMs: untilMs - LENGTHS_MS[view.choice], untilMs }
}

/** A time of the same length that ends where this one begins. */
export function before(span: Span): Span {
  return { fromMs: span.fromMs - (span.untilMs - span.fromMs), untilMs: span.fromMs }
}

/** How often figures of a view are asked for anew: the longer the time, the less a minute matters. */
export function refreshMs(view: View): number {
  return view.choice === '1h' ? 15_000 : view.choice === '24h' ? 30_000 : 120_000
}

/** Whether two addresses show the same figures. */
export function keyOf(view: View): string {
  return JSON.stringify(view)
}

/** The address of a question about calls of a view in a time. */
export function question(path: string, view: View, span: Span, more: Query = {}): string {
  const { key, ...filters } = view.filters
  const query: Query = { from: moment(span.fromMs), to: moment(span.untilMs), ...filters, ...more }
  if (key && key !== NO_KEY && more.key === undefined) query.key = key
  const text = address(path, query)
  return query.key === undefined && key === NO_KEY ? `${text}&key=` : text
}

/** Calls of one group: its name as a filter of the address; `null`: they cannot be asked for. */
export function filterValue(dimension: Dimension, name: string): string | null {
  if (name !== '') return name
  return dimension === 'key' ? NO_KEY : null
}

/** The name of a group, for people. */
export function groupName(dimension: FilterName, name: string): string {
  return name === '' || (dimension === 'key' && name === NO_KEY) ? NAMES[dimension].none : name
}

/** By what to look on, once there is but one of this kind. */
export function nextGroup(view: View, filtered: FilterName): Dimension {
  const taken = new Set<string>([...Object.keys(view.filters), filtered])
  const order: Dimension[] = ['model', 'tenant', 'session', 'tag', 'route', 'key', 'provider']
  return order.find((dimension) => !taken.has(dimension)) ?? view.group
}

/** The parameters of an address that shows a view. */
export function parametersOf(view: View): Record<string, string> {
  const parameters: Record<string, string> = { ...view.filters }
  if (view.choice === 'custom') {
    parameters.from = moment(view.fromMs)
    parameters.to = moment(view.untilMs)
  } else if (view.choice !== DEFAULT) parameters.period = view.choice
  if (view.group !== 'model') parameters.group = view.group
  return parameters
}

/** What to change in an address for another time. */
export function changesOf(choice: Choice, span: Span): Record<string, string> {
  if (choice === 'custom') return { period: '', from: moment(span.fromMs), to: moment(span.untilMs) }
  return { period: choice === DEFAULT ? '' : choice, from: '', to: '' }
}

/** `2026-11-22T14:05:00Z`, without parts of a second. */
function moment(ms: number): string {
  return Number.isNaN(ms) ? '' : new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** How long the gateway keeps sums by the minute, unless it is told otherwise, less some hours. */
const MINUTES_KEPT_MS = 6.5 * 24 * HOUR_MS

/** How figures over time are to be cut, as parameters of a question about a time. */
export function stretchParameters(span: Span): Query {
  const isOld = Date.now() + feed.clockOffsetMs - span.fromMs > MINUTES_KEPT_MS
  // Of long ago only sums by the hour are there: no shorter stretches, and no days that begin half past.
  const offset = isOld ? Math.floor(offsetMinutes() / 60) * 60 : offsetMinutes()
  const isShort = span.untilMs - span.fromMs <= 3 * HOUR_MS
  return { utc_offset: offsetName(offset), bucket: isOld && isShort ? 'hour' : undefined }
}

/** How far this machine's clock is ahead of UTC. */
export function offsetMinutes(): number {
  return -new Date().getTimezoneOffset()
}

/** `+02:00`, as the gateway takes it. */
export function offsetName(minutes: number): string {
  const size = Math.abs(minutes)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`
}

export function spanName({ fromMs, untilMs }: Span): string {
  return `${dayTime(fromMs)} to ${dayTime(untilMs)}`
}

export const lengthName: Record<Choice, string> = {
  '1h': 'hour before',
  '24h': '24 hours before',
  '7d': '7 days before',
  '30d': '30 days before',
  '90d': '90 days before',
  custom: 'time of the same length before',
}
