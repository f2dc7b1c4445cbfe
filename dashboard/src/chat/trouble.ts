// What went wrong with a message, in words for somebody who chats: what is the case, what the one who
// refused said, and what helps.

export interface Trouble {
  title: string
  /** The words of the gateway or the provider. */
  said: string
  /** What helps. */
  remedy: string
  /** The code, for whoever looks it up. */
  code: string
  /** From when on trying again is expected to help, on this machine's clock; null: nobody said. */
  againAtMs: number | null
  /** Whether a limit was in the way, which is no fault of anything. */
  isLimit: boolean
}

/** What is known of an error before it is put into words. */
export interface Refusal {
  /** The HTTP status; 0: none came, or it was a good one. */
  status: number
  code: string
  said: string
  againAtMs?: number | null
}

type Words = [title: string, remedy: string]

const SHORTER = 'Lower the longest answer in the settings, or begin a new chat: less is then sent along.'
const LATER = 'Try again in a moment.'
const NOT_REACHED = 'See whether the provider is up, and whether upstream.base_url is right: paceline check tells.'

/** By the codes of `docs/errors`, and by those of the provider that need other words than their status. */
const BY_CODE: Record<string, Words> = {
  wait_too_long: ['The wait would be too long', 'Allow a longer wait in the settings, or try again later.'],
  queue_full: ['The queue is full', 'Too many requests wait already. Try again when some of them are done.'],
  request_larger_than_limit: ['Larger than a whole limit', SHORTER],
  request_cancelled: ['The wait was ended by hand', 'Nothing was sent to the provider and nothing was charged.'],
  budget_exceeded: ['A budget is used up', `${SHORTER} Whoever keeps the budget can raise it.`],
  budget_busy: ['A budget is held by requests under way', 'Try again when they are done, or lower the longest answer in the settings.'],
  price_unknown: ['The price of this model is not known', 'A budget in dollars holds, so the model needs a price. Choose another model, or add its price.'],
  OPENAI_RATE_LIMIT_EXHAUSTED: ['The provider kept refusing', 'Others seem to use the same quota. Try again later; the page Limits shows what is known of it.'],
  insufficient_quota: ["The provider's quota is used up", "Waiting does not help: look at the plan and the bill of the provider's account."],
  invalid_caller_key: ['The key is not valid here', 'Enter a key of this gateway (it begins with pl-): paceline keys create makes one.'],
  not_a_key: ['This is not a key for calls', 'Enter the key that a program would send; the admin token only opens this page.'],
  model_not_allowed: ['The key is not for this model', 'Choose a model that the key is for: paceline keys list shows them.'],
  model_not_found: ['The provider does not have this model', "Check the model's name."],
  context_length_exceeded: ['Too long for this model', 'Begin a new chat, or shorten the message.'],
  invalid_header: ['A setting is not understood', 'Look at the longest wait in the settings: 30s, 10m and 1h are understood.'],
  upstream_unreachable: ['The provider cannot be reached', NOT_REACHED],
  upstream_timeout: ['The provider did not answer in time', LATER],
  upstream_cut: ['The provider broke the answer off', LATER],
  shutting_down: ['The gateway is stopping', 'Nothing was sent. Try again once it runs again.'],
  gateway_overloaded: ['The gateway is full', LATER],
  data_plane_away: ['The gateway takes no calls now', LATER],
  internal_error: ['Something failed inside the gateway', "Its log has the details. Trying again may help."],
  unreachable: ['The gateway does not answer', 'See whether it runs: paceline status tells. Then try again.'],
  broken: ['The connection broke', 'What came stays. Try again to have the whole answer.'],
  incomplete: ['The answer ended before it was complete', 'What came stays. Try again to have the whole answer.'],
}

/** Codes whose own words add nothing for a reader. */
const SAYS_IT_ALL = new Set(['broken', 'incomplete', 'unreachable'])

/** Limits by their codes, for errors whose status is not known any more. */
const LIMITS = new Set(['wait_too_long', 'queue_full', 'budget_exceeded', 'budget_busy', 'OPENAI_RATE_LIMIT_EXHAUSTED', 'rate_limit_exceeded', 'request_cancelled'])

export function troubleOf({ status, code, said, againAtMs = null }: Refusal): Trouble {
  const [title, remedy] = BY_CODE[code] ?? byStatus(status, code)
  return { title, remedy, code, said: SAYS_IT_ALL.has(code) ? '' : said, againAtMs, isLimit: status === 429 || LIMITS.has(code) }
}

function byStatus(status: number, code: string): Words {
  if (status === 401 || code === 'invalid_api_key') {
    return ['The provider refused the key', 'Enter a valid key, or set upstream.api_key in the configuration.']
  }
  if (status === 403) return ['This is not allowed', 'The key may not do this. Try another model or key.']
  if (status === 404) return ['The provider does not have this', "Check the model's name."]
  if (status === 429 || code === 'rate_limit_exceeded') return ['The provider limits requests', 'Try again later.']
  if (status >= 500) return ['The provider failed', LATER]
  if (status >= 400) return ['The provider refused the request', 'Change the message or the settings, then try again.']
  return ['The provider failed while it answered', 'What came stays. Try again to have the whole answer.']
}

/** When a refusal says that trying again is of use, on this machine's clock. */
export function againAt(headers: Headers, nowMs: number): number | null {
  const ms = Number(headers.get('retry-after-ms') ?? NaN)
  if (Number.isFinite(ms) && ms >= 0) return nowMs + ms
  const after = headers.get('retry-after')
  if (after === null) return null
  const seconds = Number(after)
  if (Number.isFinite(seconds)) return nowMs + seconds * 1000
  const moment = Date.parse(after)
  return Number.isNaN(moment) ? null : moment
}
