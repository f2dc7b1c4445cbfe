// How lanes do, told in words.
import type { LaneNow, LanesNow, LaneState, ProviderState } from './api/types'
import { clock, count, counted, duration, percent } from './format'

type Tone = 'plain' | 'good' | 'warn' | 'bad'

/** Names longer than this are cut where a line has room for one alone; characters. */
const NAME_MAX = 60

/** The lanes that get none of their calls, but for one at a time that tries them. */
function isOut(state: string): boolean {
  return state === 'open' || state === 'half_open'
}

/** Whether a lane does not take all of its calls. */
export function isIll(lane: LaneState): boolean {
  return isOut(lane.state) || lane.state === 'returning'
}

/** The worst first, and the order of names among those that do alike. */
export function byIllness(a: LaneState, b: LaneState): number {
  const rank = (lane: LaneState): number => (isOut(lane.state) ? 0 : isIll(lane) ? 1 : 2)
  return rank(a) - rank(b) || a.name.localeCompare(b.name)
}

/** A state in a word or two. */
export function stateName(lane: LaneState): { word: string; tone: Tone } {
  switch (lane.state) {
    case 'closed':
      return { word: 'Well', tone: 'good' }
    case 'returning':
      return { word: `Returning, ${percent(lane.share ?? 0)}`, tone: 'warn' }
    case 'half_open':
      return { word: 'Out, to be tried', tone: 'bad' }
    case 'open':
      return { word: 'Out', tone: 'bad' }
    case 'unwatched':
      return { word: 'Not watched', tone: 'plain' }
    default:
      return { word: lane.state, tone: 'plain' }
  }
}

/** What a state means for calls, in a sentence. */
export function standingOf(lane: LaneState): string {
  switch (lane.state) {
    case 'closed':
      return 'All of its calls go there.'
    case 'returning':
      return `${percent(lane.share ?? 0)} of its calls go there; within seconds all of them do.`
    case 'half_open':
      return 'Calls take other lanes or wait. The next one tries it, and no other meanwhile.'
    case 'open':
      return `Calls take other lanes or wait. One tries it in ${duration(lane.next_probe_in_ms ?? 0)}.`
    case 'unwatched':
      return 'Nobody looks whether it is well: breaker.enabled is false.'
    default:
      return ''
  }
}

const CAUSES: Record<string, string> = {
  connect: 'no connection',
  tls: 'no TLS',
  timeout: 'no answer in time',
  cut: 'answers break off',
  status: 'errors',
  overload: 'overloaded',
  garbage: 'garbage',
  account: 'account refused',
  slow: 'slow',
  hang: 'no answers',
}

/** What a lane is ill of, in a few words: `500`, `overloaded (529)`, `no connection`. */
export function causeName(kind: string | null, status: number | null): string {
  if (kind === 'status' && status !== null) return String(status)
  const words = kind === null ? 'ill' : (CAUSES[kind] ?? kind)
  return status === null ? words : `${words} (${status})`
}

/** Something that is known of a lane. */
interface Row {
  label: string
  text: string
  tone?: Tone
}

/** What is known of a lane besides its figures; `nowMs` is the gateway's time. */
export function laneRows(lane: LaneState, provider: ProviderState | undefined, nowMs: number): Row[] {
  const rows: (Row | null)[] = [
    illnessRow(lane, nowMs),
    causeRow(lane),
    { label: 'Names', text: lane.models.length > 0 ? lane.models.join(', ') : ownName(lane) },
    provider ? { label: 'Provider', text: `${provider.name} (${provider.profile}), ${provider.address}` } : null,
    provider ? { label: 'Key', text: keyText(provider) } : null,
  ]
  return rows.filter((row) => row !== null)
}

function illnessRow(lane: LaneState, nowMs: number): Row | null {
  const since = lane.ill_since_unix_ms ?? lane.since_unix_ms
  if (since === null) return null
  const text = `${clock(since)}, for ${duration(wholeSeconds(nowMs - since))}`
  if (!isIll(lane)) return { label: 'Well since', text }
  return { label: 'Ill since', text, tone: isOut(lane.state) ? 'bad' : 'warn' }
}

function causeRow(lane: LaneState): Row | null {
  const { cause } = lane
  if (cause === null) return null
  const words = cause.message === '' ? '' : `: “${cause.message}”`
  const text = `${causeName(cause.kind, cause.status)} at ${clock(cause.at_unix_ms)}${words}`
  return { label: isIll(lane) ? 'Ill of' : 'Was ill of', text }
}

/** How callers reach a lane that no name of the settings leads to. */
function ownName(lane: LaneState): string {
  return lane.provider === 'upstream' ? 'the model’s own' : lane.name
}

function keyText(provider: ProviderState): string {
  const key = provider.has_own_key ? 'the gateway’s own' : 'the caller’s; the gateway has none'
  return provider.account === null ? key : `${key}, account ${provider.account}`
}

/** The second that has begun counts, as in the feed. */
function wholeSeconds(ms: number): number {
  return Math.max(Math.ceil(ms / 1000), 1) * 1000
}

/** `1 of 3 lanes is out`. */
export function areOut(lanes: LanesNow): string {
  return `${count(lanes.out)} of ${counted(lanes.total, 'lane')} ${lanes.out === 1 ? 'is' : 'are'} out`
}

/** Which lane is out, of what and for how long, in one line. */
export function outLine(lanes: LanesNow, first: LaneNow): string {
  const more = lanes.out > 1 ? ` and ${counted(lanes.out - 1, 'other')}` : ''
  const why = causeName(first.cause, first.status)
  return `${areOut(lanes)}: ${shortName(first.name)}, ${why} for ${duration(first.ill_ms)}${more}. Calls take other lanes or wait.`
}

/** Which lane is coming back, in one line. */
export function returningLine(first: LaneNow): string {
  return `${shortName(first.name)} is coming back: ${percent(first.share ?? 0)} of its calls go there, soon all of them.`
}

/** Cut, and rid of marks that would turn the direction of what comes after it in the line. */
function shortName(name: string): string {
  const characters = [...name.replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')]
  return characters.length > NAME_MAX ? `${characters.slice(0, NAME_MAX - 1).join('')}…` : name
}
