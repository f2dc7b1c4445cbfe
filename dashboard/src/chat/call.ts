// One call of the chat: sent through the gateway like any other, and told piece by piece.
import { problemOf, sessionEnded } from '../api/client'
import { EventParser, readEvents } from '../api/events'
import { placeOf, type Place } from './place'
import { againAt, type Refusal } from './trouble'

export interface Turn {
  role: 'system' | 'user' | 'assistant'
  content: string
}

export interface Usage {
  input: number
  output: number
}

/** What the gateway says of a call in the head of its answer. */
export interface Head {
  requestId: string | null
  /** Null where the answer began before that was known. */
  waitedMs: number | null
  attempts: number | null
}

/** What is told while a call goes on, in the order in which it can come. */
export interface Listener {
  onHead: (head: Head) => void
  onPlace: (place: Place) => void
  onText: (text: string) => void
  onUsage: (usage: Usage) => void
  /** Why the provider ended the answer, as in `stop` or `length`. */
  onFinish: (reason: string) => void
}

interface Chunk {
  error?: { message?: string; code?: string | null; type?: string }
  choices?: { delta?: { content?: string | null; refusal?: string | null }; finish_reason?: string | null }[]
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null
}

/** Makes a call and tells what comes; returns what went wrong, or null. Throws only when `stop` ends it. */
export async function call(body: object, headers: Record<string, string>, listener: Listener, stop: AbortSignal): Promise<Refusal | null> {
  let response: Response
  try {
    response = await fetch('/dashboard/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-paceline-dashboard': '1', ...headers },
      body: JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal: stop,
    })
  } catch (error) {
    if (stop.aborted) throw error
    return { status: 0, code: 'unreachable', said: '' }
  }
  listener.onHead(headOf(response.headers))
  if (!response.ok || !response.body) return refusalOf(response)
  try {
    return await read(response.body, listener)
  } catch (error) {
    if (stop.aborted) throw error
    return { status: 0, code: 'broken', said: '' }
  }
}

async function read(body: ReadableStream<Uint8Array>, listener: Listener): Promise<Refusal | null> {
  let refusal: Refusal | null = null
  let complete = false
  const onEvent = (data: string): void => {
    if (data === '[DONE]') return void (complete = true)
    const chunk = JSON.parse(data) as Chunk
    if (chunk.error) {
      const { code, type, message } = chunk.error
      refusal = { status: 0, code: code ?? type ?? 'error', said: message ?? '' }
    }
    const choice = chunk.choices?.[0]
    const text = choice?.delta?.content ?? choice?.delta?.refusal ?? ''
    if (text !== '') listener.onText(text)
    if (choice?.finish_reason) listener.onFinish(choice.finish_reason)
    if (chunk.usage) listener.onUsage({ input: chunk.usage.prompt_tokens ?? 0, output: chunk.usage.completion_tokens ?? 0 })
  }
  const onComment = (text: string): void => {
    const place = placeOf(text, Date.now())
    if (place) listener.onPlace(place)
  }
  await readEvents(body, new EventParser(({ data }) => onEvent(data), onComment))
  if (refusal) return refusal
  return complete ? null : { status: 0, code: 'incomplete', said: '' }
}

function headOf(headers: Headers): Head {
  const figure = (name: string): number | null => {
    const text = headers.get(name)
    return text === null ? null : Number(text)
  }
  return {
    requestId: headers.get('x-paceline-request-id'),
    waitedMs: figure('x-paceline-wait-ms'),
    attempts: figure('x-paceline-attempts'),
  }
}

async function refusalOf(response: Response): Promise<Refusal> {
  const { status, code, message } = await problemOf(response)
  // The gateway's own page asks for a session; a provider that refuses a key says the same number.
  const isOurs = !response.headers.has('x-paceline-answered-by')
  if (status === 401 && code === 'unauthorized' && isOurs) sessionEnded()
  return { status, code, said: message, againAtMs: againAt(response.headers, Date.now()) }
}
