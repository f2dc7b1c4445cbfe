// What is known of a limit, told in words, with the exact figures beside them.
import type { BeliefState, ChargeState, EpisodeState, LimitState, SharingState, ThrottleState } from './api/types'
import { count, counted, decimal, duration, limitName, percent, windowName } from './format'

/** A sentence about something, and the figures that it rests on. */
export interface Fact {
  /** What it is about; also what tells facts of one list apart. */
  about: string
  text: string
  figure: string
  tone?: 'warn' | 'bad'
}

/** `tokens`, `input tokens`. */
export function unitOf(metric: string): string {
  return metric.replaceAll('_', ' ')
}

/** Everything that is known of one limit. */
export function factsOf(limit: LimitState): Fact[] {
  const facts: (Fact | null)[] = [sourceOf(limit), windowOf(limit), ...(limit.belief ? beliefFacts(limit, limit.belief) : [])]
  return facts.filter((fact) => fact !== null)
}

function sourceOf(limit: LimitState): Fact {
  const { belief } = limit
  const about = 'Known from'
  const answers = belief ? counted(belief.answers, 'answer') : ''
  if (limit.source === 'configured') {
    const text = belief && belief.answers > 0 ? 'The configuration; answers of the provider are compared with it.' : 'The configuration.'
    return { about, text, figure: answers }
  }
  if (belief && !belief.verified) {
    const text = 'Remembered from an earlier run. It is tried out carefully until an answer tells it again.'
    return { about, text, figure: 'not verified yet', tone: 'warn' }
  }
  return { about, text: 'Learned from the answers of the provider.', figure: answers }
}

const KINDS: Record<string, (limit: LimitState) => string> = {
  bucket: (limit) => `A bucket: it is refilled all the time, at ${perSecond(limit)}.`,
  fixed: (limit) => `Fixed windows: at the end of each ${windowName(limit.window_ms)} everything is there again.`,
  fixed_from_first_use: (limit) => `A window opens with the first use; ${windowLength(limit)} later everything is there again.`,
  sliding: (limit) => `A sliding window: a use counts until ${windowLength(limit)} after it.`,
  quantised: () => 'Pieces: the amount is let out evenly, in pieces shorter than the window.',
}

/** How the provider counts, and how sure that is. */
function windowOf(limit: LimitState): Fact {
  const about = 'Window'
  const kind = limit.belief?.kind ?? limit.kind
  const words = KINDS[kind]
  if (!words || (limit.kind === 'unknown' && !limit.belief?.kind)) {
    const text = 'It is not known yet how the provider counts. Until it is, the pace is safe for every way.'
    return { about, text, figure: 'kind not known', tone: 'warn' }
  }
  if (!limit.belief?.kind) return { about, text: words(limit), figure: `${kindName(kind)}, as configured` }
  const sure = `${kindName(kind)}, ${percent(limit.belief.kind_confidence)} sure`
  const after = limit.belief.decided_after_answers
  return { about, text: words(limit), figure: after === null ? sure : `${sure}, after ${counted(after, 'answer')}` }
}

function beliefFacts(limit: LimitState, belief: BeliefState): (Fact | null)[] {
  const unit = unitOf(limit.metric)
  const facts: (Fact | null)[] = []
  if (belief.ends_in_ms !== null) {
    const follows =
      belief.aligned === null ? '' : belief.aligned ? ' Windows follow the clock.' : ' A window opens with the first use.'
    const spread = belief.phase_spread_ms === null ? '' : ` (known to ${duration(belief.phase_spread_ms)})`
    facts.push({ about: 'Window ends', text: `The present window ends then.${follows}`, figure: `in ${duration(belief.ends_in_ms)}${spread}` })
  }
  if (belief.piece !== null) {
    const each = belief.quantum_ms === null ? '' : ` each ${duration(belief.quantum_ms)}`
    facts.push({ about: 'Pieces', text: 'The provider lets no more than a piece go at once; so does the gateway.', figure: `${count(belief.piece)} ${unit}${each}` })
  }
  if (belief.foreign_per_minute > 0) {
    facts.push({
      about: 'Others',
      text: 'Somebody else uses the same limit. Their use is counted and planned for.',
      figure: `about ${count(belief.foreign_per_minute)} ${unit} a minute`,
    })
  }
  if (belief.reserve > 0) {
    facts.push({
      about: 'Kept free',
      text: 'Room for what others may take before the next answer tells.',
      figure: `${count(belief.reserve)} ${unit}, ${percent(belief.reserve / Math.max(limit.amount, 1))}`,
    })
  }
  facts.push(
    belief.confirmed > 0
      ? { about: 'Seen to work', text: 'The most that the provider was seen to let in.', figure: `${count(belief.confirmed)} ${unit}` }
      : null,
    belief.usual_charge > 0 && limit.metric !== 'requests'
      ? { about: 'One request', text: 'What one request usually takes of it.', figure: `${count(belief.usual_charge)} ${unit}` }
      : null,
    lastChange(belief),
  )
  return facts
}

function lastChange(belief: BeliefState): Fact | null {
  if (belief.changed_ms_ago === null) return null
  const reasons: Record<string, string> = {
    kind: 'The answers told how the provider counts.',
    amount: belief.amount_before === null ? 'The provider named another amount.' : `The provider named another amount; it was ${count(belief.amount_before)} before.`,
    piece: 'A refusal told that the limit is enforced in pieces.',
  }
  const text = reasons[belief.change_reason ?? ''] ?? 'What is believed changed.'
  return { about: 'Last change', text, figure: `${duration(belief.changed_ms_ago)} ago` }
}

/** What the present demand means for a limit, in one sentence. */
export function demandOf(limit: LimitState): { text: string; tone: 'plain' | 'warn' | 'bad' } {
  const ratio = limit.demand_ratio
  const asks = `The present demand is ${ratio >= 10 ? count(ratio) : decimal(ratio)} times what it lets through`
  if (limit.hit_in_ms === 0) {
    const text = ratio > 1 ? `It holds requests back now. ${asks}.` : 'It holds requests back now.'
    return { text, tone: 'bad' }
  }
  if (limit.hit_in_ms !== null) return { text: `${asks}: it is reached in ${duration(limit.hit_in_ms)}.`, tone: 'warn' }
  if (ratio > 0) return { text: `The present demand is ${percent(ratio)} of what it lets through.`, tone: 'plain' }
  return { text: 'Nothing asks for it at present.', tone: 'plain' }
}

/** What a request is charged, in words. */
export function chargeFacts(charge: ChargeState): Fact[] {
  const formulas: Record<string, string> = {
    max: 'Each request takes the larger of its input and the answer it allows (max_tokens).',
    sum: 'Each request takes its input and the answer it allows (max_tokens), together.',
    input: 'Each request takes its input; the answer costs nothing of the limit.',
  }
  const sure =
    charge.confidence === 0 ? 'assumed' : `${percent(charge.confidence)} sure${charge.decided_after === null ? '' : `, after ${counted(charge.decided_after, 'pair')} of answers`}`
  const caution = charge.confidence < 0.5 && charge.formula === 'sum' ? ' That is the dearest it can be, and so the safe guess.' : ''
  const coefficient = charge.input_coefficient
  return [
    { about: 'At the start', text: (formulas[charge.formula] ?? `The formula ${charge.formula}.`) + caution, figure: sure },
    {
      about: 'Input',
      text:
        coefficient === 1
          ? 'The provider reckons the input at a quarter of its characters.'
          : 'How the provider reckons the input, beside a quarter of its characters.',
      figure: `× ${decimal(coefficient)}`,
    },
    {
      about: 'At the end',
      text: charge.refunds
        ? 'When a request ends, the provider corrects the charge to what was really used.'
        : 'The charge stands: what was allowed and not used is not given back.',
      figure: charge.refunds ? 'corrected' : 'stands',
    },
    {
      about: 'On failure',
      text: charge.failures_free ? 'Requests that fail get their charge back.' : 'Requests that fail are taken to stay charged.',
      figure: charge.failures_free ? 'free' : 'charged',
    },
  ]
}

/** Why the provider refused, in words. */
export function episodeText(episode: EpisodeState): string {
  const kinds: Record<string, string> = {
    quota: 'The provider refused requests because a limit was used up',
    overload: 'The provider was overloaded and refused requests',
    acceleration: 'The provider refused requests because traffic rose too fast',
  }
  const kind = kinds[episode.kind] ?? `The provider refused requests (${episode.kind})`
  return `${kind}. ${episode.over ? 'The pace is whole again.' : 'The pace is not whole again yet.'}`
}

/** What the provider itself said when it refused. */
export function episodeFacts(episode: EpisodeState): Fact[] {
  const unit = episode.metric === null ? '' : ` ${unitOf(episode.metric)}`
  const figures: [string, string, number | null][] = [
    ['Limit', 'The limit, as the provider named it.', episode.limit],
    ['Used', 'What the provider counted as used.', episode.used],
    ['Asked for', 'What the refused request asked for.', episode.requested],
  ]
  const told = figures.flatMap(([about, text, value]) => (value === null ? [] : [{ about, text, figure: `${count(value)}${unit}` }]))
  const all: Fact[] = [
    { about: 'Began', text: `It is number ${count(episode.number)} since the gateway started.`, figure: `${duration(episode.began_ms_ago)} ago` },
    { about: 'Refusals', text: 'Attempts that were refused; those that belong together count as one.', figure: count(episode.refusals) },
    ...told,
  ]
  if (episode.penalty_tokens > 0) {
    all.push({ about: 'Penalty', text: 'Counted as used on top, to stay clear of the next refusal.', figure: `${count(episode.penalty_tokens)} tokens` })
  }
  return all
}

/** What slows a pool after a refusal. */
export function throttleFact(throttle: ThrottleState): Fact {
  const of = throttle.metric === null ? 'of every limit' : `of the limit on ${unitOf(throttle.metric)}`
  const kinds: Record<string, [string, string]> = {
    slow_start: ['Slow start', `The pace ${of} begins low and doubles in steps until it is whole.`],
    stabilisation: ['Stabilisation', `The rate ${of} returns to the whole in a straight line.`],
    growth: ['Growth held', 'Traffic may only grow slowly, because the provider refused its rise.'],
  }
  const [about, text] = kinds[throttle.kind] ?? [throttle.kind, 'The pace is bounded.']
  const share = throttle.kind === 'growth' ? `${percent(throttle.share)} of the rate it began with` : percent(throttle.share)
  const units = throttle.units_per_minute === null ? '' : `, ${count(throttle.units_per_minute)} ${unitOf(throttle.metric ?? 'units')} a minute`
  return { about, text, figure: `${share}${units}, for ${duration(throttle.remaining_ms)}` }
}

/** How gateways share a pool's quota through their store. */
export function sharingFacts(sharing: SharingState): Fact[] {
  const modes: Record<string, string> = {
    joining: 'The store is asked for the first time; nobody decides yet.',
    exact: 'The store counts for all gateways: together they use exactly the quota.',
    learning: 'The store is new or was away; all gateways are telling it what they have used.',
    share: 'The store does not answer. This gateway keeps to its own part of the quota.',
    open: 'The store does not answer. This gateway uses the whole quota, as configured.',
    closed: 'The store does not answer. Nothing is sent until it does, as configured.',
  }
  const away = ['share', 'open', 'closed'].includes(sharing.mode)
  const who: Fact = { about: 'Who decides', text: modes[sharing.mode] ?? sharing.mode, figure: `for ${duration(sharing.since_ms)}` }
  if (away) who.tone = 'warn'
  const facts: Fact[] = [
    who,
    { about: 'Gateways', text: 'Gateways that share the quota, with this one.', figure: count(sharing.instances) },
    {
      about: 'Own part',
      text: 'The part of this gateway, should the store be away.',
      figure: sharing.share === null ? 'not told yet' : percent(sharing.share),
    },
    {
      about: 'Exchanges',
      text: sharing.reason ? `Why the store last counted as away: ${sharing.reason}` : 'Questions that the store answered, and did not.',
      figure: `${count(sharing.exchanges)} answered, ${count(sharing.failures)} not`,
    },
  ]
  return facts
}

/** The name of a kind of window, as people say it. */
export function kindName(kind: string): string {
  const names: Record<string, string> = {
    fixed: 'fixed window',
    fixed_from_first_use: 'window from first use',
    sliding: 'sliding window',
    quantised: 'pieces',
  }
  return names[kind] ?? kind
}

/** What a change was about. */
export function changeName(kind: string): string {
  const names: Record<string, string> = {
    limit_learned: 'limit learned',
    amount: 'amount',
    window_kind: 'kind of window',
    piece: 'pieces',
    charge: 'charge',
    episode_began: 'refusals began',
    episode_over: 'refusals over',
    store_mode: 'shared store',
    reset: 'reset',
    recalled: 'remembered',
  }
  return names[kind] ?? kind.replaceAll('_', ' ')
}

/** The limit of a change, where it was about one. */
export function changedLimit(change: { metric: string | null; window_ms: number | null }): string {
  if (change.metric === null) return ''
  return change.window_ms === null ? unitOf(change.metric) : limitName({ metric: change.metric, window_ms: change.window_ms })
}

function windowLength(limit: LimitState): string {
  return limit.window_ms === 60_000 ? 'a minute' : limit.window_ms === 86_400_000 ? 'a day' : duration(limit.window_ms)
}

function perSecond(limit: LimitState): string {
  const each = limit.amount / (limit.window_ms / 1000)
  if (each >= 1) return `${decimal(each)} ${unitOf(limit.metric)} a second`
  return `one each ${duration(1000 / each)}`
}
