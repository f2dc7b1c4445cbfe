// What the chat sends along with each message. The name of the model and whether the panel is shown
// are remembered on this machine; keys and texts are not.
import { session } from '../session.svelte'
import type { Turn } from './call'

const MODEL = 'paceline.chat.model'
const PANEL = 'paceline.chat.panel'

export const PRIORITIES = ['interactive', 'standard', 'batch'] as const
export type Priority = (typeof PRIORITIES)[number]

class Settings {
  model = $state(remembered(MODEL))
  /** The key of whoever chats: in memory alone. */
  key = $state('')
  system = $state('')
  /** The most tokens of an answer; null: as the provider has it. */
  answerTokens = $state<number | null>(null)
  temperature = $state<number | null>(null)
  priority = $state<Priority>('interactive')
  /** As the gateway reads it, as in `30s`; empty: as it is configured. */
  waitMax = $state('')
  /** Until somebody chooses, the panel is shown where there is room beside the messages. */
  showsPanel = $state(remembered(PANEL) === '' ? window.matchMedia('(min-width: 62rem)').matches : remembered(PANEL) === 'shown')

  /** What is missing before anything can be sent, in words; empty: nothing. */
  readonly missing = $derived.by(() => {
    if (this.model.trim() === '') return 'Name a model first.'
    if (!/^(\d+(ms|s|m|h)?)?$/.test(this.waitMax.trim())) return 'The longest wait is not understood: write 30s, 10m or 1h.'
    if (!session.gateway?.chat.needs_key) return ''
    if (this.key.trim() === '') return 'Enter a key first.'
    return /^[\x21-\x7e]+$/.test(this.key.trim()) ? '' : 'A key has only letters, digits and signs, without spaces.'
  })

  useModel(name: string): void {
    this.model = name
    remember(MODEL, name)
  }

  showPanel(shown: boolean): void {
    this.showsPanel = shown
    remember(PANEL, shown ? 'shown' : 'hidden')
  }

  forget(): void {
    this.key = ''
    this.system = ''
  }

  body(turns: Turn[]): object {
    const system: Turn[] = this.system.trim() === '' ? [] : [{ role: 'system', content: this.system }]
    const body: Record<string, unknown> = {
      model: this.model.trim(),
      messages: [...system, ...turns],
      stream: true,
      stream_options: { include_usage: true },
    }
    if (this.answerTokens !== null) body[boundOf(session.gateway?.upstream ?? '')] = this.answerTokens
    if (this.temperature !== null) body.temperature = this.temperature
    return body
  }

  headers(name: string): Record<string, string> {
    const headers: Record<string, string> = { 'x-paceline-session': name, 'x-paceline-priority': this.priority }
    if (this.waitMax.trim() !== '') headers['x-paceline-max-wait'] = this.waitMax.trim()
    if (session.gateway?.chat.needs_key) headers['x-paceline-chat-key'] = this.key.trim()
    return headers
  }
}

/** OpenAI's newer models take only the newer name of the bound, other providers often only the older one. */
function boundOf(upstream: string): string {
  return upstream.includes('openai') ? 'max_completion_tokens' : 'max_tokens'
}

function remembered(key: string): string {
  try {
    return localStorage.getItem(key) ?? ''
  } catch {
    return ''
  }
}

function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value)
  } catch {
    // Where nothing may be stored the choice holds until the page is closed.
  }
}

export const settings = new Settings()
