// Server-sent events over `fetch`: unlike `EventSource` it shows the status of a refusal and the
// comments by which a silent but living connection is told from a dead one.

export interface ServerEvent {
  /** `message` where the server names none. */
  name: string
  data: string
}

/** Cuts a stream of text into events. Feed it pieces of any size. */
export class EventParser {
  private rest = ''
  private name = ''
  private data: string[] = []

  constructor(
    private readonly onEvent: (event: ServerEvent) => void,
    private readonly onComment: (text: string) => void = () => {},
  ) {}

  push(text: string): void {
    this.rest += text
    // A carriage return at the end may be half of a line's end.
    const lines = this.rest.split(/\r\n|\n|\r(?!$)/)
    this.rest = lines.pop() ?? ''
    for (const line of lines) this.line(line)
  }

  private line(line: string): void {
    if (line === '') return this.dispatch()
    if (line.startsWith(':')) return this.onComment(line.slice(1).replace(/^ /, ''))
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'event') this.name = value
    if (field === 'data') this.data.push(value)
  }

  private dispatch(): void {
    if (this.data.length > 0) this.onEvent({ name: this.name || 'message', data: this.data.join('\n') })
    this.name = ''
    this.data = []
  }
}

/** Reads a body to its end, and gives its text to the parser as it comes. */
export async function readEvents(body: ReadableStream<Uint8Array>, parser: EventParser): Promise<void> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      parser.push(decoder.decode(value, { stream: true }))
    }
  } catch (error) {
    // Nobody reads on: the sender must not go on for nothing.
    await reader.cancel().catch(() => {})
    throw error
  } finally {
    reader.releaseLock()
  }
}
