// The conversation: what was asked and answered, what is under way, and what it came to. It lives as
// long as the page is open, whichever page is looked at, and is kept nowhere else.
import { ApiError, get } from '../api/client'
import type { CallRecord, WaitingCall } from '../api/types'
import { costOf } from '../records'
import { session } from '../session.svelte'
import { call, type Head, type Listener, type Turn, type Usage } from './call'
import type { Place } from './place'
import { settings } from './settings.svelte'
import { troubleOf, type Trouble } from './trouble'

/** How an answer stands. `sent`: nothing has come yet, not even a place in the queue. */
export type State = 'sent' | 'waiting' | 'streaming' | 'done' | 'stopped' | 'failed'

/** The record of a call is written some milliseconds after its end; pauses before asking for it. */
const RECORD_PAUSES_MS = [300, 500, 1_000, 2_000, 4_000]

/** One attempt to have a question answered. */
export class Answer {
  state = $state<State>('sent')
  text = $state('')
  head = $state.raw<Head | null>(null)
  place = $state.raw<Place | null>(null)
  usage = $state.raw<Usage | null>(null)
  finish = $state('')
  trouble = $state.raw<Trouble | null>(null)
  record = $state.raw<CallRecord | null>(null)
  /** The limit pool that it draws on, as far as it is known. */
  pool = $state<string | null>(null)
  /** Whether the record is still looked for. */
  looksForRecord = $state(false)
  readonly sentAtMs = Date.now()
  firstTextAtMs = $state(0)
  endedAtMs = $state(0)
  readonly stopper = new AbortController()

  constructor(readonly model: string) {}

  readonly isUnderWay = $derived(this.state === 'sent' || this.state === 'waiting' || this.state === 'streaming')

  readonly attempts = $derived(this.record?.attempts ?? this.head?.attempts ?? null)
  /** Whether it ended before its turn came: then there is nothing to pay. */
  readonly wasNeverSent = $derived(!this.isUnderWay && (this.attempts === 0 || (this.attempts === null && this.text === '' && this.place !== null)))
  /** How long it waited for its turn; null: not known. Records tell only of waits that came to their end. */
  readonly waitedMs = $derived(
    this.wasNeverSent && this.place ? this.endedAtMs - this.sentAtMs : (this.record?.wait_ms ?? this.head?.waitedMs ?? null),
  )
  readonly inputTokens = $derived(this.usage?.input ?? this.record?.input_tokens ?? null)
  readonly outputTokens = $derived(this.usage?.output ?? this.record?.output_tokens ?? null)
}

export class Exchange {
  answer: Answer

  constructor(
    readonly id: number,
    readonly question: string,
    answer: Answer,
  ) {
    this.answer = $state(answer)
  }
}

class Conversation {
  exchanges = $state.raw<Exchange[]>([])
  /** Under which its calls are found among usage. */
  session = $state(newName())
  /** Answers that another attempt took the place of; they were paid for all the same. */
  private replaced = $state.raw<Answer[]>([])
  /** What is told to those who do not see the page. */
  announcement = $state('')
  private lastId = 0

  readonly last = $derived(this.exchanges.at(-1))
  readonly isBusy = $derived(this.last?.answer.isUnderWay ?? false)
  readonly totals = $derived.by(() => {
    const answers = [...this.replaced, ...this.exchanges.map((exchange) => exchange.answer)].filter((answer) => !answer.isUnderWay)
    const sum = (of: (answer: Answer) => number | null): number => answers.reduce((all, one) => all + (of(one) ?? 0), 0)
    return {
      calls: answers.length,
      tokens: sum((answer) => (answer.inputTokens ?? 0) + (answer.outputTokens ?? 0)),
      costNanousd: sum((answer) => answer.record && costOf(answer.record)),
      /** Calls that ended and whose cost nobody knows, or not yet. */
      unpriced: answers.filter((answer) => mayHaveCost(answer) && (!answer.record || costOf(answer.record) === null)).length,
      waitedMs: sum((answer) => answer.waitedMs),
    }
  })

  constructor() {
    session.onSignOut(() => {
      this.clear()
      settings.forget()
    })
  }

  /** Asks something; what was said before goes along. */
  ask(question: string): void {
    if (this.isBusy) return
    const before = turnsOf(this.exchanges)
    const answer = new Answer(settings.model)
    this.exchanges = [...this.exchanges, new Exchange(++this.lastId, question, answer)]
    void this.run(answer, [...before, { role: 'user', content: question }])
  }

  /** Asks the last question again, in place of the answer that it has. */
  askAgain(): void {
    const last = this.last
    if (!last || this.isBusy) return
    this.replaced = [...this.replaced, last.answer]
    last.answer = new Answer(settings.model)
    const before = turnsOf(this.exchanges.slice(0, -1))
    void this.run(last.answer, [...before, { role: 'user', content: last.question }])
  }

  /** Ends the call that is under way: a wait at once, an answer where it is. */
  stop(): void {
    this.last?.answer.stopper.abort()
  }

  /** Forgets everything and begins anew, under another name. */
  clear(): void {
    this.stop()
    this.exchanges = []
    this.replaced = []
    this.announcement = ''
    this.session = newName()
  }

  private async run(answer: Answer, turns: Turn[]): Promise<void> {
    this.announcement = ''
    try {
      const refusal = await call(settings.body(turns), settings.headers(this.session), this.listener(answer), answer.stopper.signal)
      answer.trouble = refusal ? troubleOf(refusal) : null
      answer.state = refusal ? 'failed' : 'done'
    } catch {
      answer.state = 'stopped'
    }
    answer.endedAtMs = Date.now()
    this.announcement = ending(answer)
    await findRecord(answer)
  }

  private listener(answer: Answer): Listener {
    return {
      onHead: (head) => (answer.head = head),
      onPlace: (place) => {
        if (answer.state === 'sent') {
          this.announcement = `Waiting in the queue at place ${place.position}.`
          void findPool(answer)
        }
        answer.state = 'waiting'
        answer.place = place
      },
      onText: (text) => {
        if (answer.state !== 'streaming') {
          answer.state = 'streaming'
          answer.firstTextAtMs = Date.now()
          this.announcement = 'The answer begins.'
        }
        answer.text += text
      },
      onUsage: (usage) => (answer.usage = usage),
      onFinish: (reason) => (answer.finish = reason),
    }
  }
}

function turnsOf(exchanges: Exchange[]): Turn[] {
  return exchanges.flatMap(({ question, answer }) => {
    const asked: Turn = { role: 'user', content: question }
    return answer.text === '' ? [asked] : [asked, { role: 'assistant', content: answer.text }]
  })
}

/** Whether a call that has ended may have cost something: one that was refused before it was sent has not. */
function mayHaveCost(answer: Answer): boolean {
  if (answer.wasNeverSent || answer.looksForRecord) return false
  return answer.record !== null || answer.text !== '' || answer.state === 'stopped'
}

function ending(answer: Answer): string {
  if (answer.state === 'failed') return `${answer.trouble?.title ?? 'It failed'}. ${answer.trouble?.remedy ?? ''}`
  return answer.state === 'stopped' ? 'Stopped.' : 'The answer is complete.'
}

/** Asks which limit pool a call waits in; one that goes on in the meantime is told of by its record. */
async function findPool(answer: Answer): Promise<void> {
  const id = answer.head?.requestId
  if (!id) return
  const waiting = await get<WaitingCall>(`/monitoring/queue/${encodeURIComponent(id)}`).catch(() => null)
  answer.pool ??= waiting?.pool ?? null
}

/** Looks for the gateway's record of a call, which has what the answer could not tell: its cost above all. */
async function findRecord(answer: Answer): Promise<void> {
  const id = answer.head?.requestId
  if (!id || session.gateway?.ledger === false) return
  answer.looksForRecord = true
  for (const pause of RECORD_PAUSES_MS) {
    await new Promise((resolve) => setTimeout(resolve, pause))
    try {
      answer.record = await get<CallRecord>(`/monitoring/requests/${encodeURIComponent(id)}`)
      answer.pool = answer.record.pool
      break
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) break
    }
  }
  answer.looksForRecord = false
}

/** A name that nobody has to think of and that no other conversation has. */
function newName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(5))
  return `chat-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`
}

export const conversation = new Conversation()
